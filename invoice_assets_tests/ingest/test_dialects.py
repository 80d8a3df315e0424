from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Self, cast

import dlt
import pytest
import sqlglot
from dlt.common.destination import DestinationCapabilitiesContext
from dlt.common.destination.capabilities import DataTypeMapper
from dlt.common.schema.typing import TColumnSchema
from dlt.destinations.impl.clickhouse.factory import ClickHouseTypeMapper
from dlt.destinations.impl.postgres.factory import PostgresTypeMapper
from dlt.destinations.impl.snowflake.factory import SnowflakeTypeMapper
from dlt.destinations.sql_client import SqlClientBase
from dlt.pipeline.pipeline import Pipeline
from sqlglot import exp

from invoice_assets.catalog import RESOURCES
from invoice_assets.destinations import DESTINATIONS, DestinationSpec
from invoice_assets.ingest.counting import count_rows, count_rows_by_modification
from invoice_assets.ingest.deletions import find_missing, mark_deletions
from invoice_assets.ingest.dialects import STANDARD, find_dialect
from invoice_assets.ingest.inspection import count_in
from invoice_assets.ingest.references import count_orphans
from invoice_assets.ingest.source import build_column_hints
from invoice_assets.ingest.tables import StoredTable
from invoice_assets.ingest.windows import Window
from invoice_assets.resource_spec import DELETED_AT, ResourceSpec

NOW = datetime(2026, 3, 8, 12, tzinfo=UTC)
ELSEWHERE = ["snowflake", "bigquery", "databricks", "clickhouse"]
NO_PIPELINE = cast(Pipeline, None)
"""Every statement here goes to the client that is given."""


class Reader:
    """A warehouse that reads statements as its dialect has them, counts one of everything, and keeps no row.

    It stands where the network begins: dlt's own clients of these destinations import drivers and connect.
    """

    def __init__(self, destination_type: str) -> None:
        self.capabilities: DestinationCapabilitiesContext = getattr(dlt.destinations, destination_type)().capabilities()
        self.read: list[exp.Expr] = []
        self._dataset = "invoicing"

    def escape_column_name(self, name: str) -> str:
        return self.capabilities.escape_identifier(self.capabilities.casefold_identifier(name))

    def make_qualified_table_name(self, name: str) -> str:
        return f"{self.escape_column_name(self._dataset)}.{self.escape_column_name(name)}"

    @contextmanager
    def with_staging_dataset(self) -> Iterator[Self]:
        self._dataset = "invoicing_staging"
        yield self
        self._dataset = "invoicing"

    def execute_sql(self, sql: str, *arguments: object) -> list[tuple[Any, ...]]:
        given = sql.replace("%s", "NULL")
        statement = sqlglot.parse_one(given, dialect=self.capabilities.sqlglot_dialect)
        self.read.append(statement)
        return [tuple([1] * len(statement.selects))] if isinstance(statement, exp.Select) else []

    def table(self, spec: ResourceSpec) -> StoredTable:
        types = {column.name: column.type_name for column in spec.columns} | {DELETED_AT: "timestamp"}
        return StoredTable(spec=spec, client=self.client, types=types)

    @property
    def client(self) -> SqlClientBase[Any]:
        return cast(SqlClientBase[Any], self)


@pytest.mark.parametrize("name", RESOURCES)
@pytest.mark.parametrize("destination_type", ELSEWHERE)
def test_every_statement_is_one_of_the_dialect(destination_type: str, name: str) -> None:
    spec, reader = RESOURCES[name], Reader(destination_type)
    targets = {reference.resource: reader.table(RESOURCES[reference.resource]) for reference in spec.references}

    count_in(reader.table(spec), window=Window(start=NOW, end=NOW))
    count_orphans(reader.table(spec), targets, read_at=dict.fromkeys(targets, NOW))
    count_rows(NO_PIPELINE, spec, client=reader.client)
    count_rows_by_modification(NO_PIPELINE, spec, client=reader.client)
    find_missing(NO_PIPELINE, spec, rows_seen=1, limit=1, client=reader.client)
    mark_deletions(NO_PIPELINE, spec, ["1"], deleted_at=NOW, client=reader.client)

    types = {cast_.to.sql(destination_type) for statement in reader.read for cast_ in statement.find_all(exp.Cast)}
    assert len(reader.read) >= 8
    assert (
        types
        <= {
            "snowflake": {"VARCHAR", "TIMESTAMPTZ"},
            "bigquery": {"STRING", "TIMESTAMP"},
            "databricks": {"STRING", "TIMESTAMP"},
            "clickhouse": {"Nullable(String)"},
        }[destination_type]
    )


@pytest.mark.parametrize("destination_type", ["duckdb", "postgres", "motherduck"])
def test_where_sql_is_standard_nothing_is_spelled_otherwise(destination_type: str) -> None:
    assert find_dialect(Reader(destination_type).client) is STANDARD
    assert STANDARD.translate("LENGTH(code) = 3") == "LENGTH(code) = 3"


@pytest.mark.parametrize("row", [row for row in DESTINATIONS if not row.table_format], ids=lambda row: row.name)
def test_the_types_of_the_catalog_come_back_as_dlt_spells_them_there(row: DestinationSpec) -> None:
    """What `columns_match_catalog` compares: the type that a column gets there, read back."""
    mapper = getattr(dlt.destinations, row.destination_type)().capabilities().get_type_mapper()
    hints = [hint for spec in RESOURCES.values() for hint in build_column_hints(spec, has_json=row.has_json).values()]

    mistaken = {hint["name"]: hint["data_type"] for hint in hints if read_back(mapper, hint) != hint["data_type"]}

    assert mistaken == {}


def read_back(mapper: DataTypeMapper, hint: TColumnSchema) -> str | None:
    """The dlt type of a column of this type, as the destination tells of it: some tell the digits beside the type."""
    stored = mapper.to_destination_type(hint, {"name": "things", "columns": {}})
    name, precision, scale = stored, None, None
    if isinstance(mapper, SnowflakeTypeMapper | PostgresTypeMapper):
        name, _, digits = stored.partition("(")
        precision, scale = (int(n) for n in digits.strip(")").split(",")) if digits else (None, None)
    if isinstance(mapper, ClickHouseTypeMapper):
        name = name.replace("Boolean", "Bool")  # an alias, of which the server keeps nothing
    return mapper.from_destination_type(name, precision, scale)["data_type"]
