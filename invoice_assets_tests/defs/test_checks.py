import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from dagster import (
    AssetCheckEvaluation,
    AssetCheckSeverity,
    AssetKey,
    DagsterEventType,
    DagsterInstance,
    TableMetadataValue,
)

from invoice_assets.resource_spec import CheckName
from invoice_assets.settings import Settings
from invoice_assets_tests.conftest import ROWS
from invoice_assets_tests.project import Project
from invoice_assets_tests.runs import failures_of
from invoice_assets_tests.sandbox.server import Sandbox

WARN, ERROR = AssetCheckSeverity.WARN, AssetCheckSeverity.ERROR
TOLD_OF_TABLES = {
    DagsterEventType.ASSET_MATERIALIZATION,
    DagsterEventType.ASSET_CHECK_EVALUATION_PLANNED,
    DagsterEventType.ASSET_CHECK_EVALUATION,
}
FIRST_INVOICE = "invoice_id = (SELECT MIN(invoice_id) FROM invoicing.invoices)"


class Checked(Project):
    """A project whose contacts and invoices are loaded, as its Dagster instance remembers."""

    def load(self, *names: str) -> dict[str, AssetCheckEvaluation]:
        """Load resources whole; the checks of the first that fail then."""
        result = self.materialize(*names)
        assert failures_of(result) == {}
        key = AssetKey(["invoicing", names[0]])
        return {c.check_name: c for c in result.get_asset_check_evaluations() if c.asset_key == key and not c.passed}

    def failing(self, name: str = "invoices") -> dict[str, AssetCheckEvaluation]:
        """The checks of a resource that fail when they are run on demand."""
        return {check.check_name: check for check in self.run_checks(name) if not check.passed}


@dataclass(frozen=True)
class Loaded:
    """What a load leaves behind: a warehouse, in `folder` or at `postgres_url`, and what the instance remembers."""

    folder: Path
    postgres_url: str | None
    instance: DagsterInstance

    def remember(self, instance: DagsterInstance) -> None:
        """Let another instance remember what its runs told of tables."""
        for run in self.instance.get_runs():
            for entry in self.instance.all_logs(run.run_id, of_type=TOLD_OF_TABLES):
                instance.event_log_storage.store_event(entry)


@pytest.fixture(scope="module", params=["duckdb", "postgres"])
def loaded(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Loaded]:
    """Three contacts and three invoices in a warehouse of each kind, loaded once, to be copied; all checks pass."""
    url = request.getfixturevalue("postgres").create_database() if request.param == "postgres" else None
    folder = tmp_path_factory.mktemp("loaded")
    with (
        pytest.MonkeyPatch.context() as environment,
        Sandbox(rows=ROWS) as sandbox,
        DagsterInstance.ephemeral() as instance,
    ):
        project = Checked(sandbox, folder, environment, postgres_url=url, instance=instance)
        assert project.load("invoices", "contacts") == {}
        yield Loaded(folder, url, instance)


@pytest.fixture
def checked(
    loaded: Loaded, request: pytest.FixtureRequest, sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Checked]:
    """The test's own copy of that, and a sandbox with the rows that were loaded."""
    like, folder = loaded.postgres_url, tmp_path / "copy"
    url = request.getfixturevalue("postgres").create_database(like=like) if like else None
    shutil.copytree(loaded.folder, folder)
    with DagsterInstance.ephemeral() as instance:
        loaded.remember(instance)
        yield Checked(sandbox, folder, monkeypatch, postgres_url=url, instance=instance)


def offenders(check: AssetCheckEvaluation) -> list[dict[str, Any]]:
    """The rows of the table that a failed check shows."""
    table = check.metadata["offenders"]
    assert isinstance(table, TableMetadataValue)
    return [dict(record.data) for record in table.records]


def the_only(failed: dict[str, AssetCheckEvaluation], name: str) -> AssetCheckEvaluation:
    """The one check that fails, which is this one."""
    assert failed.keys() == {name}
    return failed[name]


def test_all_checks_run_on_demand_without_a_request(checked: Checked, sandbox: Sandbox) -> None:
    requests = len(sandbox.ledger.requests())

    evaluations = checked.run_checks("invoices")

    assert {evaluation.check_name for evaluation in evaluations} == {str(name) for name in CheckName}
    assert len(sandbox.ledger.requests()) == requests


def test_a_repeated_key_fails_uniqueness(checked: Checked) -> None:
    checked.query(f"INSERT INTO invoicing.invoices SELECT * FROM invoicing.invoices WHERE {FIRST_INVOICE}")

    check = the_only(checked.failing(), "primary_key_is_unique")

    assert check.severity is ERROR
    assert check.description == "invoice_id is repeated: 1 row"
    assert check.metadata["offending_rows"].value == 1
    assert check.metadata["sample_keys"].value == [offenders(check)[0]["sample_keys"]]


