"""The API of an organisation, examined against the sandbox, which counts every request."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from invoice_assets.catalog import RESOURCES
from invoice_assets.doctor.api import CLOCK, MOST_REQUESTS, ORGANIZATION, QUOTA, TOKEN, examine_api
from invoice_assets.doctor.findings import Finding, State, collect
from invoice_assets.settings import Settings
from invoice_assets_tests.sandbox.limits import Limits
from invoice_assets_tests.sandbox.server import DEFAULT_SCOPES, Sandbox

Look = Callable[..., dict[str, Finding]]


@pytest.fixture
def look(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Look:
    """A function that examines a sandbox, under a shared state of the test's own: the findings by their names."""

    def look_at(sandbox: Sandbox, **changes: str) -> dict[str, Finding]:
        state = {"INVOICE_SHARED_STATE": str(tmp_path), "INVOICE_API_BACKOFF_FACTOR": "0"}
        for name, value in (sandbox.environment() | state | changes).items():
            monkeypatch.setenv(name, value)
        sandbox.ledger.clear()
        found = collect(TOKEN, lambda: examine_api(Settings.from_env(), RESOURCES))
        return {finding.name: finding for finding in found}

    return look_at


def failing(findings: dict[str, Finding]) -> set[str]:
    """The names of what fails."""
    return {name for name, finding in findings.items() if finding.state is State.FAILING}


def test_a_whole_chain_costs_eleven_requests_and_ten_while_its_token_lives(look: Look, sandbox: Sandbox) -> None:
    first = look(sandbox)
    assert {finding.state for finding in first.values()} == {State.FINE}
    assert len(sandbox.ledger.entries) == MOST_REQUESTS == 11

    second = look(sandbox)

    assert "is alive" in second[TOKEN].what
    assert len(sandbox.ledger.entries) == 10
    assert {entry.query.get("per_page") for entry in sandbox.ledger.requests("invoices")} == {"1"}


def test_a_shared_token_that_died_is_replaced_within_eleven_requests(look: Look, sandbox: Sandbox) -> None:
    look(sandbox)
    sandbox.revoke_access_tokens()

    found = look(sandbox)

    assert len(sandbox.ledger.entries) == MOST_REQUESTS
    assert "has been replaced" in found[TOKEN].what
    assert found[ORGANIZATION].state is State.NOT_EXAMINED
    assert {found[f"resource {name}"].state for name in RESOURCES} == {State.FINE}


@pytest.mark.parametrize("missing", DEFAULT_SCOPES[1:], ids=lambda scope: scope.split(".")[1])
def test_a_missing_scope_is_told_of_the_resources_that_need_it(look: Look, missing: str) -> None:
    scopes = tuple(scope for scope in DEFAULT_SCOPES if scope != missing)
    with Sandbox(rows=0, scopes=scopes) as narrow:
        found = look(narrow)

        assert len(narrow.ledger.entries) == MOST_REQUESTS
    assert failing(found) == {f"resource {name}" for name, spec in RESOURCES.items() if missing in spec.scopes}
    assert all("invoice-assets authorize" in found[name].what_to_do for name in failing(found))


def test_a_scope_that_even_the_organisations_need_ends_the_examination(look: Look) -> None:
    with Sandbox(rows=0, scopes=DEFAULT_SCOPES[1:2]) as narrow:
        found = look(narrow)

        assert len(narrow.ledger.entries) == 2
    assert failing(found) == {ORGANIZATION}
    assert "invoice-assets authorize" in found[ORGANIZATION].what_to_do
    assert found["resources"].state is State.NOT_EXAMINED


def test_a_path_that_is_none_of_the_api_is_told_of_the_organisation_and_not_of_the_token(
    look: Look, sandbox: Sandbox
) -> None:
    found = look(sandbox, INVOICE_API_BASE_URL=f"{sandbox.base_url}/books/v3/")

    assert failing(found) == {ORGANIZATION}
    assert found[TOKEN].state is State.FINE
    assert "404" in found[ORGANIZATION].what


