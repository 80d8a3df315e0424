"""The receivables report in a run; how its picture is drawn: `reporting/test_chart.py`."""

from base64 import b64decode
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from dagster import AssetKey

from invoice_assets.reporting.chart import write_amount
from invoice_assets_tests.project import Project
from invoice_assets_tests.runs import failures_of
from invoice_assets_tests.sandbox.server import Sandbox

DATA = "](data:image/svg+xml;base64,"


@pytest.fixture
def project(tmp_path: Path, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.setenv("INVOICE_REPORTING", "on")
    return Project(sandbox, tmp_path, monkeypatch)


def test_the_report_shows_a_picture_and_a_table_of_the_view_s_figures(project: Project) -> None:
    result = project.materialize("invoices", reports=["receivables_by_age", "receivables_report"], with_checks=False)

    (told,) = [
        event.materialization.metadata
        for event in result.get_asset_materialization_events()
        if event.asset_key == AssetKey(["reporting", "receivables_report"])
    ]
    shown: dict[str, Any] = {name: value.value for name, value in told.items()}
    stored = project.query(
        "SELECT currency_code, age, invoices, balance FROM invoicing.receivables_by_age ORDER BY 1, 2"
    )
    heading, _, data = str(shown["receivables"]).partition(DATA)
    picture = ElementTree.fromstring(b64decode(data.removesuffix(")")))
    assert heading.startswith("**Open balances by days overdue on ")
    assert "(America/New_York)**" in heading
    assert stored
    assert [
        (row.data["currency_code"], row.data["age"], row.data["invoices"], row.data["balance"])
        for row in shown["by_age"].records
    ] == [(currency, age, invoices, write_amount(balance)) for currency, age, invoices, balance in stored]
    assert {write_amount(balance) for *_, balance in stored} <= {text.text for text in picture.iter() if text.text}
    assert shown["open_invoices"] == sum(invoices for _, _, invoices, _ in stored)


def test_a_report_without_its_view_says_what_is_missing(project: Project) -> None:
    project.materialize("invoices", with_checks=False)

    said = failures_of(project.materialize(reports=["receivables_report"]))["draw_receivables_report"]

    assert said == (
        "reporting/receivables_by_age: There is no view receivables_by_age yet: materialize its asset first."
    )