@pytest.mark.parametrize("missing", ["NULL", "''"], ids=["NULL", "empty"])
def test_a_row_without_a_key_fails_presence(checked: Checked, missing: str) -> None:
    checked.query(f"INSERT INTO invoicing.invoices SELECT * FROM invoicing.invoices WHERE {FIRST_INVOICE}")
    checked.query(
        f"UPDATE invoicing.invoices SET invoice_id = {missing} WHERE {_place(checked)} = "
        f"(SELECT MAX({_place(checked)}) FROM invoicing.invoices WHERE {FIRST_INVOICE})"
    )

    check = the_only(checked.failing(), "primary_key_is_present")

    assert check.severity is ERROR
    assert offenders(check) == [{"what": "invoice_id", "says": "is missing", "rows": 1, "sample_keys": ""}]


def _place(checked: Checked) -> str:
    """The hidden column that tells one copy of a row from another."""
    return "rowid" if checked.query("SELECT version()")[0][0].startswith("v") else "ctid"


@pytest.mark.parametrize(
    ("column", "missing"), [("total", "NULL"), ("customer_name", "''")], ids=["NULL number", "empty text"]
)
def test_a_missing_required_value_is_counted_by_column_with_sample_keys(
    checked: Checked, column: str, missing: str
) -> None:
    checked.query(f"UPDATE invoicing.invoices SET {column} = {missing}")

    check = the_only(checked.failing(), "required_columns_are_present")

    (offender,) = offenders(check)
    assert check.severity is ERROR
    assert (offender["what"], offender["rows"]) == (column, 3)
    keys = [row[0] for row in checked.query("SELECT invoice_id FROM invoicing.invoices ORDER BY 1")]
    assert offender["sample_keys"].split(", ") == keys


def test_a_nullable_column_that_turns_empty_warns_until_it_is_filled_again(checked: Checked) -> None:
    (row,) = checked.query("SELECT invoice_id, exchange_rate FROM invoicing.invoices ORDER BY 1 LIMIT 1")
    checked.query("UPDATE invoicing.invoices SET exchange_rate = NULL")

    first, second = checked.failing(), checked.failing()
    checked.query(f"UPDATE invoicing.invoices SET exchange_rate = {row[1]} WHERE invoice_id = '{row[0]}'")

    assert the_only(first, "required_columns_are_present").severity is WARN
    assert offenders(the_only(second, "required_columns_are_present"))[0]["what"] == "exchange_rate"
    assert checked.failing() == {}


def test_a_row_that_is_lost_after_a_complete_read_fails_the_row_count(checked: Checked) -> None:
    checked.query(f"DELETE FROM invoicing.invoices WHERE {FIRST_INVOICE}")

    check = the_only(checked.failing(), "row_count_matches_source")

    assert check.severity is ERROR
    assert check.metadata["rows_missing"].value == 1
    assert check.metadata["source_rows"].value == 3
    assert check.metadata["live_rows"].value == 2


