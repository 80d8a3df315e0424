"""The Dagster side of alerts: what Dagster remembers as observations, and the sensors that tell them."""
