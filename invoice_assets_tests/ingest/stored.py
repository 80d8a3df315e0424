"""Tables in a warehouse as a test wants them, with rows and columns that no load would bring.

How a load fills a table is tested in `test_pipeline.py`.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from dlt.pipeline.pipeline import Pipeline

from invoice_assets.api.envelope import Row
from invoice_assets.destinations import DESTINATIONS, DestinationSpec
from invoice_assets.ingest.pipeline import open_pipeline
from invoice_assets.ingest.source import build_load_source
from invoice_assets.ingest.typing import build_table
from invoice_assets.ingest.warehouse import open_destination
from invoice_assets.resource_spec import (
    DELETED_AT,
    Cadence,
    Column,
    ResourceSpec,
    Sort,
    choice,
    date,
    money,
    optional_text,
    text,
    timestamp,
)
from invoice_assets.rules import Rule, never_negative, not_before, part_of

DATASET = "invoicing"


def build_things(*columns: Column, rules: tuple[Rule, ...] = ()) -> ResourceSpec:
    """A resource `things` with the key `thing_id` and these columns."""
    return ResourceSpec(
        name="things",
        path="things",
        data_selector="things",
        primary_key="thing_id",
        cadence=Cadence.REFERENCE,
        scopes=frozenset({"things.READ"}),
        sort=Sort(column="thing_id"),
        description="Things.",
        rules=rules,
        columns=(text("thing_id", "Identifier", required=True), *columns),
    )


THINGS = build_things(
    text("name", "Name", required=True),
    money("total", "What it costs", required=True),
    money("balance", "What is open"),
    date("date", "When it was sold"),
    date("due_date", "When it is paid"),
    choice("status", "open", "closed"),
    optional_text("note", "Note"),
    timestamp("last_modified_time", "When it was last changed"),
    rules=(never_negative("total"), part_of("balance", "total"), not_before("due_date", "date")),
)
"""A resource with a column of each kind that the checks tell apart."""

_SQL_TYPES = {
    "text": "TEXT",
    "bigint": "BIGINT",
    "bool": "BOOLEAN",
    "date": "DATE",
    "timestamp": "TIMESTAMP WITH TIME ZONE",
    "json": "JSON",
}


@contextmanager
def open_load(spec: ResourceSpec, *, into: DestinationSpec, database: str = "") -> Iterator[Pipeline]:
    """A pipeline for a load of the resource into the warehouse that the environment describes."""
    with (
        open_destination(into, database=database, patience_s=0) as destination,
        open_pipeline(spec, destination=destination, dataset=DATASET) as pipeline,
    ):
        yield pipeline


def create_table(
    pipeline: Pipeline,
    spec: ResourceSpec,
    *rows: Mapping[str, object],
    types: Mapping[str, str] | None = None,
    without: Sequence[str] = (),
) -> None:
    """A resource's table with these rows; what a row does not name is NULL in it.

    Columns have the catalog's types, or those in `types`, which are SQL and may be of columns that the catalog does not
    know; the columns in `without` are left out.
    """
    declared = {column.name: _sql_type(column) for column in spec.columns} | {DELETED_AT: _SQL_TYPES["timestamp"]}
    columns = {name: kind for name, kind in (declared | dict(types or {})).items() if name not in without}
    names = list(columns)
    with pipeline.sql_client() as client:
        table = client.make_qualified_table_name(spec.name)
        client.execute_sql(f"CREATE TABLE {table} ({', '.join(f'{name} {columns[name]}' for name in names)})")
        for row in rows:
            places = ", ".join(["%s"] * len(names))
            client.execute_sql(f"INSERT INTO {table} VALUES ({places})", *(row.get(name) for name in names))


def load_table(pipeline: Pipeline, spec: ResourceSpec, *rows: Row) -> None:
    """A resource's table as a load leaves it."""
    destination = destination_of(pipeline)
    source = build_load_source(spec, iter([build_table(spec, rows)]), destination=destination)
    pipeline.run(source, loader_file_format=destination.file_format)


def destination_of(pipeline: Pipeline) -> DestinationSpec:
    """What suits the warehouse that the pipeline loads."""
    with pipeline.destination_client() as client:
        destination_type = client.config.destination_type
    (destination,) = (row for row in DESTINATIONS if row.destination_type == destination_type)
    return destination


def thing(thing_id: str | None, **changes: Any) -> dict[str, Any]:
    """A row of `THINGS` that nothing can be held against, with the changes."""
    row = {
        "thing_id": thing_id,
        "name": "Thing",
        "total": "10.00",
        "balance": "2.50",
        "date": "2026-03-08",
        "due_date": "2026-03-22",
        "status": "open",
        "note": "as good as new",
        "last_modified_time": "2026-03-08T12:00:00+00:00",
    }
    return row | changes


def _sql_type(column: Column) -> str:
    return (
        f"DECIMAL({column.precision}, {column.scale})"
        if column.data_type == "decimal"
        else (_SQL_TYPES[column.data_type])
    )
