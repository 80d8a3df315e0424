"""Assets: one definition per resource of the catalog, each a dlt pipeline of its own.

How an asset looks lives in `translator.py`, what a load does in `loads.py`, what it tells in `load_metadata.py`, how
its failures are told in `failures.py`, what checks the table in `checks.py`.
https://docs.dagster.io/integrations/libraries/dlt
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import dlt
from dagster import AssetExecutionContext, AssetsDefinition, BackfillPolicy, MaterializeResult, multi_asset
from dlt.extract import DltResource

from invoice_assets.defs.dlt_integration import DltResourceTranslatorData
from invoice_assets.defs.failures import Retries, report_failures
from invoice_assets.defs.load_metadata import collect_warnings, describe_load, observe_api, summarize, tell_partitions
from invoice_assets.defs.partitions import build_partitions, cover
from invoice_assets.defs.pools import name_pool
from invoice_assets.defs.read_plan import find_upcoming_reads, name_load_step
from invoice_assets.defs.resources import name_api_resource
from invoice_assets.defs.telemetry import measure_load
from invoice_assets.defs.translator import InvoicingTranslator, build_asset_key
from invoice_assets.ingest.windows import COMPLETE, ReadRequest
from invoice_assets.resource_spec import ResourceSpec
from invoice_assets.settings import Settings


def build_asset(
    spec: ResourceSpec, *, catalog: Mapping[str, ResourceSpec], settings: Settings, translator: InvoicingTranslator
) -> AssetsDefinition:
    """The asset that reads one resource, whole or by windows, and merges what it read into its table.

    While it does, lists of the catalog that later steps of the run will ask for are read ahead.
    """
    partitions = build_partitions(spec.cadence, settings)

    @multi_asset(
        name=name_load_step(spec),
        specs=[translator.get_asset_spec(DltResourceTranslatorData(resource=_placeholder(spec), pipeline=None))],
        partitions_def=partitions,
        backfill_policy=BackfillPolicy.single_run() if partitions else None,
        pool=name_pool(spec, settings),
        op_tags={"invoicing/resource": spec.name},
        required_resource_keys={"dlt_resource", "telemetry", "warehouse", name_api_resource(settings)},
    )
    def load_resource(context: AssetExecutionContext) -> Iterator[MaterializeResult[Any]]:
        """Read the resource's list and merge its rows into the table."""
        from invoice_assets.defs.loads import Loader

        now = datetime.now(UTC)
        window = cover(partitions, context.partition_keys, now=now) if partitions else COMPLETE
        recorder = context.resources.telemetry.open_recorder().bind(organization=spec.organization)
        with (
            report_failures(spec, retries=Retries.of(context, settings)),
            measure_load(recorder.bind(resource=spec.name)) as measure,
        ):
            load = Loader(
                request=ReadRequest(spec=spec, window=window),
                upcoming=find_upcoming_reads(context, catalog, settings=settings, now=now),
                is_partitioned=partitions is not None,
                context=context,
                dlt_resource=context.resources.dlt_resource,
                translator=translator,
                invoice_api=getattr(context.resources, name_api_resource(settings)),
                warehouse=context.resources.warehouse,
                recorder=recorder,
            ).load()
            measure(load)
        context.log.info(summarize(load))
        for warning in collect_warnings(load):
            context.log.warning(f"{spec.label}: {warning}")
        context.log_event(observe_api(load))
        if partitions:
            tell_partitions(context, load, partitions)
        yield MaterializeResult(asset_key=build_asset_key(spec), metadata=None if partitions else describe_load(load))

    return load_resource


def _placeholder(spec: ResourceSpec) -> DltResource:
    """A dlt resource that is only a name: definitions are loaded without credentials and without a connection.

    And without a source, whose schema would start dlt's run context, plugins and HTTP client for its naming convention.
    """
    return dlt.resource([], name=spec.name)
