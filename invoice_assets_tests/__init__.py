"""Tests of invoice_assets, and the sandbox API server that they run against."""
