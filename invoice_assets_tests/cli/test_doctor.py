"""`invoice-assets doctor`: the whole chain, as a table and for machines; each look alone is tested in `doctor/`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from invoice_assets_tests.cli.conftest import Run
from invoice_assets_tests.reliability.traces import find_traces, read_files
from invoice_assets_tests.sandbox.server import Sandbox

SECOND = "4815000000000000012"
OWN = Path(__file__).parents[2] / "dagster.yaml"


@pytest.fixture
def deployment(sandbox: Sandbox, home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder from which loads could run."""
    (home / "dagster.yaml").write_text(OWN.read_text())
    for name, value in sandbox.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("INVOICE_ALERT_URLS", "jsons://user:planted@example.com/")
    return home


def secrets_of(sandbox: Sandbox) -> dict[str, str]:
    """What must not be seen anywhere."""
    tokens = {f"token {number}": token for number, token in enumerate(sandbox.issued_access_tokens)}
    return {"secret": sandbox.client_secret, "refresh": sandbox.refresh_token, "alerts": "planted"} | tokens


def test_a_deployment_that_can_load_has_nothing_to_do(run: Run, deployment: Path, sandbox: Sandbox) -> None:
    status, printed = run("doctor")

    assert status == 0
    assert "Loads can run; 0 warnings." in printed
    assert "failing" not in printed
    assert len(sandbox.ledger.entries) == 11
    assert find_traces(secrets_of(sandbox), {"printed": printed.encode()} | read_files(deployment)) == []


def test_machines_are_told_the_same(run: Run, deployment: Path) -> None:
    status, printed = run("doctor", "--json")

    told = json.loads(printed)
    assert (status, told["is_failing"]) == (0, False)
    assert {one["state"] for one in told["findings"]} == {"fine"}
    assert told["findings"][0] == {
        "name": "settings",
        "state": "fine",
        "what": "every variable that is set can be used",
        "what_to_do": "",
        "organization": "",
    }


def test_a_file_of_organisations_that_cannot_be_read_hides_nothing_elsewhere(
    run: Run, deployment: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INVOICE_ORGANIZATIONS", "nope.toml")

    status, printed = run("doctor", "--json")

    found = {one["name"]: one for one in json.loads(printed)["findings"]}
    assert status == 1
    assert "nope.toml" in found["settings"]["what"]
    assert found["warehouse"]["state"] == "fine"


def test_what_is_wrong_in_one_place_hides_nothing_elsewhere(
    run: Run, deployment: Path, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox.revoke_refresh_token()
    monkeypatch.setenv("INVOICE_TIMEZONE", "Mars")
    monkeypatch.setenv("INVOICE_CRON_TODAY", "hourly")
    monkeypatch.setenv("INVOICE_ALERT_URLS", "")
    (deployment / "data").mkdir()
    (deployment / "data" / "invoicing.duckdb").write_text("not a database" * 1000)

    status, printed = run("doctor", "--json")

    findings = json.loads(printed)["findings"]
    assert status == 1
    assert [one["name"] for one in findings if one["state"] == "failing"] == ["settings"] * 2 + ["token", "warehouse"]
    assert [one["name"] for one in findings if one["state"] == "warning"] == ["alerts"]
    assert all(one["what_to_do"] for one in findings if one["state"] in ("failing", "warning"))


def test_a_table_with_a_failure_says_where_to_begin(run: Run, home: Path) -> None:
    status, printed = run("doctor")

    assert status == 1
    assert "INVOICE_API_BASE_URL and INVOICE_API_TOKEN_URL are not set" in " ".join(printed.split())
    assert "1 thing stops loads: mend the first one first." in printed


TWO = """\
[first]
organization_id = "4815000000000000011"
[second]
organization_id = "4815000000000000012"
"""


def test_each_organisation_is_examined_within_its_own_eleven_requests(
    run: Run, deployment: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (deployment / "two.toml").write_text(TWO)
    monkeypatch.setenv("INVOICE_ORGANIZATIONS", "two.toml")
    with Sandbox(rows=0, other_organization_ids=(SECOND,)) as two:
        for name, value in two.environment().items():
            monkeypatch.setenv(name, value)
        status, printed = run("doctor", "--json")
        requests = [entry.organization_parameter for entry in two.ledger.entries]
        two.ledger.clear()
        only, _ = run("doctor", "--organization", "second")

        assert (status, only) == (0, 0)
        assert {entry.organization_parameter for entry in two.ledger.entries} == {SECOND}
    assert [requests.count(one) for one in (None, "4815000000000000011", SECOND)] == [1, 10, 10]
    organizations = [one["organization"] for one in json.loads(printed)["findings"] if one["name"] == "quota"]
    assert organizations == ["first", "second"]


def test_an_organisation_that_is_not_there_is_told_with_those_that_are(
    run: Run, deployment: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "there is none, for INVOICE_ORGANIZATIONS names no file" in run("doctor", "--organization", "x")[1]
    (deployment / "two.toml").write_text(TWO)
    monkeypatch.setenv("INVOICE_ORGANIZATIONS", "two.toml")

    assert "there is first, second" in run("doctor", "--organization", "x")[1]
