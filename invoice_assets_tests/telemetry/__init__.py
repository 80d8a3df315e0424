"""Tests of `invoice_assets/telemetry`, and the collector that takes its metrics in tests."""
