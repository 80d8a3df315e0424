"""A resource's table as it stands in the warehouse, and how to write portable SQL about it.

What is counted in it lives in `inspection.py` and `references.py`.
https://dlthub.com/docs/dlt-ecosystem/transformations/sql
"""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, cast

from dlt.common.destination.client import JobClientBase
from dlt.common.schema.typing import TTableSchemaColumns
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
    with pipeline.destination_client() as client, _connect(client) as sql_client, ExitStack() as stack:
        if dataset:
            stack.enter_context(sql_client.with_alternative_dataset_name(dataset))
        names = list(dict.fromkeys(spec.name for spec in specs))
        # Every client that has one of SQL has this method as well; dlt declares it for SQL destinations alone.
        stored = dict(cast(SqlJobClientBase, client).get_storage_tables(names))
        has_json = stores_json(client.config.destination_type)
        yield [
            StoredTable(
                spec=spec,
                client=sql_client,
                types=_name_types(spec, stored[spec.name], has_json=has_json),
            )
            if stored.get(spec.name)
            else None
            for spec in specs
        ]


@contextmanager
def _connect(client: JobClientBase) -> Iterator[SqlClientBase[Any]]:
    """The SQL client of an open client, connected: one of a filesystem is not yet, all others are."""
    if not isinstance(client, WithSqlClient):
        raise TypeError(f"{client.config.destination_type} is no SQL destination: its tables cannot be checked")
    if client.sql_client.native_connection:
        yield client.sql_client
        return
    with client.sql_client as connected:
        yield connected


def _name_types(spec: ResourceSpec, stored: TTableSchemaColumns, *, has_json: bool) -> dict[str, str]:
    """The types in dlt's words; where JSON is stored as text, a text is what the catalog's JSON has to be."""
    types = {
        name: name_type(
            column.get("data_type") or "unknown", precision=column.get("precision"), scale=column.get("scale")
        )
        for name, column in stored.items()
        if not name.startswith("_dlt")
    }
    json = () if has_json else [column.name for column in spec.columns if column.data_type == "json"]
    return types | {name: "json" for name in json if types.get(name) == "text"}
