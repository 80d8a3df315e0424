"""The invoicing API's nine resources as Dagster assets, loaded by dlt."""
