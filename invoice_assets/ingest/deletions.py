"""Rows that the source no longer has: found after a complete read, and marked, not removed.

A complete read has merged what the source has; a row of the table that it did not bring is gone. dlt's staging dataset
still holds the keys that it brought. https://dlthub.com/docs/dlt-ecosystem/staging
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from dlt.destinations.sql_client import SqlClientBase
from dlt.pipeline.pipeline import Pipeline

from invoice_assets.resource_spec import DELETED_AT, ResourceSpec


@dataclass(frozen=True, kw_only=True)
class Deletions:
    """How many rows were marked as deleted, and why none was where that looked wrong."""

    marked: int = 0
    refusal: str | None = None


def mark_deletions(
    pipeline: Pipeline, spec: ResourceSpec, *, deleted_at: datetime, rows_seen: int, limit: float
) -> Deletions:
    """Mark the live rows that the complete read which the pipeline has just loaded did not bring.

    Nothing is marked after a read without rows, nor where more than `limit` (a share from 0 to 1) of the live rows
    would be: an API that answers with too little must not empty a table.
    """
    with pipeline.sql_client() as client:
        gone = f"{DELETED_AT} IS NULL AND {_is_not_in_staging(client, spec)}"
        table = client.make_qualified_table_name(spec.name)
        live_rows = _count(client, f"SELECT COUNT(*) FROM {table} WHERE {DELETED_AT} IS NULL")
        missing_rows = _count(client, f"SELECT COUNT(*) FROM {table} WHERE {gone}")
        if not missing_rows:
            return Deletions()
        if not rows_seen or missing_rows > limit * live_rows:
            return Deletions(
                refusal=f"The source did not bring {missing_rows} of {live_rows} live rows, more than the "
                f"{limit:.0%} of INVOICE_DELETION_LIMIT; none was marked as deleted."
            )
        client.execute_sql(f"UPDATE {table} SET {DELETED_AT} = %s WHERE {gone}", deleted_at)
        return Deletions(marked=missing_rows)


def _is_not_in_staging(client: SqlClientBase[Any], spec: ResourceSpec) -> str:
    key = client.escape_column_name(spec.primary_key)
    with client.with_staging_dataset():
        staging = client.make_qualified_table_name(spec.name)
    return f"{key} NOT IN (SELECT {key} FROM {staging})"


def _count(client: SqlClientBase[Any], sql: str) -> int:
    rows = client.execute_sql(sql)
    return int(rows[0][0]) if rows else 0
