"""Rows of a table, counted: all that the source still has, and by when they were last modified.

What the asset checks count lives in `inspection.py`. https://dlthub.com/docs/dlt-ecosystem/transformations/sql
"""

from datetime import UTC, datetime
from typing import Any

from dlt.destinations.exceptions import DatabaseUndefinedRelation
from dlt.destinations.sql_client import SqlClientBase
from dlt.pipeline.pipeline import Pipeline

from invoice_assets.ingest.dialects import find_dialect
from invoice_assets.ingest.pipeline import use_client
from invoice_assets.resource_spec import DELETED_AT, ResourceSpec

QUARTER_S = 900


def count_rows(pipeline: Pipeline, spec: ResourceSpec, *, client: SqlClientBase[Any] | None = None) -> int:
    """Rows of the resource's table that the source still has; 0 where there is no table."""
    with use_client(pipeline, client) as client:
        table = client.make_qualified_table_name(spec.name)
        try:
            rows = client.execute_sql(f"SELECT COUNT(*) FROM {table} WHERE {DELETED_AT} IS NULL")
        except DatabaseUndefinedRelation:
            return 0
    return int(rows[0][0]) if rows else 0


def count_rows_by_modification(
    pipeline: Pipeline, spec: ResourceSpec, *, client: SqlClientBase[Any] | None = None
) -> dict[datetime, int]:
    """Rows that the source still has, by the quarter of an hour (UTC) in which they were last modified.

    Every time zone's midnight falls on a quarter of an hour, so days of any zone can be added up from these.
    """
    with use_client(pipeline, client) as client:
        seconds = find_dialect(client).epoch_seconds.format(client.escape_column_name("last_modified_time"))
        quarter = f"FLOOR({seconds} / {QUARTER_S})"
        rows = client.execute_sql(
            f"SELECT {quarter}, COUNT(*) FROM {client.make_qualified_table_name(spec.name)} "
            f"WHERE {DELETED_AT} IS NULL AND last_modified_time IS NOT NULL GROUP BY {quarter}"
        )
    return {datetime.fromtimestamp(int(quarter) * QUARTER_S, UTC): int(count) for quarter, count in rows or ()}
