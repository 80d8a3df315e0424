"""One dlt pipeline per resource, and what a load of it tells afterwards.

The rows come from `source.py`, the destination from `warehouse.py`. https://dlthub.com/docs/general-usage/pipeline
"""

import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Protocol, runtime_checkable

import dlt
from dlt.common.destination import Destination
from dlt.common.schema.typing import LOADS_TABLE_NAME
from dlt.destinations.exceptions import DatabaseUndefinedRelation
from dlt.destinations.sql_client import SqlClientBase
from dlt.pipeline.pipeline import Pipeline

from invoice_assets.ingest.row_refusals import telling_no_rows
from invoice_assets.ingest.working_folder import open_working_folder
from invoice_assets.resource_spec import ResourceSpec


@runtime_checkable
class OpenTableClient(Protocol):
    """A client of tables in an open format: SQL reads them, and no SQL changes them."""

    def mark_deleted(self, spec: ResourceSpec, keys: Iterable[str], *, deleted_at: datetime) -> None:
        """Mark the live rows with these keys as deleted."""

    def find_last_change(self, spec: ResourceSpec) -> datetime | None:
        """When the resource's table was last written to; None where there is no table."""


@contextmanager
def open_pipeline(spec: ResourceSpec, *, destination: Destination[Any, Any], dataset: str) -> Iterator[Pipeline]:
    """A pipeline for one load of the resource, gone with its working files when the context closes.

    Its folder is private, so that two runs of one asset do not share one, and no package of a run that died is left
    for a later one to load instead of its own data. It keeps no state of dlt's in the destination: what is loaded next
    is decided by Dagster.

    Raises:
        RowsRefusedError: The warehouse does not take rows of the load.
    """
    logging.getLogger("dlt").addFilter(_is_worth_reading)
    with telling_no_rows(spec), open_working_folder(spec.name) as folder:
        pipeline = dlt.pipeline(
            pipeline_name=f"{dataset}_{spec.name}",
            pipelines_dir=str(folder),
            destination=destination,
            dataset_name=dataset,
        )
        pipeline.config.restore_from_destination = False
        try:
            yield pipeline
        finally:
            if pipeline.is_active:
                pipeline.deactivate()


@contextmanager
def use_client(pipeline: Pipeline, client: SqlClientBase[Any] | None) -> Iterator[SqlClientBase[Any]]:
    """The client given, which stays open, or one for as long as the context is: opening one reads the schema anew."""
    if client:
        yield client
    else:
        with pipeline.sql_client() as opened:
            yield opened


def has_loaded_since(pipeline: Pipeline, spec: ResourceSpec, instant: datetime) -> bool:
    """Whether a load of the resource has come to its end after this instant, as dlt's own table of loads tells.

    What was read before then must not land on it. dlt enters a load while it still has the warehouse.
    """
    with pipeline.sql_client() as client:
        if isinstance(client, OpenTableClient):
            changed_at = client.find_last_change(spec)
            return changed_at is not None and changed_at >= instant
        try:
            found = client.execute_sql(
                f"SELECT 1 FROM {client.make_qualified_table_name(LOADS_TABLE_NAME)} "
                "WHERE schema_name = %s AND inserted_at >= %s",
                spec.name,
                instant,
            )
        except DatabaseUndefinedRelation:
            return False
    return bool(found)


def _is_worth_reading(record: logging.LogRecord) -> bool:
    """False for dlt's word, once a batch, that JSON travels as Arrow text: it is meant to."""
    return "when merging arrow schema with dlt schema, several column hints were different" not in record.getMessage()


def measure_stages(pipeline: Pipeline) -> dict[str, float]:
    """Seconds that each stage of the pipeline's last run took: extract, normalize, load."""
    trace = pipeline.last_trace
    steps = trace.steps if trace else []
    return {
        step.step: round((step.finished_at - step.started_at).total_seconds(), 3)
        for step in steps
        if step.step in ("extract", "normalize", "load") and step.finished_at
    }
