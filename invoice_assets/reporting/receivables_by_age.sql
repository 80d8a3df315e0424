-- What customers owe, by how long it has been due: one row for each currency and age.
WITH today AS (
  SELECT CAST(CURRENT_TIMESTAMP AT TIME ZONE 'UTC' AS DATE) AS day
),
owed AS (
  SELECT
    invoices.currency_code,
    invoices.balance,
    CASE
      WHEN invoices.due_date < CAST(today.day - INTERVAL '90' DAY AS DATE) THEN 91
      WHEN invoices.due_date < CAST(today.day - INTERVAL '60' DAY AS DATE) THEN 61
      WHEN invoices.due_date < CAST(today.day - INTERVAL '30' DAY AS DATE) THEN 31
      WHEN invoices.due_date < today.day THEN 1
      ELSE 0
    END AS days_overdue_from
  FROM invoices
  CROSS JOIN today
  WHERE invoices.deleted_at IS NULL
    AND invoices.status NOT IN ('draft', 'void')
    AND invoices.balance <> 0
)
SELECT
  currency_code,
  CASE days_overdue_from
    WHEN 0 THEN 'current'
    WHEN 1 THEN '1-30'
    WHEN 31 THEN '31-60'
    WHEN 61 THEN '61-90'
    ELSE '90+'
  END AS age,
  days_overdue_from,
  COUNT(*) AS invoices,
  CAST(SUM(balance) AS DECIMAL(28, 6)) AS balance
FROM owed
GROUP BY currency_code, days_overdue_from
