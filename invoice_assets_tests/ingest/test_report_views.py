"""How a report's SQL becomes that of a warehouse; its figures are tested in `reporting/test_views.py`."""

from decimal import Decimal

import pytest
import sqlglot
from dlt.pipeline.pipeline import Pipeline

from invoice_assets.catalog import RESOURCES
from invoice_assets.ingest.report_views import TotalFound, find_column_sources, find_tables, translate
from invoice_assets.reporting.views import RECEIVABLES_BY_AGE, REPORT_VIEWS, TOP_DEBTORS, ReportView

BALANCE = next(total for total in RECEIVABLES_BY_AGE.totals if not total.is_count)
EUROS, DOLLARS = Decimal("10.00"), Decimal("20.00")


@pytest.mark.parametrize("view", REPORT_VIEWS, ids=lambda view: view.name)
def test_a_statement_names_the_tables_and_the_zone_of_the_warehouse(pipeline: Pipeline, view: ReportView) -> None:
    with pipeline.sql_client() as client:
        translated = translate(view.sql, client, time_zone="Asia/Kolkata")
        tables = {client.make_qualified_table_name(name) for name in find_tables(view.sql)}

    assert all(table in translated for table in tables)
    assert ("Asia/Kolkata" in translated) is ("AT TIME ZONE" in view.sql)
    assert "'UTC'" not in translated


@pytest.mark.parametrize("dialect", ["bigquery", "snowflake", "databricks", "clickhouse", "redshift"])
@pytest.mark.parametrize("view", REPORT_VIEWS, ids=lambda view: view.name)
def test_a_statement_can_be_written_for_other_warehouses(view: ReportView, dialect: str) -> None:
    """Nobody has run it there; what sqlglot cannot translate, it says."""
    (written,) = sqlglot.transpile(
        view.sql, read="duckdb", write=dialect, unsupported_level=sqlglot.ErrorLevel.RAISE, comments=False
    )

    assert sqlglot.parse_one(written, read=dialect).sql()


def test_a_column_s_sources_are_found_through_every_step_of_the_statement() -> None:
    sources = find_column_sources(TOP_DEBTORS, RESOURCES)

    assert sources["overdue"] == [("invoices", "balance"), ("invoices", "due_date")]
    assert sources["customer_name"] == [("invoices", "customer_name")]
    assert sources["invoices"] == []


@pytest.mark.parametrize(
    ("in_view", "in_table", "differences"),
    [
        pytest.param({"EUR": EUROS}, {"EUR": EUROS}, {}, id="agree"),
        pytest.param({"EUR": EUROS}, {"EUR": DOLLARS}, {"EUR": (EUROS, DOLLARS)}, id="differ"),
        pytest.param(
            {"EUR": EUROS, "USD": DOLLARS},
            {"EUR": DOLLARS, "USD": EUROS},
            {"EUR": (EUROS, DOLLARS), "USD": (DOLLARS, EUROS)},
            id="differ in each currency and not in all together",
        ),
        pytest.param({}, {"EUR": EUROS}, {"EUR": (Decimal(), EUROS)}, id="missing in the view"),
        pytest.param({"EUR": Decimal("0.000000"), None: Decimal(0)}, {}, {}, id="nothing is nothing"),
    ],
)
def test_sums_are_compared_in_each_currency(
    in_view: dict[str | None, Decimal],
    in_table: dict[str | None, Decimal],
    differences: dict[str | None, tuple[Decimal, Decimal]],
) -> None:
    assert TotalFound(total=BALANCE, in_view=in_view, in_table=in_table).differences == differences
