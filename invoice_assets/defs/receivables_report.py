"""The report `reporting/receivables_report`: what customers owe by age, as a picture and a table in its metadata.

The figures are those of the view `receivables_by_age`; how the picture is drawn lives in `reporting/chart.py`.
https://docs.dagster.io/guides/build/assets/metadata-and-tags
"""

from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from dagster import (
    AssetExecutionContext,
    AssetsDefinition,
    AssetSpec,
    MaterializeResult,
    MetadataValue,
    TableRecord,
    TableSchema,
    multi_asset,
)

from invoice_assets.defs.failures import report_failures
from invoice_assets.defs.pools import name_reporting_pool
from invoice_assets.defs.report_views import GROUP, Report, build_report_key
from invoice_assets.defs.resources import WarehouseResource
from invoice_assets.defs.translator import build_column, describe_organization
from invoice_assets.ingest.report_views import read_report_view
from invoice_assets.reporting.chart import draw_receivables, write_amount
from invoice_assets.reporting.views import RECEIVABLES_BY_AGE
from invoice_assets.resource_spec import ResourceSpec, qualify
from invoice_assets.settings import Settings

NAME = "receivables_report"
OVERDUE = "overdue_invoices"
"""Metadata: invoices that are overdue, which the UI plots over time."""


def build_receivables_report(catalog: Mapping[str, ResourceSpec], settings: Settings) -> AssetsDefinition:
    """The asset of the report, of one organisation."""
    view = Report(view=RECEIVABLES_BY_AGE, catalog=catalog, settings=settings)
    key = build_report_key(NAME, settings)

    @multi_asset(
        name=qualify(f"draw_{NAME}", settings.slug),
        specs=[
            AssetSpec(
                key=key,
                deps=[view.key],
                description="What customers owe today, by how long it has been due, in each currency: a chart and a "
                "table in the metadata of each materialization. Nothing is stored in the warehouse.",
                group_name=qualify(GROUP, settings.slug),
                kinds={"report"},
                owners=settings.owners,
                tags=describe_organization(settings.slug),
            )
        ],
        pool=name_reporting_pool(settings),
    )
    def draw(context: AssetExecutionContext, warehouse: WarehouseResource) -> Iterator[MaterializeResult[Any]]:
        """Read the view and draw it."""
        with report_failures(view), warehouse.open_pipeline(view.sources[0]) as pipeline:
            rows = read_report_view(pipeline, view.view, order_by=("currency_code", "days_overdue_from"))
        today = datetime.now(ZoneInfo(settings.time_zone)).date()
        heading = f"Open balances by days overdue on {today} ({settings.time_zone})"
        yield MaterializeResult(asset_key=key, metadata=describe_receivables(rows, heading=heading))

    return draw


def describe_receivables(rows: Sequence[Mapping[str, Any]], *, heading: str) -> dict[str, Any]:
    """The rows of the view as a picture, as a table with exact amounts, and as numbers to plot."""
    balances: dict[str, dict[str, Decimal]] = {}
    for row in rows:
        balances.setdefault(row["currency_code"], {})[row["age"]] = row["balance"]
    picture = b64encode(draw_receivables(balances).encode()).decode()
    return {
        "receivables": MetadataValue.md(f"**{heading}**\n\n![{heading}](data:image/svg+xml;base64,{picture})"),
        "by_age": MetadataValue.table(
            [TableRecord({**row, "balance": write_amount(row["balance"])}) for row in rows],
            schema=TableSchema(columns=[build_column(column) for column in RECEIVABLES_BY_AGE.columns]),
        ),
        "open_invoices": sum(row["invoices"] for row in rows),
        OVERDUE: sum(row["invoices"] for row in rows if row["days_overdue_from"]),
        "currencies": len(balances),
    }
