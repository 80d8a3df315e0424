"""Pools: what must not be loaded at the same time.

They take effect where the instance limits them; `dagster.yaml` sets one step per pool. What keeps loads apart without
that is the warehouse's own: `ingest/warehouse.py`, `ingest/postgres_destination.py`.
https://docs.dagster.io/guides/operate/managing-concurrency/concurrency-pools
"""

from invoice_assets.resource_spec import ResourceSpec, qualify
from invoice_assets.settings import Settings


def name_pool(spec: ResourceSpec, settings: Settings) -> str:
    """The pool of everything that opens the resource's table.

    A table takes one merge at a time, so that an older read never lands on a newer one. A DuckDB file takes one process
    at a time, whatever the table.
    """
    return (
        settings.dataset
        if settings.destination_type == "duckdb"
        else f"{qualify(settings.dataset, spec.organization)}_{spec.name}"
    )
