"""How a load is told to Dagster, and read there again: a sentence, metadata when it is done, counts per partition.

Numbers are numbers, so that the UI plots them over time. Which load of many is asked about: `load_history.py`.
https://docs.dagster.io/guides/build/assets/metadata-and-tags
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from dagster import (
    AssetExecutionContext,
    AssetObservation,
    MetadataValue,
    TableColumn,
    TableMetadataValue,
    TableRecord,
    TableSchema,
    TimeWindowPartitionsDefinition,
)

from invoice_assets.defs.partitions import count_by_partition
from invoice_assets.defs.progress import count, tell_quota
from invoice_assets.defs.translator import build_api_key, build_table_schema
from invoice_assets.ingest.windows import Window

if TYPE_CHECKING:
    from invoice_assets.api.session import ApiUsage
    from invoice_assets.defs.loads import Load

COMPLETE_PARTITION = "partition_is_complete"
"""Metadata of a partition: whether its day was over when it was read."""


@dataclass(frozen=True, kw_only=True)
class LoadFacts:
    """What a load has told of the read behind it, for checks to hold the table against."""

    started_at: datetime
    window: Window
    source_rows: int
    """Rows with different primary keys that the source returned."""
    new_columns: Mapping[str, str]
    """The JSON type on the wire of each column of the table that the catalog does not know."""
    always_sent: frozenset[str]
    """The catalog's columns that every row had a field for."""
    never_sent: frozenset[str]
    """The catalog's columns that no row had a field for."""
    rows_in_table: int | None = None
    """Live rows in the table after the load."""
    rows_unmarked: int = 0
    """Live rows that this complete read did not bring, and that are not marked as deleted all the same."""
    quota_remaining: int | None = None
    """Requests of the day that were left after it, where the API has told."""


def summarize(load: "Load") -> str:
    """What a load has read, for how much, and what is in its table now."""
    elapsed_s = sum(load.stages_s.values())
    read = f"read {count(load.census.rows, 'row')} in {count(load.usage.requests, 'request')} and {elapsed_s:.1f} s"
    table = f"{count(load.rows_in_table, 'row')} in {load.table_name}"
    deleted = [f"{load.rows_marked_deleted:,} marked deleted"] if load.rows_marked_deleted else []
    return f"{load.spec.label}: {', '.join([read, table, *deleted, *tell_quota(load.usage)])}"


def collect_warnings(load: "Load") -> list[str]:
    """What somebody should know of the load, in sentences."""
    warnings = [load.marking_refusal.reason] if load.marking_refusal else []
    if load.report.sort_ignored:
        warnings.append(
            f"The API did not sort by {load.spec.sort.column}: the list was read by page number, and a change "
            "meanwhile may have hidden a row."
        )
    return warnings


def describe_load(load: "Load") -> dict[str, Any]:
    """What was read, what it cost and what is in the table now."""
    warnings = collect_warnings(load)
    return {
        **({"warning": " ".join(warnings)} if warnings else {}),
        "rows_loaded": load.census.rows,
        "source_rows": load.census.keys,
        "rows_marked_deleted": load.rows_marked_deleted,
        "dagster/row_count": load.rows_in_table,
        "pages": load.report.pages,
        **_describe_usage(load.usage),
        "bytes_read": load.usage.bytes,
        **{f"{stage}_s": seconds for stage, seconds in load.stages_s.items()},
        **({"preview": _show_rows(load)} if load.preview else {}),
        "new_columns": MetadataValue.json(_describe_new_columns(load)),
        "read": MetadataValue.json(_describe_read(load)),
        "dagster/column_schema": build_table_schema(load.spec),
        "dagster/table_name": load.table_name,
    }


def observe_api(load: "Load") -> AssetObservation:
    """What the load has cost at the API, told of the API's own asset, whose page plots the quota over time."""
    told: dict[str, Any] = {"resource": load.spec.name, **_describe_usage(load.usage)}
    return AssetObservation(build_api_key(load.spec.organization), metadata=told)


def tell_partitions(context: AssetExecutionContext, load: "Load", partitions: TimeWindowPartitionsDefinition) -> None:
    """Tell each partition how many of the table's rows are its own, and the last one what the whole load has cost."""
    keys = context.partition_keys
    for key, rows in count_by_partition(partitions, keys, load.rows_by_modification).items():
        is_over = partitions.time_window_for_partition_key(key).end <= load.started_at
        told = {"dagster/partition_row_count": rows, COMPLETE_PARTITION: is_over}
        context.add_asset_metadata(told, partition_key=key)
    context.add_asset_metadata(describe_load(load), partition_key=keys[-1])


def read_load_facts(metadata: Mapping[str, MetadataValue[Any]]) -> LoadFacts | None:
    """What `describe_load` has told; None where the metadata is not of its making."""
    read, source_rows, new_columns = (metadata.get(name) for name in ("read", "source_rows", "new_columns"))
    if read is None or source_rows is None or new_columns is None:
        return None
    told = read.value
    return LoadFacts(
        started_at=datetime.fromisoformat(told["started_at"]),
        window=Window(start=_parse(told["window_start"]), end=_parse(told["window_end"])),
        source_rows=source_rows.value,
        new_columns={column["column"]: column["type"] for column in new_columns.value.values()},
        always_sent=frozenset(told["always_sent"]),
        never_sent=frozenset(told["never_sent"]),
        rows_in_table=_read_number(metadata, "dagster/row_count"),
        rows_unmarked=told.get("rows_unmarked", 0),
        quota_remaining=_read_number(metadata, "quota_remaining"),
    )


def _describe_usage(usage: "ApiUsage") -> dict[str, int]:
    quota = {} if usage.quota_remaining is None else {"quota_remaining": usage.quota_remaining}
    return {"api_requests": usage.requests, "api_requests_failed": usage.failed_attempts, **quota}


def _show_rows(load: "Load") -> TableMetadataValue:
    columns = [TableColumn(name, load.spec.column(name).type_name) for name in load.preview[0]]
    return MetadataValue.table([TableRecord(dict(row)) for row in load.preview], schema=TableSchema(columns))


def _read_number(metadata: Mapping[str, MetadataValue[Any]], name: str) -> int | None:
    value = metadata.get(name)
    return value.value if value is not None and isinstance(value.value, int) else None


def _describe_read(load: "Load") -> dict[str, Any]:
    start, end = load.window.start, load.window.end
    return {
        "started_at": load.started_at.isoformat(),
        "window_start": start.astimezone(UTC).isoformat() if start else None,
        "window_end": end.astimezone(UTC).isoformat() if end else None,
        "rows_unmarked": load.marking_refusal.rows if load.marking_refusal else 0,
        "always_sent": sorted(load.census.always_sent),
        "never_sent": sorted(load.census.never_sent),
    }


def _parse(instant: str | None) -> datetime | None:
    return datetime.fromisoformat(instant) if instant else None


def _describe_new_columns(load: "Load") -> dict[str, dict[str, str]]:
    """Each field that the catalog does not know: the column that it landed in, and its JSON type on the wire."""
    from invoice_assets.ingest.typing import name_new_columns

    types = load.census.new_columns
    return {
        field: {"column": column, "type": types[field]} for field, column in name_new_columns(load.spec, types).items()
    }
