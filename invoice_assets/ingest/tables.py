"""A resource's table as it stands in the warehouse, and how to write portable SQL about it.

What is counted in it lives in `inspection.py` and `references.py`.
https://dlthub.com/docs/dlt-ecosystem/transformations/sql
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, cast

from dlt.destinations.job_client_impl import SqlJobClientBase
from dlt.destinations.sql_client import SqlClientBase, WithSqlClient
from dlt.pipeline.pipeline import Pipeline

from invoice_assets.destinations import stores_json
from invoice_assets.ingest.dialects import Dialect, find_dialect
from invoice_assets.resource_spec import DELETED_AT, Column, ResourceSpec, name_type

SAMPLE_KEYS = 5
"""Keys of offending rows that are shown."""


@dataclass(frozen=True, kw_only=True)
class StoredTable:
    """The table of a resource: its columns with their types in dlt's words, and expressions over them."""

    spec: ResourceSpec
    client: SqlClientBase[Any]
    types: Mapping[str, str]

    @property
    def name(self) -> str:
        """The table's name, qualified and quoted."""
        return self.client.make_qualified_table_name(self.spec.name)

    @property
    def is_live(self) -> str:
        """A predicate: the source still has the row."""
        return f"{self.quote(DELETED_AT)} IS NULL" if DELETED_AT in self.types else "1 = 1"

    @property
    def key(self) -> str:
        """The primary key's value, NULL where it is missing."""
        return self.value(self.spec.column(self.spec.primary_key))

    @property
    def dialect(self) -> Dialect:
        """How the warehouse spells what is not spelled alike everywhere."""
        return find_dialect(self.client)

    def quote(self, column: str) -> str:
        """The name of a column, quoted."""
        return self.client.escape_column_name(column)

    def value(self, column: Column) -> str:
        """A column's value, NULL where it is missing: a text that is empty is, and a column that is not there."""
        if column.name not in self.types:
            return "NULL"
        name = self.quote(column.name)
        return f"NULLIF({self.dialect.as_text.format(name)}, '')" if self.types[column.name] == "text" else name

    def has(self, column: Column) -> bool:
        """Whether the column is there with the catalog's type."""
        return self.types.get(column.name) == column.type_name

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """The rows that a statement gives."""
        return [tuple(row) for row in self.client.execute_sql(sql) or ()]


@contextmanager
def open_tables(
    pipeline: Pipeline, *specs: ResourceSpec, dataset: str | None = None
) -> Iterator[list[StoredTable | None]]:
    """The tables of these resources, None where there is no such table, for as long as the context is open.

    They are the pipeline's own, or those of another dataset of the same warehouse.
    """
    with open_job_client(pipeline) as client, ExitStack() as stack:
        if dataset:
            stack.enter_context(client.sql_client.with_alternative_dataset_name(dataset))
        types = read_types(client, [spec.name for spec in specs])
        if not stores_json(client.config.destination_type):
            types = {spec.name: _read_text_as_json(spec, types.get(spec.name, {})) for spec in specs}
        yield [
            StoredTable(spec=spec, client=client.sql_client, types=types[spec.name]) if types.get(spec.name) else None
            for spec in specs
        ]


@contextmanager
def open_job_client(pipeline: Pipeline) -> Iterator[SqlJobClientBase]:
    """The pipeline's client of a warehouse that speaks SQL, connected for as long as the context is open.

    A client of Delta tables has what this project uses of a client of SQL destinations, but dlt knows it for no such.
    """
    with pipeline.destination_client() as client:
        if not isinstance(client, WithSqlClient):
            raise TypeError(f"{client.config.destination_type} is no SQL destination: its tables cannot be checked")
        if client.sql_client.native_connection:
            yield cast(SqlJobClientBase, client)
            return
        with client.sql_client:
            yield cast(SqlJobClientBase, client)


def read_types(client: SqlJobClientBase, names: Iterable[str]) -> dict[str, dict[str, str]]:
    """The columns of tables or views with their types in dlt's words, by name; empty where there is none."""
    return {
        table: {
            name: name_type(
                column.get("data_type") or "unknown",
                precision=column.get("precision"),
                scale=column.get("scale"),
            )
            for name, column in columns.items()
            if not name.startswith("_dlt")
        }
        for table, columns in client.get_storage_tables(list(dict.fromkeys(names)))
    }


def _read_text_as_json(spec: ResourceSpec, types: Mapping[str, str]) -> dict[str, str]:
    """The types where JSON is stored as text: a text is then what the catalog's JSON has to be."""
    json = [column.name for column in spec.columns if column.data_type == "json"]
    return {**types, **{name: "json" for name in json if types.get(name) == "text"}}
