-- What was invoiced and what was credited, tax included, by the month of the document's date.
WITH documents AS (
  SELECT date, currency_code, 1 AS invoices, 0 AS credit_notes, total AS invoiced, 0 AS credited
  FROM invoices
  WHERE deleted_at IS NULL
    AND status NOT IN ('draft', 'void')
  UNION ALL
  SELECT date, currency_code, 0 AS invoices, 1 AS credit_notes, 0 AS invoiced, total AS credited
  FROM credit_notes
  WHERE deleted_at IS NULL
    AND status NOT IN ('draft', 'void')
)
SELECT
  CAST(DATE_TRUNC('MONTH', date) AS DATE) AS month,
  currency_code,
  CAST(SUM(invoices) AS BIGINT) AS invoices,
  CAST(SUM(credit_notes) AS BIGINT) AS credit_notes,
  CAST(SUM(invoiced) AS DECIMAL(28, 6)) AS invoiced,
  CAST(SUM(credited) AS DECIMAL(28, 6)) AS credited,
  CAST(SUM(invoiced) - SUM(credited) AS DECIMAL(28, 6)) AS revenue
FROM documents
GROUP BY CAST(DATE_TRUNC('MONTH', date) AS DATE), currency_code
