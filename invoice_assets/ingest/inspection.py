"""One pass over a table that counts what the asset checks judge.

Portable SQL through dlt's client; what counts as a failure lives in `defs/checks.py`.
https://dlthub.com/docs/dlt-ecosystem/transformations/sql
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from dlt.destinations.exceptions import DatabaseUndefinedRelation
from dlt.destinations.sql_client import SqlClientBase
from dlt.pipeline.pipeline import Pipeline

from invoice_assets.resource_spec import DELETED_AT, Column, ResourceSpec

QUARTER_S = 900


@dataclass(frozen=True, kw_only=True)
class TableInspection:
    """What one pass over a table has counted; `sql` is the statement that did."""

    rows: int
    distinct_keys: int
    missing: Mapping[str, int] = field(default_factory=dict)
    """Rows in which a required column is NULL or, where it is text, empty; by column."""
    sql: str


def inspect_table(pipeline: Pipeline, spec: ResourceSpec) -> TableInspection | None:
    """Count rows, keys and missing values in the resource's table; None where there is no such table."""
    with pipeline.sql_client() as client:
        sql = _build_statement(client, spec)
        try:
            rows = client.execute_sql(sql)
        except DatabaseUndefinedRelation:
            return None
    total, distinct_keys, *missing = [int(value or 0) for value in rows[0]] if rows else [0, 0]
    names = [column.name for column in spec.required_columns]
    return TableInspection(
        rows=total, distinct_keys=distinct_keys, missing=dict(zip(names, missing, strict=True)), sql=sql
    )


def count_rows(pipeline: Pipeline, spec: ResourceSpec) -> int:
    """Rows of the resource's table that the source still has; 0 where there is no table."""
    with pipeline.sql_client() as client:
        table = client.make_qualified_table_name(spec.name)
        try:
            rows = client.execute_sql(f"SELECT COUNT(*) FROM {table} WHERE {DELETED_AT} IS NULL")
        except DatabaseUndefinedRelation:
            return 0
    return int(rows[0][0]) if rows else 0


def count_rows_by_modification(pipeline: Pipeline, spec: ResourceSpec) -> dict[datetime, int]:
    """Rows that the source still has, by the quarter of an hour (UTC) in which they were last modified.

    Every time zone's midnight falls on a quarter of an hour, so days of any zone can be added up from these.
    """
    with pipeline.sql_client() as client:
        quarter = f"FLOOR(EXTRACT(EPOCH FROM {client.escape_column_name('last_modified_time')}) / {QUARTER_S})"
        rows = client.execute_sql(
            f"SELECT {quarter}, COUNT(*) FROM {client.make_qualified_table_name(spec.name)} "
            f"WHERE {DELETED_AT} IS NULL AND last_modified_time IS NOT NULL GROUP BY {quarter}"
        )
    return {datetime.fromtimestamp(int(quarter) * QUARTER_S, UTC): int(count) for quarter, count in rows or ()}


def _build_statement(client: SqlClientBase[Any], spec: ResourceSpec) -> str:
    key = client.escape_column_name(spec.primary_key)
    counts = ["COUNT(*)", f"COUNT(DISTINCT NULLIF({key}, ''))"]
    counts += [f"SUM(CASE WHEN {_is_missing(client, column)} THEN 1 ELSE 0 END)" for column in spec.required_columns]
    return f"SELECT {', '.join(counts)} FROM {client.make_qualified_table_name(spec.name)}"


def _is_missing(client: SqlClientBase[Any], column: Column) -> str:
    name = client.escape_column_name(column.name)
    return f"{name} IS NULL OR {name} = ''" if column.data_type == "text" else f"{name} IS NULL"
