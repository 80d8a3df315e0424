"""Assets: one definition per resource of the catalog, each a dlt pipeline of its own.

How an asset looks lives in `translator.py`, what checks it in `checks.py`, how its failures are told in `failures.py`.
https://docs.dagster.io/integrations/libraries/dlt
"""

from collections.abc import Iterator, Mapping
from typing import Any

import dlt
from dagster import AssetExecutionContext, AssetsDefinition, MaterializeResult, MetadataValue, multi_asset
from dlt.common.schema import Schema
from dlt.extract import DltSource

from invoice_assets.api.session import ApiUsage
from invoice_assets.defs.dlt_integration import DagsterDltResource, build_dlt_asset_specs
from invoice_assets.defs.failures import report_failures
from invoice_assets.defs.resources import InvoiceApiResource, WarehouseResource
from invoice_assets.defs.translator import InvoicingTranslator, build_table_schema
from invoice_assets.ingest.inspection import count_rows
from invoice_assets.ingest.paging import ScanReport
from invoice_assets.ingest.pipeline import measure_stages
from invoice_assets.ingest.source import RowBatcher, build_source
from invoice_assets.ingest.warehouse import choose_file_format
from invoice_assets.resource_spec import ResourceSpec

KEPT_METADATA = frozenset({"dataset_name", "destination_name"})
"""Of what dagster-dlt reports; the rest names files of a folder that is gone, or counts rows before deduplication."""


def build_asset(spec: ResourceSpec, *, translator: InvoicingTranslator) -> AssetsDefinition:
    """The asset that loads one resource whole and merges it into its table."""

    @multi_asset(
        name=f"load_{spec.name}",
        specs=build_dlt_asset_specs(_placeholder_source(spec), None, translator),  # type: ignore[arg-type]  # upstream: no pipeline is fine, the body brings its own
        op_tags={"invoicing/resource": spec.name},
    )
    def load(
        context: AssetExecutionContext,
        dlt_resource: DagsterDltResource,
        invoice_api: InvoiceApiResource,
        warehouse: WarehouseResource,
    ) -> Iterator[MaterializeResult[Any]]:
        """Read the resource's list and merge its rows into the table."""
        report, batcher = ScanReport(), RowBatcher(spec)
        with (
            report_failures(spec),
            invoice_api.open_session() as session,
            warehouse.open_pipeline(spec) as pipeline,
        ):
            source = build_source(spec, session=session, report=report, batcher=batcher)
            for result in dlt_resource.run(
                context=context,
                dlt_source=source,
                dlt_pipeline=pipeline,
                dagster_dlt_translator=translator,
                loader_file_format=choose_file_format(warehouse.destination_type),
            ):
                metadata = {
                    **{name: value for name, value in (result.metadata or {}).items() if name in KEPT_METADATA},
                    **describe_scan(spec, report, new_columns=batcher.new_columns),
                    **describe_usage(session.usage),
                    **{f"{stage}_s": seconds for stage, seconds in measure_stages(pipeline).items()},
                    "dagster/row_count": count_rows(pipeline, spec),
                    "dagster/column_schema": build_table_schema(spec),
                    "dagster/table_name": f"{warehouse.dataset}.{spec.name}",
                }
                yield MaterializeResult(asset_key=result.asset_key, metadata=metadata)

    return load


def describe_scan(spec: ResourceSpec, report: ScanReport, *, new_columns: Mapping[str, str]) -> dict[str, Any]:
    """What was read, as metadata; numbers as numbers, so that the UI plots them over time."""
    metadata: dict[str, Any] = {
        "rows_loaded": report.rows,
        "pages": report.pages,
        "new_columns": MetadataValue.json(dict(new_columns)),
    }
    if report.sort_ignored:
        metadata["warning"] = f"The API did not sort by {spec.snapshot_sort.column}; an edit meanwhile may hide a row."
    return metadata


def describe_usage(usage: ApiUsage) -> dict[str, Any]:
    """What the read has cost, as metadata."""
    metadata: dict[str, Any] = {
        "api_requests": usage.requests,
        "api_requests_failed": usage.failed_attempts,
        "bytes_read": usage.bytes,
    }
    if usage.quota_remaining is not None:
        metadata["quota_remaining"] = usage.quota_remaining
    return metadata


def _placeholder_source(spec: ResourceSpec) -> DltSource:
    """A source that only names the resource: definitions are loaded without credentials and without a connection."""
    return DltSource(Schema(spec.name), spec.name, [dlt.resource([], name=spec.name)])
