"""The asset group `reporting`: views of reports over an organisation's tables, a report, and when they are made.

A view follows its tables by itself. The schedule makes it anew once a day all the same, in a moment: it can be gone,
and a release can have changed it. With it the report is drawn, whose ages begin with the day, and the checks run.
"""

from collections.abc import Mapping, Sequence
from functools import partial

from dagster import AssetKey, AssetSelection, Definitions, ScheduleEvaluationContext, SkipReason, define_asset_job

from invoice_assets.defs.receivables_report import build_receivables_report
from invoice_assets.defs.report_views import Report, build_view, build_view_checks
from invoice_assets.defs.schedules import Requests, build_schedule, request_run
from invoice_assets.defs.translator import build_asset_key
from invoice_assets.reporting.views import REPORT_VIEWS
from invoice_assets.resource_spec import ResourceSpec, qualify
from invoice_assets.settings import Settings

SCHEDULE = "refresh_reporting"


def build_reporting(catalog: Mapping[str, ResourceSpec], settings: Settings) -> Definitions:
    """The views of an organisation, the report, the checks, the job that makes them all and its schedule."""
    reports = [Report(view=view, catalog=catalog, settings=settings) for view in REPORT_VIEWS]
    assets = [*(build_view(report) for report in reports), build_receivables_report(catalog, settings)]
    sources = {build_asset_key(spec): None for report in reports for spec in report.sources}
    description = "Makes the views of reports and the receivables report anew, and checks them."
    job = define_asset_job(
        qualify(SCHEDULE, settings.slug), selection=AssetSelection.assets(*assets), description=description
    )
    schedule = build_schedule(
        settings, SCHEDULE, settings.cron_reporting, job, partial(request_reports, sources=list(sources)), description
    )
    return Definitions(
        assets=assets, asset_checks=[build_view_checks(report) for report in reports], jobs=[job], schedules=[schedule]
    )


def request_reports(context: ScheduleEvaluationContext, *, sources: Sequence[AssetKey]) -> Requests:
    """One run where each of the tables was loaded at some time; a view over a table that is not there cannot be."""
    loaded = context.instance.get_latest_materialization_events(sources)
    missing = [key.to_user_string() for key in sources if not loaded.get(key)]
    if missing:
        yield SkipReason(f"Not loaded yet: {', '.join(missing)}.")
        return
    yield from request_run(context)