def test_rows_that_are_gone_from_the_source_and_not_marked_are_a_warning_until_they_are(
    checked: Checked, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    for row in list(sandbox.rows("contacts"))[:2]:
        sandbox.delete("contacts", row["contact_id"])

    checked.load("contacts")
    check = the_only(checked.failing("contacts"), "row_count_matches_source")
    monkeypatch.setenv("INVOICE_DELETION_LIMIT", "1")
    checked.load("contacts")

    (offender,) = offenders(check)
    assert check.severity is WARN
    assert (offender["rows"], offender["says"]) == (2, "did not return rows that are not marked as deleted")
    assert checked.failing("contacts") == {}


def test_a_row_that_is_lost_after_a_window_was_read_fails_the_row_count(checked: Checked, sandbox: Sandbox) -> None:
    """Two rows arrived since the complete read: that one of them is lost shows in the window only."""
    today = datetime.now(ZoneInfo(Settings.from_env().time_zone)).date().isoformat()
    added = [sandbox.insert("invoices")["invoice_id"] for _ in range(2)]
    assert checked.materialize("invoices", partitions=(today, today)).success
    checked.query(f"DELETE FROM invoicing.invoices WHERE invoice_id = '{added[0]}'")

    check = the_only(checked.failing(), "row_count_matches_source")

    assert "the last read of" in str(check.description)
    assert check.metadata["rows_missing"].value == 1


def test_a_row_that_the_source_deleted_is_not_missed(
    checked: Checked, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INVOICE_DELETION_LIMIT", "1")
    (first, *_) = sandbox.rows("invoices")
    sandbox.delete("invoices", first["invoice_id"])

    assert checked.load("invoices") == {}
    assert checked.query("SELECT COUNT(*) FROM invoicing.invoices WHERE deleted_at IS NOT NULL") == [(1,)]


def test_a_new_field_of_the_api_warns_with_its_name_and_type(checked: Checked, sandbox: Sandbox) -> None:
    (first, *_) = sandbox.rows("invoices")
    sandbox.edit("invoices", first["invoice_id"], delivery_code=17)

    check = the_only(checked.load("invoices"), "columns_match_catalog")

    assert check.severity is WARN
    assert offenders(check)[0]["what"] == "delivery_code"
    assert offenders(check)[0]["says"] == "is new: text in the table, number on the wire"


def test_a_custom_field_is_no_surprise(checked: Checked) -> None:
    columns = checked.query(
        "SELECT column_name FROM information_schema.columns WHERE table_name = 'contacts' AND column_name LIKE 'cf~_%' "
        "ESCAPE '~' AND table_schema = 'invoicing'"
    )

    assert columns != []
    assert "columns_match_catalog" not in checked.failing("contacts")


def test_a_column_that_the_source_no_longer_sends_fails_and_is_named(checked: Checked, sandbox: Sandbox) -> None:
    sandbox.remove_field("invoices", "reference_number")

    check = the_only(checked.load("invoices"), "columns_match_catalog")

    assert check.severity is ERROR
    assert "reference_number is no longer sent" in str(check.description)


def test_a_type_that_changed_fails_and_disturbs_no_other_check(checked: Checked) -> None:
    checked.query("ALTER TABLE invoicing.invoices ALTER COLUMN write_off_amount TYPE DOUBLE PRECISION")

    check = the_only(checked.failing(), "columns_match_catalog")

    assert check.severity is ERROR
    assert check.description == "write_off_amount is double, in the catalog decimal(28, 6)"


def test_an_invoice_of_an_unknown_customer_is_an_orphan(checked: Checked) -> None:
    checked.query(f"UPDATE invoicing.invoices SET customer_id = '17' WHERE {FIRST_INVOICE}")

    check = the_only(checked.failing(), "references_are_resolved")

    assert check.severity is WARN
    assert offenders(check)[0]["what"] == "customer_id"
    assert check.metadata["offending_rows"].value == 1


def test_an_invoice_that_is_younger_than_the_contacts_is_not_held_against_them(
    checked: Checked, sandbox: Sandbox
) -> None:
    """Contacts are read once a day, invoices every hour: a new customer's first invoice is no orphan."""
    later = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    checked.query(
        f"UPDATE invoicing.invoices SET customer_id = '17', last_modified_time = '{later}' WHERE {FIRST_INVOICE}"
    )

    assert checked.failing() == {}


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ("balance = -1", "balance_is_part_of_total"),
        ("balance = total + 1, status = 'sent'", "balance_is_part_of_total"),
        ("due_date = DATE '1999-01-01'", "due_date_is_not_before_date"),
        ("status = 'forgotten'", "status_is_known"),
        ("write_off_amount = -0.01", "write_off_amount_is_never_negative"),
    ],
    ids=["negative balance", "balance above total", "due before its date", "unknown status", "negative write-off"],
)
def test_an_implausible_value_breaks_its_rule_and_no_other(checked: Checked, change: str, rule: str) -> None:
    checked.query(f"UPDATE invoicing.invoices SET status = 'sent' WHERE {FIRST_INVOICE}")
    checked.query(f"UPDATE invoicing.invoices SET {change} WHERE {FIRST_INVOICE}")

    check = the_only(checked.failing(), "values_are_plausible")

    assert check.severity is WARN
    assert [offender["what"] for offender in offenders(check)] == [rule]


def test_a_missing_table_is_called_missing_by_every_check_but_freshness(checked: Checked) -> None:
    checked.query("DROP TABLE invoicing.invoices")

    failed = checked.failing()

    assert failed.keys() == {str(name) for name in CheckName} - {"is_fresh"}
    assert {check.description for check in failed.values()} == {
        "invoices has no table yet: materialize its asset first"
    }


def test_a_missing_target_fails_only_the_references(checked: Checked) -> None:
    checked.query("DROP TABLE invoicing.contacts")

    check = the_only(checked.failing(), "references_are_resolved")

    assert "contacts has no table yet" in str(check.description)


def test_a_required_value_that_the_api_leaves_out_is_loaded_and_reported(checked: Checked, sandbox: Sandbox) -> None:
    (first, *_) = sandbox.rows("invoices")
    sandbox.edit("invoices", first["invoice_id"], customer_name="")

    failed = checked.load("invoices")

    assert len(checked.query("SELECT 1 FROM invoicing.invoices")) == 3
    assert failed.keys() == {"required_columns_are_present"}
