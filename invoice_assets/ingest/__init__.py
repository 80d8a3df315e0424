"""Catalog rows as dlt: source, paging, typing, pipeline, warehouse. Knows nothing of Dagster."""
