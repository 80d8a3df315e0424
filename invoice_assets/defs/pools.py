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
    return _name_pool(settings, spec.organization, spec.name)


def name_reporting_pool(settings: Settings) -> str:
    """The pool of everything that opens a view of the group `reporting`: one is made by one step at a time."""
    return _name_pool(settings, settings.slug, "reporting")


def _name_pool(settings: Settings, organization: str, name: str) -> str:
    is_one_file = settings.destination_type == "duckdb"
    return settings.dataset if is_one_file else f"{qualify(settings.dataset, organization)}_{name}"
