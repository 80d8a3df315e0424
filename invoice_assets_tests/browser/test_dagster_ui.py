"""The first hour in the Dagster UI, in its order: each test finds the deployment as those before have left it."""

import re
from datetime import UTC, datetime, timedelta

import duckdb
from playwright.sync_api import expect
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_fixed

from invoice_assets.catalog import RESOURCES
from invoice_assets.resource_spec import Cadence
from invoice_assets.settings import Settings
from invoice_assets_tests.browser.dagster_dev import PATIENCE_S, DagsterDev
from invoice_assets_tests.browser.dagster_ui import UNFOLDED, DagsterUi
from invoice_assets_tests.demo import ROWS

GROUPS = {
    **{str(cadence): [spec.name for spec in RESOURCES.values() if spec.cadence is cadence] for cadence in Cadence},
    "source": ["invoicing_api"],
}
INVOICES = "invoicing.invoicing.invoices"
PREVIEW_ROWS = Settings.preview_rows


def execute(sql: str, dagster: DagsterDev) -> None:
    """Run a statement in the warehouse as soon as no run is using the file."""
    retrying = Retrying(
        retry=retry_if_exception_type(duckdb.IOException),
        stop=stop_after_delay(PATIENCE_S),
        wait=wait_fixed(0.2),
        reraise=True,
    )
    with retrying(duckdb.connect, dagster.database) as connection:
        connection.execute(sql)


def test_the_graph_shows_every_asset_in_its_group(ui: DagsterUi) -> None:
    ui.open("/asset-groups")
    ui.see(f"Materialize all ({len(RESOURCES)})…")

    for group, names in GROUPS.items():
        for name in names:
            expect(ui.find_in_tree(name)).to_have_count(0)
        ui.expand_group(group)
        for name in names:
            expect(ui.find_in_tree(name)).to_be_visible()


def test_an_asset_is_materialized_and_tells_what_it_has_loaded(ui: DagsterUi) -> None:
    ui.open_asset("contacts")
    ui.see("Never materialized", RESOURCES["contacts"].description, "non-nullable")

    ui.press("Materialize")
    ui.follow_notification("Launched run")

    ui.see(re.compile(r"^Success$"))
    ui.page.get_by_placeholder("Filter…").fill("contacts: ")
    ui.see(f"contacts: read {ROWS['contacts']} rows in 5 requests")
    ui.save_image("run_log", height=480)

    ui.open_asset("contacts")
    ui.see("Row count", re.compile(f"^{ROWS['contacts']}$"))
    ui.save_image("asset_page")
    expect(ui.page.get_by_role("row").filter(has_text="preview").get_by_role("row")).to_have_count(1 + PREVIEW_ROWS)
    expect(ui.page.get_by_role("row", name=re.compile("^api_requests .* 5$"))).to_be_visible()


def test_a_range_of_partitions_is_backfilled(ui: DagsterUi) -> None:
    first, last = (datetime.now(UTC).date() - timedelta(days=days) for days in (5, 3))
    ui.open_asset("customer_payments", tab="Partitions")
    ui.see("Materialized (0)")

    ui.press("Materialize…")
    ui.launch_backfill(partitions=f"[{first}...{last}]")

    ui.see("Materialized (3)")
    ui.page.get_by_text(str(last), exact=True).filter(visible=True).first.click()
    ui.see("dagster/partition_row_count")
    ui.save_image("partitions", height=620)


def test_all_assets_are_materialized_at_once(ui: DagsterUi) -> None:
    ui.open(UNFOLDED)
    ui.press("Hide navigation")
    ui.press("Materialize all")
    ui.launch_backfill()

    for group in GROUPS:
        ui.expand_group(group)
    for name in RESOURCES:
        expect(ui.find_in_tree(name, status="run_success")).to_be_visible()
    ui.see("7 / 7 Passed", "8 / 8 Passed", "100% filled")
    ui.fit_graph(*RESOURCES)
    ui.save_image("asset_graph")


def test_a_schedule_and_the_alert_sensor_are_switched_on_and_tick(ui: DagsterUi) -> None:
    ui.switch("schedules", "recheck_tables", on=True)
    ui.switch("sensors", "asset_check_alerts", on=True)
    ui.press("0 runs requested")
    ui.see("INVOICE_ALERT_URLS is not set: nobody is told.")

    ui.open("/automation")
    ui.see("Every minute")
    expect(ui.page.get_by_role("checkbox", checked=True)).to_have_count(2)
    ui.save_image("automation", height=610)

    ui.open_automation("schedules", "recheck_tables")
    expect(ui.page.get_by_role("row", name="Latest tick")).to_contain_text("1 run requested")
    ui.open("/runs")
    ui.see("check_tables")
    ui.switch("schedules", "recheck_tables", on=False)


def test_a_check_fails_on_a_repeated_key_and_recovers(ui: DagsterUi, dagster: DagsterDev) -> None:
    ui.open_asset("invoices", tab="Checks")
    ui.page.get_by_text("primary_key_is_unique").first.click()
    ui.see("No two rows have the same primary key.", "Passed")

    execute(f"INSERT INTO {INVOICES} FROM {INVOICES} LIMIT 1", dagster)
    ui.press(re.compile("Execute$"))
    ui.see("invoice_id is repeated: 1 row", re.compile("^Failed$"))
    ui.save_image("failed_check")

    execute(f"DELETE FROM {INVOICES} WHERE rowid = (SELECT max(rowid) FROM {INVOICES})", dagster)
    ui.press(re.compile("Execute$"))
    ui.see(re.compile("^Passed$"))
    expect(ui.page.get_by_text("is repeated")).to_have_count(0)
