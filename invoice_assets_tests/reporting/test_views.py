"""The views' figures are those of the source's rows; what Dagster shows of them: `defs/test_report_views.py`."""

from datetime import date, datetime
from zoneinfo import ZoneInfo

import pytest

from invoice_assets.catalog import RESOURCES
from invoice_assets.ingest.report_views import find_tables
from invoice_assets.reporting.views import REPORT_VIEWS, ReportView
from invoice_assets_tests.reporting import figures
from invoice_assets_tests.reporting.conftest import READ, TIME_ZONE, Reported

each_view = pytest.mark.parametrize("view", REPORT_VIEWS, ids=lambda view: view.name)


def today() -> date:
    return datetime.now(ZoneInfo(TIME_ZONE)).date()


@each_view
def test_a_view_says_to_the_cent_what_the_source_s_rows_come_to(reported: Reported, view: ReportView) -> None:
    work_out = getattr(figures, view.name)
    expected = [work_out(reported.sandbox, today())]
    columns = ", ".join(column.name for column in view.columns)

    found = reported.project.query(f"SELECT {columns} FROM invoicing.{view.name}")

    expected.append(work_out(reported.sandbox, today()))  # midnight may have passed
    assert len(found) == len(expected[0]) > 3
    assert set(found) in expected


def test_the_source_has_something_for_every_figure(reported: Reported) -> None:
    """Else the figures would agree by having nothing to say."""
    sandbox = reported.sandbox

    ages = {row[1] for row in figures.receivables_by_age(sandbox, today())}
    (withheld,) = [row[-1] for row in figures.tax_by_month(sandbox, today()) if row[-1]]

    assert ages == {"current", "1-30", "31-60", "61-90", "90+"}
    assert len({row[0] for row in figures.receivables_by_age(sandbox, today())}) > 2
    assert f"{withheld}" == "12.34"
    assert {"draft", "void"} < {row["status"] for row in sandbox.rows("invoices")}
    assert reported.project.query("SELECT COUNT(*) FROM invoicing.invoices WHERE deleted_at IS NOT NULL") == [(1,)]


@each_view
def test_a_view_reads_tables_of_the_catalog_alone(view: ReportView) -> None:
    assert set(find_tables(view.sql)) <= set(READ)
    assert {total.resource for total in view.totals} <= set(find_tables(view.sql))


@each_view
def test_a_total_is_over_columns_that_are_there(view: ReportView) -> None:
    columns = {column.name for column in view.columns}
    money = {column.name for column in view.columns if column.data_type == "decimal"}

    assert {total.column for total in view.totals} <= columns
    assert {total.column for total in view.totals if not total.is_count} <= money
    assert all(RESOURCES[total.resource].column(total.amount.split()[0]) for total in view.totals if not total.is_count)


@each_view
def test_every_column_is_described_and_no_amount_is_a_float(view: ReportView) -> None:
    assert all(column.description for column in view.columns)
    assert {column.type_name for column in view.columns} <= {"text", "bigint", "date", "decimal(28, 6)"}
