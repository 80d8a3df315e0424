"""Assets: one definition per resource of the catalog, each a dlt pipeline of its own.

How an asset looks lives in `translator.py`, what checks it in `checks.py`, what a load tells in `load_metadata.py`, how
its failures are told in `failures.py`. https://docs.dagster.io/integrations/libraries/dlt
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import dlt
from dagster import AssetExecutionContext, AssetsDefinition, BackfillPolicy, MaterializeResult, multi_asset
from dlt.common.schema import Schema
from dlt.extract import DltSource

from invoice_assets.defs.dlt_integration import DagsterDltResource, build_dlt_asset_specs
from invoice_assets.defs.failures import report_failures
from invoice_assets.defs.load_metadata import Load, ProgressLog, describe_load, describe_partitions
from invoice_assets.defs.partitions import build_partitions, cover
from invoice_assets.defs.pools import name_pool
from invoice_assets.defs.resources import InvoiceApiResource, WarehouseResource
from invoice_assets.defs.translator import InvoicingTranslator
from invoice_assets.ingest.deletions import mark_deletions
from invoice_assets.ingest.inspection import count_rows
from invoice_assets.ingest.paging import ScanReport
from invoice_assets.ingest.source import RowBatcher, build_source
from invoice_assets.ingest.warehouse import choose_file_format
from invoice_assets.ingest.windows import COMPLETE
from invoice_assets.resource_spec import ResourceSpec
from invoice_assets.settings import Settings


def build_asset(spec: ResourceSpec, *, settings: Settings, translator: InvoicingTranslator) -> AssetsDefinition:
    """The asset that reads one resource, whole or by windows, and merges what it read into its table."""
    partitions = build_partitions(spec.cadence, settings)

    @multi_asset(
        name=f"load_{spec.name}",
        specs=build_dlt_asset_specs(_placeholder_source(spec), None, translator),  # type: ignore[arg-type]  # upstream: no pipeline is fine, the body brings its own
        partitions_def=partitions,
        backfill_policy=BackfillPolicy.single_run() if partitions else None,
        pool=name_pool(spec, settings),
        op_tags={"invoicing/resource": spec.name},
    )
    def load(
        context: AssetExecutionContext,
        dlt_resource: DagsterDltResource,
        invoice_api: InvoiceApiResource,
        warehouse: WarehouseResource,
    ) -> Iterator[MaterializeResult[Any]]:
        """Read the resource's list and merge its rows into the table."""
        now = datetime.now(UTC)
        window = cover(partitions, context.partition_keys, now=now) if partitions else COMPLETE
        batcher = RowBatcher(spec, window=window)
        with (
            report_failures(spec),
            invoice_api.open_session() as session,
            warehouse.open_pipeline(spec) as pipeline,
        ):
            progress = ProgressLog(
                spec, context.log, usage=session.usage, window=window, rows_before=count_rows(pipeline, spec)
            )
            report = ScanReport(on_page=progress.note)
            load = Load(
                spec=spec, report=report, batcher=batcher, usage=session.usage, pipeline=pipeline, started_at=now
            )
            source = build_source(spec, session=session, report=report, batcher=batcher, window=window)
            for result in dlt_resource.run(
                context=context,
                dlt_source=source,
                dlt_pipeline=pipeline,
                dagster_dlt_translator=translator,
                loader_file_format=choose_file_format(warehouse.destination_type),
            ):
                if window.is_complete:
                    load.deletions = mark_deletions(
                        pipeline, spec, deleted_at=now, rows_seen=batcher.rows, limit=warehouse.deletion_limit
                    )
                metadata = describe_load(load, table_name=f"{warehouse.dataset}.{spec.name}")
                if partitions:
                    describe_partitions(context, load, partitions, metadata)
                yield MaterializeResult(asset_key=result.asset_key, metadata=None if partitions else metadata)

    return load


def _placeholder_source(spec: ResourceSpec) -> DltSource:
    """A source that only names the resource: definitions are loaded without credentials and without a connection."""
    return DltSource(Schema(spec.name), spec.name, [dlt.resource([], name=spec.name)])
