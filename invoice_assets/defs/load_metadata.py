"""What a load tells: progress while it reads, metadata when it is done, counts per partition.

Numbers are numbers, so that the UI plots them over time. https://docs.dagster.io/guides/build/assets/metadata-and-tags
"""

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from dagster import AssetExecutionContext, MetadataValue, TimeWindowPartitionsDefinition
from dlt.pipeline.pipeline import Pipeline

from invoice_assets.api.session import ApiUsage
from invoice_assets.defs.partitions import count_by_partition
from invoice_assets.defs.translator import build_table_schema
from invoice_assets.ingest.deletions import Deletions
from invoice_assets.ingest.inspection import count_rows, count_rows_by_modification
from invoice_assets.ingest.paging import ScanReport
from invoice_assets.ingest.pipeline import measure_stages
from invoice_assets.ingest.source import RowBatcher
from invoice_assets.ingest.typing import name_new_columns
from invoice_assets.ingest.windows import Window, parse_instant
from invoice_assets.resource_spec import ResourceSpec

COMPLETE_PARTITION = "partition_is_complete"
"""Metadata of a partition: whether its day was over when it was read."""
PROGRESS_PAGES = 25
"""Pages between two lines of progress: a quarter of what the API grants in a minute."""


@dataclass(kw_only=True)
class Load:
    """One load of one resource, and the parts of it that have something to tell."""

    spec: ResourceSpec
    report: ScanReport
    batcher: RowBatcher
    usage: ApiUsage
    pipeline: Pipeline
    started_at: datetime
    deletions: Deletions = field(default_factory=Deletions)


def describe_load(load: Load, *, table_name: str) -> dict[str, Any]:
    """What was read, what it cost and what is in the table now."""
    metadata: dict[str, Any] = {
        "rows_loaded": load.batcher.rows,
        "rows_marked_deleted": load.deletions.marked,
        "dagster/row_count": count_rows(load.pipeline, load.spec),
        "pages": load.report.pages,
        "api_requests": load.usage.requests,
        "api_requests_failed": load.usage.failed_attempts,
        "bytes_read": load.usage.bytes,
        "new_columns": MetadataValue.json(_describe_new_columns(load)),
        "dagster/column_schema": build_table_schema(load.spec),
        "dagster/table_name": table_name,
    }
    metadata |= {f"{stage}_s": seconds for stage, seconds in measure_stages(load.pipeline).items()}
    if load.usage.quota_remaining is not None:
        metadata["quota_remaining"] = load.usage.quota_remaining
    if warnings := _collect_warnings(load):
        metadata["warning"] = " ".join(warnings)
    return metadata


def describe_partitions(
    context: AssetExecutionContext,
    load: Load,
    partitions: TimeWindowPartitionsDefinition,
    metadata: dict[str, Any],
) -> None:
    """Tell each partition how many of the table's rows are its own, and the last one what the whole load has cost."""
    keys = context.partition_keys
    counts = count_by_partition(partitions, keys, count_rows_by_modification(load.pipeline, load.spec))
    for key, rows in counts.items():
        is_over = partitions.time_window_for_partition_key(key).end <= load.started_at
        context.add_asset_metadata(
            {"dagster/partition_row_count": rows, COMPLETE_PARTITION: is_over}, partition_key=key
        )
    context.add_asset_metadata(metadata, partition_key=keys[-1])


def _describe_new_columns(load: Load) -> dict[str, dict[str, str]]:
    """Each field that the catalog does not know: the column that it landed in, and its JSON type on the wire."""
    types = load.batcher.new_columns
    return {
        field: {"column": column, "type": types[field]} for field, column in name_new_columns(load.spec, types).items()
    }


def _collect_warnings(load: Load) -> list[str]:
    warnings = [load.deletions.refusal] if load.deletions.refusal else []
    if load.report.sort_ignored:
        warnings.append(
            f"The API did not sort by {load.spec.sort.column}: the list was read by page number, and a change "
            "meanwhile may have hidden a row."
        )
    return warnings


class Log(Protocol):
    """The part of a Dagster log that progress needs."""

    def info(self, msg: object, *args: object) -> None:
        """Say something."""


class ProgressLog:
    """Says in the run's log how far a read has come, every `PROGRESS_PAGES` pages."""

    def __init__(self, spec: ResourceSpec, log: Log, *, usage: ApiUsage, window: Window, rows_before: int) -> None:
        self._spec = spec
        self._log = log
        self._usage = usage
        self._window = window
        self._rows_before = rows_before
        self._started = time.monotonic()

    def note(self, report: ScanReport) -> None:
        """Take in a page that has been read."""
        if report.pages % PROGRESS_PAGES:
            return
        elapsed_s = max(time.monotonic() - self._started, 0.001)
        parts = [
            f"{report.pages} pages, {report.rows} rows so far",
            f"{self._usage.requests * 60 / elapsed_s:.0f} requests a minute",
        ]
        if self._usage.quota_remaining is not None:
            parts.append(f"{self._usage.quota_remaining} requests of the day's quota left")
        if share := self._estimate_share_done(report):
            parts.append(f"about {timedelta(seconds=round(elapsed_s * (1 - share) / share))} to go")
        self._log.info(f"{self._spec.name}: {', '.join(parts)}")

    def _estimate_share_done(self, report: ScanReport) -> float | None:
        """By time where rows come in its order and the window has a start, else by the rows there were before."""
        if report.last_stamp and self._window.start:
            end = self._window.end or datetime.now(UTC)
            span_s = (end - self._window.start).total_seconds()
            return min(1.0, max(0.0, (parse_instant(report.last_stamp) - self._window.start).total_seconds() / span_s))
        return min(1.0, report.rows / self._rows_before) if self._rows_before else None
