"""Assets: one definition per resource of the catalog, each a dlt pipeline of its own.

How an asset looks lives in `translator.py`, what a load does in `loads.py`, what it tells in `load_metadata.py`, how
its failures are told in `failures.py`, what checks the table in `checks.py`.
https://docs.dagster.io/integrations/libraries/dlt
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
from invoice_assets.defs.load_metadata import describe_load, tell_partitions
from invoice_assets.defs.loads import Loader
from invoice_assets.defs.partitions import build_partitions, cover
from invoice_assets.defs.pools import name_pool
from invoice_assets.defs.resources import InvoiceApiResource, WarehouseResource
from invoice_assets.defs.translator import InvoicingTranslator, build_asset_key
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
    def load_resource(
        context: AssetExecutionContext,
        dlt_resource: DagsterDltResource,
        invoice_api: InvoiceApiResource,
        warehouse: WarehouseResource,
    ) -> Iterator[MaterializeResult[Any]]:
        """Read the resource's list and merge its rows into the table."""
        started_at = datetime.now(UTC)
        with report_failures(spec), invoice_api.open_session() as session:
            load = Loader(
                spec=spec,
                window=cover(partitions, context.partition_keys, now=started_at) if partitions else COMPLETE,
                is_partitioned=partitions is not None,
                context=context,
                dlt_resource=dlt_resource,
                translator=translator,
                session=session,
                warehouse=warehouse,
                started_at=started_at,
            ).load()
        if partitions:
            tell_partitions(context, load, partitions)
        yield MaterializeResult(asset_key=build_asset_key(spec), metadata=None if partitions else describe_load(load))

    return load_resource


def _placeholder_source(spec: ResourceSpec) -> DltSource:
    """A source that only names the resource: definitions are loaded without credentials and without a connection."""
    return DltSource(Schema(spec.name), spec.name, [dlt.resource([], name=spec.name)])
