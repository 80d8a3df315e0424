"""The organisation's limits, under a clock that the tests move (docs/api.md, "Errors")."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import datetime
from email.utils import parsedate_to_datetime
from zoneinfo import ZoneInfo

import requests

from invoice_assets_tests.sandbox.clock import SandboxClock
from invoice_assets_tests.sandbox.limits import Limits
from invoice_assets_tests.sandbox_behaviour.client import Client
from invoice_assets_tests.sandbox_behaviour.conftest import OpenSandbox

NEW_YORK = ZoneInfo("America/New_York")


def _open(open_sandbox: OpenSandbox, limits: Limits, *, start: datetime | None = None) -> Client:
    clock = SandboxClock(start or datetime(2026, 7, 1, 12, tzinfo=NEW_YORK), is_frozen=True)
    return open_sandbox(0, limits=limits, clock=clock)


def _codes(client: Client, count: int) -> list[int]:
    return [client.get("items").json()["code"] for _ in range(count)]


def test_the_hundred_and_first_request_within_a_minute_is_44(open_sandbox: OpenSandbox) -> None:
    client = _open(open_sandbox, Limits.published())

    assert _codes(client, 101) == [0] * 100 + [44]
    assert client.get("items").status_code == 429


def test_44_brings_no_retry_after(open_sandbox: OpenSandbox) -> None:
    client = _open(open_sandbox, replace(Limits.published(), requests_per_minute=1))
    _codes(client, 1)

    assert "Retry-After" not in client.get("items").headers


def test_a_minute_later_requests_are_welcome_again(open_sandbox: OpenSandbox) -> None:
    client = _open(open_sandbox, replace(Limits.published(), requests_per_minute=2))
    assert _codes(client, 3) == [0, 0, 44]
    client.sandbox.clock.advance(61)

    assert _codes(client, 1) == [0]


def test_a_burst_blocks_every_call_for_an_hour(open_sandbox: OpenSandbox) -> None:
    client = _open(open_sandbox, replace(Limits.none(), requests_before_block=5))
    assert _codes(client, 5) == [0] * 5

    blocked = client.get("items")
    client.sandbox.clock.advance(3500)
    still_blocked = client.get("invoices")
    client.sandbox.clock.advance(101)
    client.forget_token()

    assert (blocked.status_code, blocked.json()["code"], blocked.headers["Retry-After"]) == (429, 43, "3600")
    assert (still_blocked.json()["code"], still_blocked.headers["Retry-After"]) == (43, "100")
    assert _codes(client, 1) == [0]


def test_the_daily_quota_is_refused_with_45_until_midnight(open_sandbox: OpenSandbox) -> None:
    limits = replace(Limits.none(), requests_per_day=2, daily_quota_is_enforced=True)
    client = _open(open_sandbox, limits, start=datetime(2026, 7, 1, 23, 30, tzinfo=NEW_YORK))

    assert _codes(client, 3) == [0, 0, 45]
    assert client.get("items").headers["X-Rate-Limit-Reset"] == "1800"
    client.sandbox.clock.advance(1801)

    assert _codes(client, 1) == [0]


def test_remaining_goes_below_zero_where_the_quota_is_not_enforced(open_sandbox: OpenSandbox) -> None:
    client = _open(open_sandbox, replace(Limits.none(), requests_per_day=2))

    remaining = [client.get("items").headers["X-Rate-Limit-Remaining"] for _ in range(4)]

    assert remaining == ["1", "0", "-1", "-2"]


def test_the_day_is_25_hours_long_when_summer_time_ends(open_sandbox: OpenSandbox) -> None:
    start = datetime(2026, 11, 1, 0, 0, tzinfo=NEW_YORK)

    assert _open(open_sandbox, Limits.none(), start=start).get("items").headers["X-Rate-Limit-Reset"] == "90000"


def test_too_many_requests_in_flight_are_1070(open_sandbox: OpenSandbox) -> None:
    client = _open(open_sandbox, replace(Limits.none(), requests_in_flight=1))
    client.sandbox.script("hang", resource="users", seconds=30)
    headers = {"Authorization": f"Bearer {client.token}"}

    def wait_for_nothing() -> None:
        try:
            requests.get(client.sandbox.url("users"), headers=headers, timeout=30)
        except requests.ConnectionError:
            return

    waiting = threading.Thread(target=wait_for_nothing, daemon=True)
    waiting.start()
    deadline = threading.Event()
    while not client.sandbox.ledger.requests("users"):
        deadline.wait(0.005)

    assert client.get("items").json()["code"] == 1070


def test_each_organisation_has_limits_of_its_own(open_sandbox: OpenSandbox) -> None:
    limits = replace(Limits.none(), requests_per_minute=1)
    client = open_sandbox(0, limits=limits, other_organization_ids=("4815000000000000013",))
    assert _codes(client, 2) == [0, 44]

    other = client.get("items", headers={"X-com-zoho-invoice-organizationid": "4815000000000000013"})

    assert other.json()["code"] == 0


def test_no_limits_refuse_nothing(open_sandbox: OpenSandbox) -> None:
    assert set(_codes(_open(open_sandbox, Limits.none()), 150)) == {0}


def test_an_answer_is_dated_by_the_sandbox_s_clock(open_sandbox: OpenSandbox) -> None:
    client = open_sandbox(0)
    before = parsedate_to_datetime(client.get("items").headers["Date"])
    client.sandbox.clock.advance(3600)

    after = parsedate_to_datetime(client.get("items").headers["Date"])

    assert 3600 <= (after - before).total_seconds() < 3700
