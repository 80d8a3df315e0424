"""`invoice-assets status`: the table of tables, what fails below it, and the same for machines."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from dagster import AssetCheckEvaluation, AssetCheckSeverity, AssetKey, AssetMaterialization, DagsterInstance

from invoice_assets_tests.cli.conftest import Run
from invoice_assets_tests.project import Project
from invoice_assets_tests.sandbox.server import Sandbox

INVOICES = AssetKey(["invoicing", "invoices"])


def report(
    name: str,
    *,
    of: AssetKey = INVOICES,
    passed: bool,
    severity: AssetCheckSeverity = AssetCheckSeverity.ERROR,
    says: str = "",
) -> None:
    with DagsterInstance.from_config(str(Path.cwd())) as instance:
        instance.report_runless_asset_event(
            AssetCheckEvaluation(
                asset_key=of, check_name=name, passed=passed, severity=severity, description=says, metadata={}
            )
        )


def test_status_of_a_new_instance_says_what_to_do(run: Run, home: Path) -> None:
    status, output = run("status")

    assert status == 0
    assert "materialize the assets first" in output


def test_a_narrow_terminal_cuts_no_word_off(run: Run, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "70")

    assert "…" not in run("status")[1]


def test_status_says_so_where_nothing_fails(run: Run, home: Path) -> None:
    report("primary_key_is_unique", passed=True)

    status, output = run("status")

    assert status == 0
    assert output.endswith("Nothing fails: 1 checks and steps were well when they ran last.\n")


def test_status_lists_what_fails_errors_first(run: Run, home: Path) -> None:
    report("values_are_plausible", passed=False, severity=AssetCheckSeverity.WARN, says="balance is odd: 1 row")
    report("primary_key_is_unique", passed=False, says="invoice_id is repeated: 1 row")
    report("is_fresh", passed=True)

    status, output = run("status")

    assert status == 1
    assert re.findall(r"invoices: (\w+)", output) == ["primary_key_is_unique", "values_are_plausible"]
    assert "invoice_id is repeated" in output
    assert "remove the copies" in " ".join(output.split())


def test_status_shows_what_the_last_load_of_a_table_has_told(
    run: Run, home: Path, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    with DagsterInstance.from_config(str(home)) as instance:
        Project(sandbox, home, monkeypatch, instance=instance).materialize("taxes")
    requests = len(sandbox.ledger.entries)

    status, output = run("status")

    row = next(line for line in output.splitlines() if "taxes" in line)
    assert status == 0
    assert re.search(r"taxes +│ 20\d\d-\d\d-\d\d \d\d:\d\d E[SD]T │ 3 +│ fresh +│ +│ no schedule is on │ 9,999", row)
    assert re.search(r"users +│ - +│ - +│ never loaded", output)
    assert len(sandbox.ledger.entries) == requests


def test_status_for_machines_has_the_same(run: Run, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INVOICE_AUTOMATION", "on")
    report("primary_key_is_unique", passed=False, says="invoice_id is repeated: 1 row")

    status, output = run("status", "--json")

    told = json.loads(output)
    invoices = next(one for one in told["assets"] if one["asset"] == "invoices")
    assert status == 1
    assert len(told["assets"]) == 9
    assert invoices["failing_checks"] == ["primary_key_is_unique"]
    assert invoices["next_load_at"].endswith("+00:00")
    assert (invoices["loaded_at"], invoices["freshness"]) == (None, "never loaded")
    assert [one["says"] for one in told["failing"]] == ["invoice_id is repeated: 1 row"]


def test_status_tells_when_a_report_was_made_and_what_of_it_fails(
    run: Run, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INVOICE_REPORTING", "on")
    monkeypatch.setenv("INVOICE_AUTOMATION", "on")
    key = AssetKey(["reporting", "top_debtors"])
    with DagsterInstance.from_config(str(home)) as instance:
        instance.report_runless_asset_event(AssetMaterialization(key))
    report("columns_are_as_declared", of=key, passed=False)

    told = {one["asset"]: one for one in json.loads(run("status", "--json")[1])["assets"]}

    debtors = told["reporting/top_debtors"]
    assert debtors["loaded_at"] > "2026"
    assert debtors["failing_checks"] == ["columns_are_as_declared"]
    assert debtors["next_load_at"]
    assert [debtors[unknown] for unknown in ("rows", "freshness", "quota_remaining")] == [None, None, None]
    assert told["reporting/revenue_by_month"]["loaded_at"] is None
    assert len(told) == 9 + 6


def test_status_names_the_organisation_of_each_table(run: Run, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "two.toml").write_text('[acme]\norganization_id = "1"\n[globex]\norganization_id = "2"\n')
    monkeypatch.setenv("INVOICE_ORGANIZATIONS", "two.toml")

    told = json.loads(run("status", "--json")[1])

    assert len(told["assets"]) == 27
    assert {"acme/invoices", "globex/invoices", "invoicing/all/invoices"} <= {one["asset"] for one in told["assets"]}
