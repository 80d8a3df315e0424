"""One load of a resource: read, merge, mark what is gone, and what there is to tell of it.

What an asset is lives in `assets.py`; how a load is told to Dagster in `load_metadata.py`.
"""

import gc
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from typing import Any

from dagster import AssetExecutionContext
from dlt.destinations.sql_client import SqlClientBase
from dlt.pipeline.pipeline import Pipeline

from invoice_assets.api.session import ApiUsage
from invoice_assets.defs.dlt_integration import DagsterDltResource
from invoice_assets.defs.progress import ProgressLog
from invoice_assets.defs.resources import InvoiceApiResource, WarehouseResource
from invoice_assets.defs.translator import InvoicingTranslator
from invoice_assets.ingest.census import RowCensus
from invoice_assets.ingest.counting import count_rows, count_rows_by_modification
from invoice_assets.ingest.deletions import MarkingRefusal, Missing, find_missing, mark_deletions
from invoice_assets.ingest.paging import ScanReport
from invoice_assets.ingest.pipeline import has_loaded_since, measure_stages
from invoice_assets.ingest.preview import PreviewRow, read_preview
from invoice_assets.ingest.reading import Read
from invoice_assets.ingest.source import build_load_source
from invoice_assets.ingest.windows import ReadRequest, Window
from invoice_assets.resource_spec import IncrementalRead, ResourceSpec
from invoice_assets.telemetry.recorder import UNRECORDED, Recorder

COLLECT_AFTER = 500_000
"""Objects after which the garbage collector looks for cycles: a page of rows is thousands, and has none."""


@dataclass(frozen=True, kw_only=True)
class Load:
    """What a load has read, what is in the table after it, and what it cost."""

    spec: ResourceSpec
    window: Window
    started_at: datetime
    report: ScanReport
    census: RowCensus
    rows_marked_deleted: int
    marking_refusal: MarkingRefusal | None
    rows_in_table: int
    rows_by_modification: Mapping[datetime, int] = field(default_factory=dict)
    stages_s: Mapping[str, float]
    usage: ApiUsage
    table_name: str
    preview: Sequence[PreviewRow] = ()


@dataclass(frozen=True, kw_only=True)
class Loader:
    """Loads one resource over one window, within a step of a Dagster run."""

    request: ReadRequest
    upcoming: Sequence[ReadRequest]
    is_partitioned: bool
    context: AssetExecutionContext
    dlt_resource: DagsterDltResource
    translator: InvoicingTranslator
    invoice_api: InvoiceApiResource
    warehouse: WarehouseResource
    recorder: Recorder = UNRECORDED
    """Takes the measurements of the organisation."""

    def load(self) -> Load:
        """Read the window and merge its rows; after a complete read, mark the rows that are gone.

        A list that is read by page number in several pages can hide a row when another is deleted meanwhile. Rows that
        seem gone from such a list are marked only where a second read does not bring them either.
        """
        with _sparing_what_stays():
            load, suspects = self._read_and_merge()
            if suspects:
                self.context.log.info(
                    f"{self.spec.label}: {len(suspects):,} rows seem gone; reading once more to be sure"
                )
                again, _ = self._read_and_merge(suspects=suspects)
                load = replace(again, usage=load.usage.add(again.usage))
        return load

    @property
    def spec(self) -> ResourceSpec:
        """The resource."""
        return self.request.spec

    def _read_and_merge(self, *, suspects: frozenset[str] | None = None) -> tuple[Load, frozenset[str]]:
        """The load, and the keys of rows that must be looked for once more before they are marked."""
        spec = self.spec
        with (
            self.warehouse.open_load(spec) as pipeline,
            self.invoice_api.open_read(
                self.request,
                upcoming=self.upcoming,
                is_outdated=partial(has_loaded_since, pipeline, spec),
                recorder=self.recorder,
            ) as read,
        ):
            self._merge(pipeline, read)
            with pipeline.sql_client() as client:
                missing = self._find_missing(pipeline, read, client)
                needs_second_look = suspects is None and self._can_have_hidden_rows(read.report)
                gone = frozenset() if needs_second_look else missing.keys & (suspects or missing.keys)
                mark_deletions(pipeline, spec, gone, deleted_at=read.started_at, client=client)
                rows_in_table = count_rows(pipeline, spec, client=client)
                rows_by_modification = (
                    count_rows_by_modification(pipeline, spec, client=client) if self.is_partitioned else {}
                )
                preview = read_preview(client, spec, rows=self.warehouse.preview_rows)
            load = Load(
                spec=spec,
                window=self.request.window,
                started_at=read.started_at,
                report=read.report,
                census=read.census,
                rows_marked_deleted=len(gone),
                marking_refusal=missing.refusal,
                rows_in_table=rows_in_table,
                rows_by_modification=rows_by_modification,
                stages_s=measure_stages(pipeline),
                usage=read.usage,
                table_name=f"{pipeline.dataset_name}.{spec.name}",
                preview=preview,
            )
        return load, missing.keys if needs_second_look else frozenset()

    def _merge(self, pipeline: Pipeline, read: Read) -> None:
        progress = ProgressLog(
            self.spec,
            self.context.log,
            usage=read.usage,
            window=self.request.window,
            rows_before=lambda: count_rows(pipeline, self.spec),
            begun_at=read.started_at,
        )
        read.on_page = progress.note
        destination = self.warehouse.destination
        # Its events are dropped: they count rows before deduplication, and name files of a folder that will be gone.
        list(
            self.dlt_resource.run(
                context=self.context,
                dlt_source=build_load_source(self.spec, iter(read), destination=destination),
                dlt_pipeline=pipeline,
                dagster_dlt_translator=self.translator,
                loader_file_format=destination.file_format,
            )
        )

    def _can_have_hidden_rows(self, report: ScanReport) -> bool:
        by_page_number = report.sort_ignored or self.spec.incremental is not IncrementalRead.KEYSET
        return by_page_number and report.pages > 1

    def _find_missing(self, pipeline: Pipeline, read: Read, client: SqlClientBase[Any]) -> Missing:
        if not self.request.window.is_complete:
            return Missing()
        limit = self.warehouse.deletion_limit
        return find_missing(pipeline, self.spec, rows_seen=read.census.rows, limit=limit, client=client)


@contextmanager
def _sparing_what_stays() -> Iterator[None]:
    """Keep Python's garbage collector off the objects that were there before: all of Dagster, dlt and the definitions.

    Decoding pages sets off full collections, each of which would walk through a million of them: a sixth of a load's
    CPU time (docs/performance.md). https://docs.python.org/3/library/gc.html#gc.freeze
    """
    thresholds = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(COLLECT_AFTER, *thresholds[1:])
    try:
        yield
    finally:
        gc.set_threshold(*thresholds)
        gc.unfreeze()
