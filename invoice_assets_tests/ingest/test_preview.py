"""What a preview shows of a table, and what never."""

from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from invoice_assets.catalog import RESOURCES
from invoice_assets.ingest.preview import MASK, write_value
from invoice_assets_tests.project import Project
from invoice_assets_tests.runs import metadata_of
from invoice_assets_tests.sandbox.server import Sandbox


@pytest.fixture
def project(sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    return Project(sandbox, tmp_path, monkeypatch)


def read_preview_of(project: Project, name: str) -> list[dict[str, Any]]:
    """The rows that a load of the resource shows."""
    return [
        dict(row.data) for row in metadata_of(project.materialize(name, with_checks=False), name)["preview"].records
    ]


@pytest.mark.parametrize("treatment", ["keep", "hash", "omit"])
def test_a_load_shows_rows_with_every_digit_and_without_anything_personal(
    project: Project, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, treatment: str
) -> None:
    monkeypatch.setenv("INVOICE_PERSONAL_DATA", treatment)
    monkeypatch.setenv("INVOICE_PERSONAL_DATA_KEY", "a key for tests alone, 32 long or more")
    spec = RESOURCES["customer_payments"]
    payment, *_ = sandbox.rows(spec.name)
    sandbox.edit(spec.name, payment["payment_id"], amount=Decimal("12345678901234.5"))

    shown = read_preview_of(project, spec.name)

    rows = {row["payment_id"]: row for row in shown}
    assert len(rows) == 3
    assert rows[payment["payment_id"]]["amount"] == "12345678901234.50"
    assert {row[column.name] for row in rows.values() for column in spec.personal_columns} == {MASK}
    assert list(shown[0])[:5] == ["payment_id", "date", "amount", "customer_id", "created_time"]
    assert list(shown[0])[-len(spec.personal_columns) :] == [column.name for column in spec.personal_columns]
    assert "sales_channel" not in shown[0]
    assert payment["customer_name"] not in str(shown)


def test_a_preview_has_no_more_rows_than_it_is_told_to_and_none_that_is_deleted(
    project: Project, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INVOICE_PREVIEW_ROWS", "2")
    monkeypatch.setenv("INVOICE_DELETION_LIMIT", "1")
    project.materialize("taxes", with_checks=False)
    kept, *gone = [row["tax_id"] for row in sandbox.rows("taxes")]
    for key in gone:
        sandbox.delete("taxes", key)

    assert len(read_preview_of(project, "items")) == 2
    assert [row["tax_id"] for row in read_preview_of(project, "taxes")] == [kept]


def test_no_preview_is_shown_where_none_is_wanted(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INVOICE_PREVIEW_ROWS", "0")

    assert "preview" not in metadata_of(project.materialize("taxes", with_checks=False), "taxes")


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (None, None),
        (True, True),
        (7, 7),
        (Decimal("1234.500000"), "1234.50"),
        (Decimal("0.123456789012345678"), "0.123456789012345678"),
        (Decimal("-3"), "-3.00"),
        (date(2026, 3, 8), "2026-03-08"),
        (datetime(2026, 3, 8, 12, tzinfo=UTC), "2026-03-08T12:00:00+00:00"),
        ("Zürich", "Zürich"),
        ("a" * 61, "a" * 59 + "…"),
    ],
)
def test_a_value_is_shown_exactly(value: object, written: object) -> None:
    assert write_value(value) == written
