"""Personal data of a whole load, under each setting: what is in the tables, in the checks, in what Dagster keeps."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from dagster import DagsterInstance

from invoice_assets.catalog import RESOURCES
from invoice_assets_tests.project import Project
from invoice_assets_tests.runs import checks_of, failures_of
from invoice_assets_tests.sandbox.server import Sandbox

PEOPLE = ("contacts", "users", "invoices")
KEY = "5c2d" * 16
OWN_FIELD = "cf_guardian"
"""A field of the organisation, which the catalog does not know."""


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """Enough rows for each personal column to have a value in some."""
    with Sandbox(rows={"contacts": 40, "users": 10, "invoices": 40, "items": 1, "taxes": 1}) as running:
        running.add_field("contacts", OWN_FIELD, "Mathilde Oppenheimer")
        yield running


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[DagsterInstance]:
    with DagsterInstance.local_temp(str(tmp_path)) as running:
        yield running


def personal_values(sandbox: Sandbox, *names: str) -> set[str]:
    """Every personal text of these resources that cannot be anywhere by chance."""
    found = {value for row in sandbox.rows("contacts") if (value := row[OWN_FIELD]) and "contacts" in names}
    for name in names:
        columns = [column.name for column in RESOURCES[name].personal_columns]
        texts = (row.get(column) for row in sandbox.rows(name) for column in columns)
        found |= {text for text in texts if isinstance(text, str) and len(text) >= 8}
    return found


def stored_texts(project: Project, *names: str) -> set[str]:
    """Every text in every column of these tables."""
    rows = [row for name in names for row in project.read_table(name)]
    return {value for row in rows for value in row.values() if isinstance(value, str)}


def choose(environment: pytest.MonkeyPatch, treatment: str) -> None:
    environment.setenv("INVOICE_PERSONAL_DATA", treatment)
    environment.setenv("INVOICE_PERSONAL_DATA_KEY", KEY)


@pytest.mark.parametrize("treatment", ["hash", "omit"])
def test_personal_values_are_nowhere_and_every_claim_still_holds(
    sandbox: Sandbox, instance: DagsterInstance, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, treatment: str
) -> None:
    project = Project(sandbox, tmp_path, monkeypatch, instance=instance)
    choose(monkeypatch, treatment)

    result = project.materialize(*PEOPLE)

    assert failures_of(result) == {}
    claims = {name: [check for check, passed in checks_of(result, name).items() if not passed] for name in PEOPLE}
    assert claims == {name: [] for name in PEOPLE}
    files = "\n".join(path.read_bytes().decode(errors="replace") for path in tmp_path.rglob("*") if path.is_file())
    found = "\n".join([files, *stored_texts(project, *PEOPLE)])
    assert {value for value in personal_values(sandbox, *PEOPLE) if value in found} == set()


def test_by_default_they_are_stored_as_they_come(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And so the search of the test above finds them where they are."""
    project = Project(sandbox, tmp_path, monkeypatch)

    project.materialize("contacts")

    assert personal_values(sandbox, "contacts") - stored_texts(project, "contacts") == set()


def test_dagster_is_told_no_value_of_a_row_that_offends(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Failed checks, and a load that a value does not let through, name rows by their keys."""
    invoice, other = (str(row["invoice_id"]) for row in list(sandbox.rows("invoices"))[:2])
    contact = next(str(row["contact_id"]) for row in sandbox.rows("contacts"))
    sandbox.edit("invoices", invoice, balance=10**9, status="Mathilde Oppenheimer", customer_id="1")
    sandbox.edit("invoices", other, customer_name="")
    sandbox.edit("contacts", contact, contact_name="")
    sandbox.edit(
        "users", next(str(row["user_id"]) for row in sandbox.rows("users")), is_employee="Mathilde Oppenheimer"
    )
    (home := tmp_path / "home").mkdir()
    with DagsterInstance.local_temp(str(home)) as instance:
        project = Project(sandbox, tmp_path, monkeypatch, instance=instance)
        result = project.materialize(*PEOPLE)

    assert "is_employee of user_id" in failures_of(result)["load_users"]
    failed = [check for name in ("contacts", "invoices") for check, ok in checks_of(result, name).items() if not ok]
    assert {"required_columns_are_present", "values_are_plausible", "references_are_resolved"} <= set(failed)
    kept = b"\n".join(path.read_bytes() for path in home.rglob("*") if path.is_file())
    assert invoice.encode() in kept
    assert {value for value in personal_values(sandbox, *PEOPLE) if value.encode() in kept} == set()


def test_what_is_omitted_from_now_on_is_no_column_that_turned_empty(
    sandbox: Sandbox, instance: DagsterInstance, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = Project(sandbox, tmp_path, monkeypatch, instance=instance)
    project.materialize("contacts")
    choose(monkeypatch, "omit")

    again = project.materialize("contacts")

    assert [check for check, passed in checks_of(again, "contacts").items() if not passed] == []
    columns = [column.name for column in RESOURCES["contacts"].personal_columns]
    contacts = project.read_table("contacts")
    assert {contact[name] for contact in contacts for name in [*columns, OWN_FIELD]} == {None}
    assert len(contacts) == 40


def test_a_hash_without_a_good_key_reads_nothing(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = Project(sandbox, tmp_path, monkeypatch)
    choose(monkeypatch, "hash")
    monkeypatch.setenv("INVOICE_PERSONAL_DATA_KEY", "hunter2")

    failures = failures_of(project.materialize("users"))

    assert "INVOICE_PERSONAL_DATA_KEY has 7 characters" in failures["load_users"]
    assert "hunter2" not in str(failures)
    assert sandbox.ledger.requests() == []
