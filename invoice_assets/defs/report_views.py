"""The views of the group `reporting` as assets and checks, of one organisation.

What a view holds lives in `invoice_assets/reporting/`, how it is made in `ingest/report_views.py`, when in
`reporting.py`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dagster import (
    AssetCheckExecutionContext,
    AssetCheckResult,
    AssetChecksDefinition,
    AssetCheckSpec,
    AssetExecutionContext,
    AssetKey,
    AssetsDefinition,
    AssetSpec,
    MaterializeResult,
    TableColumnDep,
    TableColumnLineage,
    TableSchema,
    multi_asset,
    multi_asset_check,
)

from invoice_assets.defs.checks import WHAT_TO_DO, build_result
from invoice_assets.defs.failures import report_failures
from invoice_assets.defs.pools import name_reporting_pool
from invoice_assets.defs.report_claims import REPORT_CLAIMS, judge_missing_view
from invoice_assets.defs.resources import WarehouseResource
from invoice_assets.defs.translator import build_asset_key, build_column, describe_organization
from invoice_assets.ingest.report_views import (
    find_column_sources,
    find_tables,
    inspect_report_view,
    make_report_view,
)
from invoice_assets.reporting.views import ReportView
from invoice_assets.resource_spec import ResourceSpec, qualify
from invoice_assets.settings import Settings

GROUP = "reporting"


@dataclass(frozen=True, kw_only=True)
class Report:
    """A view of one organisation: where it stands, and what it is made from."""

    view: ReportView
    catalog: Mapping[str, ResourceSpec]
    settings: Settings

    @property
    def name(self) -> str:
        """The view's name."""
        return self.view.name

    @property
    def label(self) -> str:
        """What people are told of it by: `reporting/top_debtors`."""
        return self.key.to_user_string()

    @property
    def key(self) -> AssetKey:
        """`reporting/<name>`, or `reporting/<organisation>/<name>` where there are several."""
        return build_report_key(self.name, self.settings)

    @property
    def sources(self) -> Sequence[ResourceSpec]:
        """The resources whose tables the view reads."""
        return [self.catalog[name] for name in find_tables(self.view.sql)]

    @property
    def table_name(self) -> str:
        """The view as it is called in the warehouse."""
        return f"{qualify(self.settings.dataset, self.settings.slug)}.{self.name}"

    def trace_columns(self) -> TableColumnLineage:
        """The columns of the tables that each of its columns is made from."""
        found = find_column_sources(self.view, self.catalog)
        return TableColumnLineage(
            {
                column: [
                    TableColumnDep(asset_key=build_asset_key(self.catalog[table]), column_name=name)
                    for table, name in sources
                ]
                for column, sources in found.items()
                if sources
            }
        )


def build_report_key(name: str, settings: Settings) -> AssetKey:
    """The key of an asset of the group."""
    return AssetKey([part for part in (GROUP, settings.slug, name) if part])


def build_view(report: Report) -> AssetsDefinition:
    """The asset that makes the view, and tells what its columns are made from."""
    settings = report.settings

    @multi_asset(
        name=qualify(f"make_{report.name}", settings.slug),
        specs=[
            AssetSpec(
                key=report.key,
                deps=[build_asset_key(spec) for spec in report.sources],
                description=f"{report.view.description}\n\nA view: it says what its tables say, whenever it is read.",
                group_name=qualify(GROUP, settings.slug),
                kinds={settings.destination.name, "view"},
                owners=settings.owners,
                tags=describe_organization(settings.slug),
                metadata={
                    "dagster/column_schema": TableSchema(
                        columns=[
                            build_column(column, personal_data=settings.personal_data) for column in report.view.columns
                        ]
                    ),
                    "dagster/table_name": report.table_name,
                },
            )
        ],
        pool=name_reporting_pool(settings),
    )
    def make(context: AssetExecutionContext, warehouse: WarehouseResource) -> Iterator[MaterializeResult[Any]]:
        """Make the view anew."""
        with report_failures(report), warehouse.open_pipeline(report.sources[0]) as pipeline:
            make_report_view(pipeline, report.view, time_zone=settings.time_zone)
        yield MaterializeResult(asset_key=report.key, metadata={"dagster/column_lineage": report.trace_columns()})

    return make


def build_view_checks(report: Report) -> AssetChecksDefinition:
    """The checks of the view: its columns, and its sums beside those of the tables."""

    @multi_asset_check(
        name=qualify(f"check_{report.name}", report.settings.slug),
        specs=[
            AssetCheckSpec(
                str(claim.name),
                asset=report.key,
                description=claim.description,
                metadata={WHAT_TO_DO: claim.what_to_do},
            )
            for claim in REPORT_CLAIMS
        ],
        can_subset=True,
        pool=name_reporting_pool(report.settings),
    )
    def check(context: AssetCheckExecutionContext, warehouse: WarehouseResource) -> Iterator[AssetCheckResult]:
        """Sum up once, judge each selected claim."""
        selected = {key.name for key in context.selected_asset_check_keys}
        with report_failures(report), warehouse.open_pipeline(report.sources[0]) as pipeline:
            found = inspect_report_view(pipeline, report.view, catalog=report.catalog)
        for claim in REPORT_CLAIMS:
            if claim.name in selected:
                verdict = claim.judge(report.view, found) if found else judge_missing_view(report.view)
                yield build_result(report.key, claim.name, verdict)

    return check
