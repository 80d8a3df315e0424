"""What a run tells of a view and what its checks find; the figures themselves: `reporting/test_views.py`."""

import re
from pathlib import Path
from typing import Any

import duckdb
import pytest
from dagster import AssetKey, ExecuteInProcessResult

from docs.report_queries import PAGE
from invoice_assets.defs.report_claims import ReportCheckName
from invoice_assets_tests.project import Project
from invoice_assets_tests.runs import failures_of
from invoice_assets_tests.sandbox.server import Sandbox

COLUMNS, SUMS, COUNTS = ReportCheckName


@pytest.fixture
def project(sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A project with reports whose invoices are loaded."""
    monkeypatch.setenv("INVOICE_REPORTING", "on")
    project = Project(sandbox, tmp_path, monkeypatch)
    assert project.materialize("invoices", with_checks=False).success
    return project


def checks_of(result: ExecuteInProcessResult) -> dict[str, str]:
    """What each check of a run has to say; nothing where it passed."""
    return {one.check_name: one.description or "" for one in result.get_asset_check_evaluations()}


def metadata_of(result: ExecuteInProcessResult, name: str) -> dict[str, Any]:
    (told,) = [
        event.materialization.metadata
        for event in result.get_asset_materialization_events()
        if event.asset_key == AssetKey(["reporting", name])
    ]
    return {key: value.value for key, value in told.items()}


def test_a_view_passes_its_checks_and_tells_what_its_columns_are_made_from(project: Project) -> None:
    result = project.materialize(reports=["receivables_by_age"])

    lineage = metadata_of(result, "receivables_by_age")["dagster/column_lineage"].deps_by_column
    assert checks_of(result) == {COLUMNS: "", SUMS: "", COUNTS: ""}
    assert [(dep.asset_key.path[-1], dep.column_name) for dep in lineage["balance"]] == [("invoices", "balance")]
    assert [(dep.asset_key.path[-1], dep.column_name) for dep in lineage["age"]] == [("invoices", "due_date")]
    assert "invoices" not in lineage


def test_a_view_over_a_table_that_is_not_there_says_which_to_load(project: Project) -> None:
    result = project.materialize(reports=["unapplied_credits"])

    assert failures_of(result)["make_unapplied_credits"] == (
        "reporting/unapplied_credits: It reads credit_notes, customer_payments, contacts, of which there is no table "
        "yet: load them first, then materialize it again."
    )


def test_a_view_that_counts_deleted_rows_or_drafts_is_found_out(project: Project) -> None:
    """Somebody has put another in its place, without the conditions."""
    project.materialize(reports=["receivables_by_age"], with_checks=False)
    for statement in (
        "UPDATE invoicing.invoices SET status = 'sent', balance = 10, total = 10, currency_code = 'EUR'",
        "UPDATE invoicing.invoices SET deleted_at = NOW() WHERE invoice_id IN "
        "(SELECT invoice_id FROM invoicing.invoices ORDER BY 1 LIMIT 1)",
        "UPDATE invoicing.invoices SET status = 'draft' WHERE invoice_id IN "
        "(SELECT invoice_id FROM invoicing.invoices ORDER BY 1 DESC LIMIT 1)",
        "CREATE OR REPLACE VIEW invoicing.receivables_by_age AS SELECT currency_code, 'current' AS age, "
        "CAST(0 AS BIGINT) AS days_overdue_from, COUNT(*) AS invoices, CAST(SUM(balance) AS DECIMAL(28, 6)) AS balance "
        "FROM invoicing.invoices GROUP BY currency_code",
    ):
        project.query(statement)

    found = check(project, "receivables_by_age")
    mended = project.materialize(reports=["receivables_by_age"])

    assert found == {
        COLUMNS: "",
        SUMS: "balance is 30.000000 EUR, in the tables 10.000000",
        COUNTS: "invoices is 3.000000 EUR, in the tables 1.000000",
    }
    assert checks_of(mended) == {COLUMNS: "", SUMS: "", COUNTS: ""}


def test_an_amount_that_has_become_a_float_is_found_out(project: Project) -> None:
    project.materialize(reports=["top_debtors"], with_checks=False)
    project.query(
        "CREATE OR REPLACE VIEW invoicing.top_debtors AS SELECT 1 AS place, customer_id, customer_name, "
        "currency_code, COUNT(*) AS invoices, CAST(SUM(balance) AS DOUBLE) AS balance, "
        "MIN(due_date) AS oldest_due_date FROM invoicing.invoices GROUP BY ALL"
    )

    assert check(project, "top_debtors")[COLUMNS] == (
        "balance is double, declared as decimal(28, 6); overdue is not in the view"
    )


def test_views_are_read_as_the_page_on_reports_opens_the_file_and_under_any_other_name(project: Project) -> None:
    """DuckDB takes `invoicing.invoices` for ambiguous, in a view too, in a file that is called like the schema."""
    project.materialize(reports=["receivables_by_age"], with_checks=False)
    command = re.search(
        r'^duckdb -readonly data/invoicing\.duckdb "(.*)"$', PAGE.read_text(encoding="utf-8"), re.MULTILINE
    )
    assert command

    with duckdb.connect(str(project.database), read_only=True) as connection:
        rows = connection.execute(command[1]).fetchall()

    assert project.database.name == "invoicing.duckdb"
    assert rows
    assert rows == project.query("SELECT * FROM invoicing.receivables_by_age ORDER BY 1, 3")


def test_a_view_that_is_gone_fails_every_check_with_what_to_do(project: Project) -> None:
    project.materialize(reports=["top_debtors"], with_checks=False)
    project.query("DROP VIEW invoicing.top_debtors")

    assert set(check(project, "top_debtors").values()) == {
        "top_debtors does not exist yet: materialize its asset first"
    }


@pytest.mark.parametrize("treatment", ["hash", "omit"])
def test_debtors_are_told_by_id_where_their_names_are_not_kept(
    project: Project, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, treatment: str
) -> None:
    monkeypatch.setenv("INVOICE_PERSONAL_DATA", treatment)
    monkeypatch.setenv("INVOICE_PERSONAL_DATA_KEY", "a key for tests alone, 32 long or more")
    names = {row["customer_name"] for row in sandbox.rows("invoices")}

    result = project.materialize("invoices", reports=["top_debtors"])

    debtors = project.query("SELECT customer_id, customer_name FROM invoicing.top_debtors")
    assert result.success
    assert {key for key, _ in debtors} <= {row["customer_id"] for row in sandbox.rows("invoices")}
    assert debtors
    assert not {name for _, name in debtors} & names
    assert {name is None for _, name in debtors} == {treatment == "omit"}


def check(project: Project, name: str) -> dict[str, str]:
    """What the checks of a view say without its having been made anew."""
    return {one.check_name: one.description or "" for one in project.run_checks("reporting", name)}