@pytest.mark.parametrize(
    "fault",
    ["internal_error_1000", "too_many_requests_44", "connection_dropped", "dead_token_57", "html_instead_of_json"],
)
def test_whatever_the_api_answers_it_is_asked_eleven_times_at_most(look: Look, sandbox: Sandbox, fault: str) -> None:
    for name in RESOURCES:
        sandbox.script(fault, resource=name)

    found = look(sandbox)

    assert "resource items" in failing(found)
    assert len(sandbox.ledger.entries) <= MOST_REQUESTS


def test_an_api_that_refuses_for_an_hour_is_asked_nothing_more(look: Look, sandbox: Sandbox) -> None:
    sandbox.script("blocked_43", resource="contacts")

    found = look(sandbox)

    assert failing(found) == {"resource contacts"}
    assert "Run again after" in found["resource contacts"].what_to_do
    assert found["resource invoices"].state is State.NOT_EXAMINED
    assert not sandbox.ledger.requests("invoices")


def test_an_organisation_of_somebody_else_is_told_with_those_of_the_login(look: Look, sandbox: Sandbox) -> None:
    found = look(sandbox, INVOICE_API_ORGANIZATION_ID="1")

    assert failing(found) == {ORGANIZATION}
    assert f"{sandbox.organization_id} (Sandbox Company 1)" in found[ORGANIZATION].what
    assert len(sandbox.ledger.entries) == 2


def test_no_organisation_is_a_warning_where_the_login_has_one_and_fails_where_it_has_two(
    look: Look, sandbox: Sandbox
) -> None:
    assert look(sandbox, INVOICE_API_ORGANIZATION_ID="")[ORGANIZATION].state is State.WARNING
    with Sandbox(rows=0, other_organization_ids=("12",)) as two:
        assert look(two, INVOICE_API_ORGANIZATION_ID="")[ORGANIZATION].state is State.FAILING


@pytest.mark.parametrize(("seconds", "state"), [(0, State.FINE), (60, State.WARNING), (600, State.FAILING)], ids=str)
def test_a_clock_that_is_behind_is_told(look: Look, sandbox: Sandbox, seconds: int, state: State) -> None:
    sandbox.clock.advance(seconds)

    clock = look(sandbox)[CLOCK]

    assert clock.state is state
    assert seconds == 0 or "behind the API" in clock.what


@pytest.mark.parametrize(
    ("left", "reserve", "state"),
    [(5_000, 0, State.FINE), (60, 0, State.WARNING), (5_000, 4_950, State.WARNING), (60, 55, State.FAILING)],
    ids=str,
)
def test_a_day_s_quota_that_comes_to_its_end_is_told(look: Look, left: int, reserve: int, state: State) -> None:
    with Sandbox(rows=0, limits=replace(Limits.none(), requests_per_day=left)) as limited:
        assert look(limited, INVOICE_API_DAILY_RESERVE=str(reserve))[QUOTA].state is state


def test_a_refused_grant_says_what_to_check(look: Look, sandbox: Sandbox) -> None:
    sandbox.revoke_refresh_token()

    found = look(sandbox)

    assert failing(found) == {TOKEN}
    assert "invalid_code" in found[TOKEN].what
    assert "`invoice-assets authorize` obtains a new grant" in found[TOKEN].what_to_do


@pytest.fixture
def closed() -> str:
    """An address at which nobody listens any more."""
    with Sandbox(rows=0) as gone:
        return gone.api_base_url


def test_a_host_that_is_not_there_is_told_and_nothing_is_sent(look: Look, sandbox: Sandbox, closed: str) -> None:
    found = look(sandbox, INVOICE_API_BASE_URL=closed)

    assert failing(found) == {"API"}
    assert "takes no connection" in found["API"].what
    assert "INVOICE_API_BASE_URL" in found["API"].what_to_do
    assert found["accounts server"].state is State.FINE
    assert sandbox.ledger.entries == []
