"""The Dagster layer: resources, assets, asset checks and how failures are reported."""
