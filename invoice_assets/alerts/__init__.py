"""Alerts: from what was observed to a message that reaches a person. Knows neither dlt nor Dagster."""
