"""The warehouse, tried as loads use it, in a dataset of its own that is dropped afterwards.

How it is opened and loaded lives in `ingest/`. A DuckDB file that does not exist yet is not made: a file beside it is,
and deleted.
"""

import logging
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

from dlt.pipeline.pipeline import Pipeline

from invoice_assets.defs.failures import find_cause
from invoice_assets.defs.resources import WarehouseResource
from invoice_assets.destinations import DestinationSpec
from invoice_assets.doctor.findings import Finding, State, describe_error, fine
from invoice_assets.ingest.pipeline import OpenTableClient
from invoice_assets.ingest.source import build_load_source
from invoice_assets.ingest.typing import ColumnBatch
from invoice_assets.ingest.warehouse_errors import WarehouseLockedError
from invoice_assets.resource_spec import Cadence, ResourceSpec, Sort, text
from invoice_assets.settings import Settings

NAME = "warehouse"
_log = logging.getLogger(__name__)
_PROBE = ResourceSpec(
    name="probe",
    path="probe",
    data_selector="probe",
    primary_key="probe_id",
    cadence=Cadence.REFERENCE,
    scopes=frozenset({"none"}),
    sort=Sort(column="probe_id"),
    description="A table that an examination makes and drops.",
    columns=(text("probe_id", "Its key", required=True), text("value", "What is merged", required=True)),
)


def examine_warehouse(settings: Settings) -> Iterator[Finding]:
    """Whether a table can be made, written, merged into, deleted from and dropped."""
    with _choose_place(settings) as (warehouse, place):
        doing = "opened"
        try:
            for step in _try(warehouse):
                doing = step
        except WarehouseLockedError as error:
            yield describe_error(NAME, error, state=State.WARNING)
        except Exception as error:
            cause = find_cause(error)
            if cause is None:
                raise
            found = describe_error(NAME, cause)
            yield replace(found, what=f"a scratch table cannot be {doing}: {found.what}")
        else:
            yield fine(NAME, f"{place}: a scratch table was made, written, merged into, deleted from and dropped")


def _try(warehouse: WarehouseResource) -> Iterator[str]:
    """What is done next with the scratch table, each step in words before it is done."""
    with ExitStack() as left_behind:
        left_behind.callback(_drop_if_possible, warehouse)
        with warehouse.open_load(_PROBE) as pipeline:
            yield "made and written"
            _load(pipeline, warehouse.destination, value="before")
        with warehouse.open_load(_PROBE) as pipeline:
            yield "merged into"
            _load(pipeline, warehouse.destination, value="after")
            with pipeline.sql_client() as client:
                table = client.make_qualified_table_name(_PROBE.name)
                yield "read as it was merged"
                rows = client.execute_sql(f"SELECT probe_id, value FROM {table}")
                if [tuple(row) for row in rows or ()] != [("1", "after")]:
                    raise TypeError("a merge has left other rows than were merged")
                yield "deleted from"
                if isinstance(client, OpenTableClient):
                    client.mark_deleted(_PROBE, ["1"], deleted_at=datetime.now(UTC))
                else:
                    client.execute_sql(f"DELETE FROM {table}")
        left_behind.pop_all()
    yield "dropped"
    _drop(warehouse)


def _load(pipeline: Pipeline, destination: DestinationSpec, *, value: str) -> None:
    batch = ColumnBatch(_PROBE)
    batch.extend([{"probe_id": "1", "value": value}])
    pipeline.run(
        build_load_source(_PROBE, iter([batch.build_table()]), destination=destination),
        loader_file_format=destination.file_format,
    )


def _drop(warehouse: WarehouseResource) -> None:
    """Drop the dataset, and the staging dataset where the server keeps one."""
    with warehouse.open_pipeline(_PROBE) as pipeline, pipeline.sql_client() as client:
        if client.has_dataset():
            client.drop_dataset()
        if warehouse.destination_type == "duckdb":
            return
        with client.with_staging_dataset():
            if client.has_dataset():
                client.drop_dataset()


def _drop_if_possible(warehouse: WarehouseResource) -> None:
    """After a step that failed, whose error is the one to tell."""
    try:
        _drop(warehouse)
    except Exception:
        _log.debug("the scratch dataset %s may be left", warehouse.dataset, exc_info=True)


@contextmanager
def _choose_place(settings: Settings) -> Iterator[tuple[WarehouseResource, str]]:
    """The warehouse with a dataset that nobody else uses, and what it is called; nobody is waited for."""
    own = replace(settings, dataset=f"{settings.dataset}_doctor_{uuid4().hex[:8]}", warehouse_patience_s=0.0)
    if not own.database or Path(own.database).exists():
        yield WarehouseResource.from_settings(own), own.database or own.destination.name
        return
    missing = Path(own.database)
    folders = [folder for folder in missing.parents if not folder.exists()]
    scratch = missing.with_name(f"{missing.name}.{uuid4().hex[:8]}")
    try:
        yield WarehouseResource.from_settings(replace(own, database=str(scratch))), f"{missing}, not there yet"
    finally:
        for path in (scratch, scratch.with_name(f"{scratch.name}.wal")):
            if path.exists():
                path.unlink()
        for folder in folders:
            if folder.exists():
                folder.rmdir()
