-- Who owes most: every customer with an open balance, ranked within each currency.
WITH today AS (
  SELECT CAST(CURRENT_TIMESTAMP AT TIME ZONE 'UTC' AS DATE) AS day
),
owed AS (
  SELECT
    invoices.customer_id,
    invoices.customer_name,
    invoices.currency_code,
    invoices.due_date,
    invoices.balance,
    CASE WHEN invoices.due_date < today.day THEN invoices.balance ELSE 0 END AS overdue
  FROM invoices
  CROSS JOIN today
  WHERE invoices.deleted_at IS NULL
    AND invoices.status NOT IN ('draft', 'void')
    AND invoices.balance <> 0
)
SELECT
  ROW_NUMBER() OVER (PARTITION BY currency_code ORDER BY SUM(balance) DESC, customer_id) AS place,
  customer_id,
  MAX(customer_name) AS customer_name,
  currency_code,
  COUNT(*) AS invoices,
  CAST(SUM(balance) AS DECIMAL(28, 6)) AS balance,
  CAST(SUM(overdue) AS DECIMAL(28, 6)) AS overdue,
  MIN(due_date) AS oldest_due_date
FROM owed
GROUP BY customer_id, currency_code
