"""One asset per resource that puts all organisations into one view: `invoicing/all/<resource>`.

What such a view is lives in `ingest/union_views.py`. Views follow their tables by themselves; they are made anew where
an organisation, or a column that the catalog does not know, has come.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from dagster import (
    AssetExecutionContext,
    AssetKey,
    AssetsDefinition,
    AssetSelection,
    AssetSpec,
    Definitions,
    MaterializeResult,
    TableColumnDep,
    TableColumnLineage,
    define_asset_job,
    multi_asset,
)

from invoice_assets.defs.failures import report_failures
from invoice_assets.defs.pools import name_pool
from invoice_assets.defs.resources import WarehouseResource
from invoice_assets.defs.schedules import build_schedule, request_run
from invoice_assets.defs.translator import KEY_PREFIX, build_asset_key
from invoice_assets.organizations import ALL_ORGANIZATIONS
from invoice_assets.resource_spec import ResourceSpec
from invoice_assets.settings import Settings

if TYPE_CHECKING:
    from invoice_assets.ingest.union_views import UnionView

NAME = "refresh_union_views"

ORGANIZATIONS_TRACED = 20
"""With more of them a view does not tell its columns' lineage: every event would hold thousands of entries."""


def build_union_views(catalog: Mapping[str, ResourceSpec], settings: Settings, *, slugs: Sequence[str]) -> Definitions:
    """The views of all resources, a job that makes them, and its daily schedule, an hour after the reference."""
    views = [_build_view(spec, settings, slugs=slugs) for spec in catalog.values()]
    description = "Makes the views over all organisations anew, with the columns that have come."
    job = define_asset_job(NAME, selection=AssetSelection.assets(*views), description=description)
    schedule = build_schedule(settings, NAME, settings.cron_union_views, job, request_run, description)
    return Definitions(assets=views, jobs=[job], schedules=[schedule])


def _build_view(spec: ResourceSpec, settings: Settings, *, slugs: Sequence[str]) -> AssetsDefinition:
    key = AssetKey([KEY_PREFIX, ALL_ORGANIZATIONS, spec.name])

    @multi_asset(
        name=f"unite_{spec.name}",
        specs=[
            AssetSpec(
                key=key,
                deps=[build_asset_key(replace(spec, organization=slug)) for slug in slugs],
                description=f"{spec.description} Of all organisations: the column `organization` has the slug.",
                group_name="all_organizations",
                kinds={settings.destination.name, "view"},
                owners=settings.owners,
                metadata={"dagster/table_name": f"{settings.dataset}.{spec.name}"},
            )
        ],
        pool=name_pool(spec, settings),
    )
    def unite(context: AssetExecutionContext, warehouse: WarehouseResource) -> Iterator[MaterializeResult[Any]]:
        """Make the view anew."""
        from invoice_assets.ingest.union_views import create_union_view

        with report_failures(spec), warehouse.open_pipeline(spec) as pipeline:
            view = create_union_view(pipeline, spec, organizations=slugs)
        if view is None:
            context.log.info(f"{spec.name}: no organisation has a table yet, so there is no view.")
        yield MaterializeResult(asset_key=key, metadata=_describe(view, spec))

    return unite


def _describe(view: "UnionView | None", spec: ResourceSpec) -> dict[str, Any]:
    """How much there is in the view, and which columns of which organisations each of its columns is made from."""
    if view is None:
        return {"organizations": 0, "columns": 0}
    told: dict[str, Any] = {"organizations": len(view.sources), "columns": len(view.columns)}
    if len(view.sources) <= ORGANIZATIONS_TRACED:
        told["dagster/column_lineage"] = TableColumnLineage(
            {name: deps for name in view.columns if (deps := _find_sources(view, spec, name))}
        )
    return told


def _find_sources(view: "UnionView", spec: ResourceSpec, column: str) -> list[TableColumnDep]:
    return [
        TableColumnDep(asset_key=build_asset_key(replace(spec, organization=slug)), column_name=column)
        for slug, found in view.sources.items()
        if column in found
    ]
