"""Rows that the source no longer has: found after a complete read, and marked, not removed.

A complete read has merged what the source has; a row of the table that it did not bring is gone. dlt's staging dataset
still holds the keys that it brought. https://dlthub.com/docs/dlt-ecosystem/staging
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from dlt.destinations.sql_client import SqlClientBase
from dlt.pipeline.pipeline import Pipeline

from invoice_assets.ingest.counting import count_rows
from invoice_assets.ingest.dialects import find_dialect
from invoice_assets.ingest.pipeline import OpenTableClient, use_client
from invoice_assets.resource_spec import DELETED_AT, ResourceSpec

KEYS_PER_STATEMENT = 500


@dataclass(frozen=True, kw_only=True)
class MarkingRefusal:
    """Why live rows that a complete read did not bring are not marked as deleted, and how many they are."""

    rows: int
    reason: str


@dataclass(frozen=True, kw_only=True)
class Missing:
    """The keys of live rows that a complete read did not bring, or why that is not believed."""

    keys: frozenset[str] = frozenset()
    refusal: MarkingRefusal | None = None


def find_missing(
    pipeline: Pipeline, spec: ResourceSpec, *, rows_seen: int, limit: float, client: SqlClientBase[Any] | None = None
) -> Missing:
    """The live rows that the complete read which the pipeline has just loaded did not bring.

    A read without rows is not believed, nor one that lacks more than `limit` (a share from 0 to 1) of the live rows: an
    API that answers with too little must not empty a table.
    """
    with use_client(pipeline, client) as client:
        table, key = client.make_qualified_table_name(spec.name), client.escape_column_name(spec.primary_key)
        # Not `NOT IN`, which PostgreSQL answers by going through all keys for each row once they outgrow its memory.
        gone = (
            f"FROM {table} AS live WHERE {DELETED_AT} IS NULL AND live.{key} IS NOT NULL "
            f"AND NOT EXISTS (SELECT 1 FROM {_staging(client, spec)} AS brought WHERE brought.{key} = live.{key})"
        )
        counted = client.execute_sql(f"SELECT COUNT(*) {gone}")
        missing_rows = int(counted[0][0]) if counted else 0
        if not missing_rows:
            return Missing()
        live_rows = count_rows(pipeline, spec, client=client)
        if not rows_seen or missing_rows > limit * live_rows:
            reason = (
                f"The source did not bring {missing_rows} of {live_rows} live rows, more than the {limit:.0%} of "
                "INVOICE_DELETION_LIMIT; none was marked as deleted."
            )
            return Missing(refusal=MarkingRefusal(rows=missing_rows, reason=reason))
        return Missing(keys=frozenset(str(row[0]) for row in client.execute_sql(f"SELECT live.{key} {gone}") or ()))


def mark_deletions(
    pipeline: Pipeline,
    spec: ResourceSpec,
    keys: Iterable[str],
    *,
    deleted_at: datetime,
    client: SqlClientBase[Any] | None = None,
) -> None:
    """Mark the live rows with these keys as deleted."""
    with use_client(pipeline, client) as client:
        if isinstance(client, OpenTableClient):
            client.mark_deleted(spec, keys, deleted_at=deleted_at)
            return
        update = find_dialect(client).update.format(client.make_qualified_table_name(spec.name))
        key = client.escape_column_name(spec.primary_key)
        for some in _split(sorted(keys)):
            places = ", ".join(["%s"] * len(some))
            client.execute_sql(
                f"{update} {DELETED_AT} = %s WHERE {DELETED_AT} IS NULL AND {key} IN ({places})",
                deleted_at,
                *some,
            )


def _split(keys: list[str]) -> Iterable[list[str]]:
    return (keys[start : start + KEYS_PER_STATEMENT] for start in range(0, len(keys), KEYS_PER_STATEMENT))


def _staging(client: SqlClientBase[Any], spec: ResourceSpec) -> str:
    with client.with_staging_dataset():
        return client.make_qualified_table_name(spec.name)
