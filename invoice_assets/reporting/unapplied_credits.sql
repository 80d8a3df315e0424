-- What customers have to their credit: open credit notes, and payments that no invoice has taken up.
WITH credits AS (
  SELECT
    customer_id,
    customer_name,
    currency_code,
    1 AS credit_notes,
    0 AS payments,
    balance AS credit_note_balance,
    0 AS unused_payments
  FROM credit_notes
  WHERE deleted_at IS NULL
    AND status NOT IN ('draft', 'void')
    AND balance <> 0
  UNION ALL
  SELECT
    customer_payments.customer_id,
    customer_payments.customer_name,
    contacts.currency_code,
    0 AS credit_notes,
    1 AS payments,
    0 AS credit_note_balance,
    customer_payments.unused_amount AS unused_payments
  FROM customer_payments
  LEFT JOIN contacts ON contacts.contact_id = customer_payments.customer_id
  WHERE customer_payments.deleted_at IS NULL
    AND customer_payments.unused_amount <> 0
)
SELECT
  customer_id,
  MAX(customer_name) AS customer_name,
  currency_code,
  CAST(SUM(credit_notes) AS BIGINT) AS credit_notes,
  CAST(SUM(payments) AS BIGINT) AS payments,
  CAST(SUM(credit_note_balance) AS DECIMAL(28, 6)) AS credit_note_balance,
  CAST(SUM(unused_payments) AS DECIMAL(28, 6)) AS unused_payments,
  CAST(SUM(credit_note_balance) + SUM(unused_payments) AS DECIMAL(28, 6)) AS unapplied
FROM credits
GROUP BY customer_id, currency_code
