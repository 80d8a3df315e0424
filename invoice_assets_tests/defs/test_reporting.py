"""The group `reporting`: what there is of it, for whom, and when it is made."""

from datetime import UTC, datetime

import pytest
from dagster import AssetKey, AssetMaterialization, DagsterInstance, RunRequest, SkipReason, build_schedule_context

from invoice_assets.definitions import build_definitions
from invoice_assets.defs.report_claims import ReportCheckName
from invoice_assets.reporting.views import REPORT_VIEWS
from invoice_assets.settings import Settings

VIEWS = {view.name for view in REPORT_VIEWS}
ORGANIZATIONS = """
[acme]
organization_id = "1"
data_center = "eu"
time_zone = "Europe/Berlin"

[globex]
organization_id = "2"
data_center = "com"
"""


def test_there_are_no_reports_unless_they_are_wanted() -> None:
    keys = build_definitions(Settings()).resolve_asset_graph().get_all_asset_keys()

    assert not [key for key in keys if key.path[0] == "reporting"]


def test_reports_are_a_group_of_views_with_checks_and_a_report() -> None:
    graph = build_definitions(Settings(reporting=True)).resolve_asset_graph()
    keys = {key for key in graph.get_all_asset_keys() if key.path[0] == "reporting"}

    assert keys == {AssetKey(["reporting", name]) for name in (*VIEWS, "receivables_report")}
    assert {graph.get(key).group_name for key in keys} == {"reporting"}
    assert {(key.asset_key, key.name) for key in graph.asset_check_keys if key.asset_key in keys} == {
        (AssetKey(["reporting", name]), check) for name in VIEWS for check in ReportCheckName
    }


@pytest.mark.parametrize(
    ("name", "sources"),
    [
        ("receivables_by_age", {"invoices"}),
        ("revenue_by_month", {"invoices", "credit_notes"}),
        ("top_debtors", {"invoices"}),
        ("tax_by_month", {"expenses", "customer_payments", "contacts"}),
        ("unapplied_credits", {"credit_notes", "customer_payments", "contacts"}),
    ],
)
def test_a_view_depends_on_the_tables_that_it_reads(name: str, sources: set[str]) -> None:
    graph = build_definitions(Settings(reporting=True)).resolve_asset_graph()

    assert graph.get(AssetKey(["reporting", name])).parent_keys == {
        AssetKey(["invoicing", source]) for source in sources
    }


def test_each_organisation_has_reports_of_its_own_in_its_own_time_zone(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    file = tmp_path_factory.mktemp("organizations") / "organizations.toml"
    file.write_text(ORGANIZATIONS)
    repository = build_definitions(Settings(organizations_file=str(file), reporting=True)).get_repository_def()
    graph = repository.asset_graph

    tables = {
        slug: graph.get(AssetKey(["reporting", slug, "top_debtors"])).metadata["dagster/table_name"]
        for slug in ("acme", "globex")
    }
    assert tables == {
        "acme": "invoicing_acme.top_debtors",
        "globex": "invoicing_globex.top_debtors",
    }
    assert graph.get(AssetKey(["reporting", "acme", "top_debtors"])).parent_keys == {
        AssetKey(["invoicing", "acme", "invoices"])
    }
    assert repository.get_schedule_def("refresh_reporting_acme").execution_timezone == "Europe/Berlin"


def test_a_schedule_makes_the_views_once_every_table_was_loaded_and_says_which_was_not(
    instance: DagsterInstance,
) -> None:
    for name in ("invoices", "credit_notes", "expenses", "contacts"):
        instance.report_runless_asset_event(AssetMaterialization(AssetKey(["invoicing", name])))
    before = _tick(instance)
    instance.report_runless_asset_event(AssetMaterialization(AssetKey(["invoicing", "customer_payments"])))
    after = _tick(instance)

    assert before == SkipReason("Not loaded yet: invoicing/customer_payments.")
    assert isinstance(after, RunRequest)


def _tick(instance: DagsterInstance) -> object:
    """What the schedule asks for."""
    definitions = build_definitions(Settings(reporting=True))
    at = datetime(2026, 3, 8, 2, tzinfo=UTC)
    with build_schedule_context(instance=instance, scheduled_execution_time=at) as context:
        data = definitions.get_repository_def().get_schedule_def("refresh_reporting").evaluate_tick(context)
    return data.run_requests[0] if data.run_requests else SkipReason(data.skip_message)
