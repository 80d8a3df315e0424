"""Tests of the alerts, mirroring invoice_assets/alerts/."""
