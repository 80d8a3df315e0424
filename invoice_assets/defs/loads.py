"""One load of a resource: read, merge, mark what is gone, and what there is to tell of it.

What an asset is lives in `assets.py`; how a load is told to Dagster in `load_metadata.py`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from dagster import AssetExecutionContext
from dlt.pipeline.pipeline import Pipeline

from invoice_assets.api.session import ApiSession, ApiUsage
from invoice_assets.defs.dlt_integration import DagsterDltResource
from invoice_assets.defs.progress import ProgressLog
from invoice_assets.defs.resources import WarehouseResource
from invoice_assets.defs.translator import InvoicingTranslator
from invoice_assets.ingest.census import RowCensus
from invoice_assets.ingest.counting import count_rows, count_rows_by_modification
from invoice_assets.ingest.deletions import Missing, find_missing, mark_deletions
from invoice_assets.ingest.paging import ScanReport
from invoice_assets.ingest.pipeline import measure_stages
from invoice_assets.ingest.source import RowBatcher, build_source
from invoice_assets.ingest.warehouse import choose_file_format
from invoice_assets.ingest.windows import Window
from invoice_assets.resource_spec import IncrementalRead, ResourceSpec


@dataclass(frozen=True, kw_only=True)
class Load:
    """What a load has read, what is in the table after it, and what it cost."""

    spec: ResourceSpec
    window: Window
    started_at: datetime
    report: ScanReport
    census: RowCensus
    rows_marked_deleted: int
    deletion_refusal: str | None
    rows_in_table: int
    rows_by_modification: Mapping[datetime, int] = field(default_factory=dict)
    stages_s: Mapping[str, float]
    usage: ApiUsage
    table_name: str


@dataclass(frozen=True, kw_only=True)
class Loader:
    """Loads one resource over one window, within a step of a Dagster run."""

    spec: ResourceSpec
    window: Window
    is_partitioned: bool
    context: AssetExecutionContext
    dlt_resource: DagsterDltResource
    translator: InvoicingTranslator
    session: ApiSession
    warehouse: WarehouseResource
    started_at: datetime

    def load(self) -> Load:
        """Read the window and merge its rows; after a complete read, mark the rows that are gone.

        A list that is read by page number in several pages can hide a row when another is deleted meanwhile. Rows that
        seem gone from such a list are marked only where a second read does not bring them either.
        """
        load, suspects = self._read_and_merge()
        if suspects:
            self.context.log.info(f"{self.spec.name}: {len(suspects)} rows seem gone; reading once more to be sure")
            load, _ = self._read_and_merge(suspects=suspects)
        return load

    def _read_and_merge(self, *, suspects: frozenset[str] | None = None) -> tuple[Load, frozenset[str]]:
        """The load, and the keys of rows that must be looked for once more before they are marked."""
        spec, batcher = self.spec, RowBatcher(self.spec, window=self.window)
        with self.warehouse.open_pipeline(spec) as pipeline:
            report = self._read(pipeline, batcher)
            missing = self._find_missing(pipeline, batcher)
            needs_second_look = suspects is None and self._can_have_hidden_rows(report)
            gone = frozenset() if needs_second_look else missing.keys & (suspects or missing.keys)
            mark_deletions(pipeline, spec, gone, deleted_at=self.started_at)
            load = Load(
                spec=spec,
                window=self.window,
                started_at=self.started_at,
                report=report,
                census=batcher.census,
                rows_marked_deleted=len(gone),
                deletion_refusal=missing.refusal,
                rows_in_table=count_rows(pipeline, spec),
                rows_by_modification=count_rows_by_modification(pipeline, spec) if self.is_partitioned else {},
                stages_s=measure_stages(pipeline),
                usage=self.session.usage,
                table_name=f"{self.warehouse.dataset}.{spec.name}",
            )
        return load, missing.keys if needs_second_look else frozenset()

    def _read(self, pipeline: Pipeline, batcher: RowBatcher) -> ScanReport:
        progress = ProgressLog(
            self.spec,
            self.context.log,
            usage=self.session.usage,
            window=self.window,
            rows_before=count_rows(pipeline, self.spec),
        )
        report = ScanReport(on_page=progress.note)
        source = build_source(self.spec, session=self.session, report=report, batcher=batcher, window=self.window)
        # Its events are dropped: they count rows before deduplication, and name files of a folder that will be gone.
        list(
            self.dlt_resource.run(
                context=self.context,
                dlt_source=source,
                dlt_pipeline=pipeline,
                dagster_dlt_translator=self.translator,
                loader_file_format=choose_file_format(self.warehouse.destination_type),
            )
        )
        return report

    def _can_have_hidden_rows(self, report: ScanReport) -> bool:
        by_page_number = report.sort_ignored or self.spec.incremental is not IncrementalRead.KEYSET
        return by_page_number and report.pages > 1

    def _find_missing(self, pipeline: Pipeline, batcher: RowBatcher) -> Missing:
        if not self.window.is_complete:
            return Missing()
        return find_missing(pipeline, self.spec, rows_seen=batcher.census.rows, limit=self.warehouse.deletion_limit)
