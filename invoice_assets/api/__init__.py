"""Plain HTTP to the invoicing API: errors, tokens, sessions, pacing, pages. Knows neither dlt nor Dagster."""
