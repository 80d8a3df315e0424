"""Tests of the Dagster side of alerts, mirroring invoice_assets/defs/alerting/."""
