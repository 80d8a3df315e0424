-- The tax that the lists tell: paid on expenses, and withheld by customers from what they paid.
WITH taxed AS (
  SELECT
    date,
    currency_code,
    1 AS expenses,
    0 AS payments,
    total - total_without_tax AS tax_paid,
    0 AS tax_withheld
  FROM expenses
  WHERE deleted_at IS NULL
    AND total <> total_without_tax
  UNION ALL
  SELECT
    customer_payments.date,
    contacts.currency_code,
    0 AS expenses,
    1 AS payments,
    0 AS tax_paid,
    customer_payments.tax_amount_withheld AS tax_withheld
  FROM customer_payments
  LEFT JOIN contacts ON contacts.contact_id = customer_payments.customer_id
  WHERE customer_payments.deleted_at IS NULL
    AND customer_payments.tax_amount_withheld <> 0
)
SELECT
  CAST(DATE_TRUNC('MONTH', date) AS DATE) AS month,
  currency_code,
  CAST(SUM(expenses) AS BIGINT) AS expenses,
  CAST(SUM(payments) AS BIGINT) AS payments,
  CAST(SUM(tax_paid) AS DECIMAL(28, 6)) AS tax_paid,
  CAST(SUM(tax_withheld) AS DECIMAL(28, 6)) AS tax_withheld
FROM taxed
GROUP BY CAST(DATE_TRUNC('MONTH', date) AS DATE), currency_code
