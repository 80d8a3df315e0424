"""`invoice-assets`: what a person types outside Dagster. Each command has its module, `application.py` has them all."""

from invoice_assets.cli.application import app, main

__all__ = ["app", "main"]
