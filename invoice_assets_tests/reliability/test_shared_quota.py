"""One quota for all processes of a deployment: a minute's, a day's, and what is in flight, as the sandbox meets it.

One process's pacing is tested in `api/test_pacing.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol

import pytest
from pyrate_limiter import RateItem

from invoice_assets.api.errors import QuotaExceededError
from invoice_assets.api.pacing import RequestPacer
from invoice_assets.api.shared_state import SharedState, open_shared_state
from invoice_assets_tests.conftest import OpenSession
from invoice_assets_tests.project import Project
from invoice_assets_tests.reliability.api_user import DONE, start_api_users, wait_until
from invoice_assets_tests.runs import failures_of
from invoice_assets_tests.sandbox.limits import Limits
from invoice_assets_tests.sandbox.server import Sandbox

QUOTA = "http://127.0.0.1/an organisation"


@pytest.fixture(params=["folder", "postgresql"])
def location(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where processes meet, of either kind."""
    if request.param == "folder":
        return str(tmp_path / "state")
    return str(request.getfixturevalue("postgres").create_database())


@pytest.fixture
def state(location: str) -> Iterator[SharedState]:
    with closing(open_shared_state(location)) as opened:
        yield opened


class OpenPacer(Protocol):
    def __call__(self, *, requests_per_minute: int = 0, daily_reserve: int = 0, quota: str = QUOTA) -> RequestPacer: ...


@pytest.fixture
def open_pacer(state: SharedState) -> Iterator[OpenPacer]:
    """A function that opens a pacer over the shared state, closed after the test: a PostgreSQL bucket has threads."""
    with ExitStack() as opened:

        def open_one(*, requests_per_minute: int = 0, daily_reserve: int = 0, quota: str = QUOTA) -> RequestPacer:
            pacer = RequestPacer(
                requests_per_minute=requests_per_minute, daily_reserve=daily_reserve, state=state, quota=quota
            )
            return opened.enter_context(closing(pacer))

        yield open_one


def _would_wait(pacer: RequestPacer) -> bool:
    limiter = pacer._limiter
    assert limiter is not None
    return not limiter.try_acquire("request", blocking=False)


def test_requests_of_all_processes_count_towards_one_minute(
    sandbox: Sandbox, location: str, open_pacer: OpenPacer
) -> None:
    environment = sandbox.environment() | {
        "INVOICE_SHARED_STATE": location,
        "INVOICE_API_REQUESTS_PER_MINUTE": "7",
        "INVOICE_API_REQUESTS_IN_FLIGHT": "5",
    }
    quota = f"{sandbox.base_url}/{sandbox.organization_id}"
    with start_api_users(2, environment) as users:
        for user in users:
            user.begin(3)
        assert [user.finish() for user in users] == [DONE, DONE]
    pacer = open_pacer(requests_per_minute=7, quota=quota)

    assert not _would_wait(pacer)
    assert _would_wait(pacer)


def test_another_organisation_has_a_quota_of_its_own(open_pacer: OpenPacer) -> None:
    first, other = (open_pacer(requests_per_minute=1, quota=quota) for quota in ("first", "other"))
    first.wait()

    assert _would_wait(first)
    assert not _would_wait(other)


def test_no_more_requests_are_in_flight_than_all_processes_may_have(location: str) -> None:
    limits = replace(Limits.none(), requests_in_flight=2)
    with Sandbox(rows=3, limits=limits, latency_s=0.02) as sandbox:
        environment = sandbox.environment() | {"INVOICE_SHARED_STATE": location, "INVOICE_API_REQUESTS_IN_FLIGHT": "2"}
        with start_api_users(4, environment) as users:
            for user in users:
                user.begin(4)
            assert [user.finish() for user in users] == [DONE] * 4

        assert [entry.status for entry in sandbox.ledger.requests("items")] == [200] * 16


def test_a_process_that_is_killed_gives_back_its_place_in_flight(sandbox: Sandbox, location: str) -> None:
    sandbox.script("hang", times=1)
    environment = sandbox.environment() | {"INVOICE_SHARED_STATE": location, "INVOICE_API_REQUESTS_IN_FLIGHT": "1"}
    with start_api_users(2, environment) as (hanging, next_one):
        hanging.begin(1)
        wait_until(lambda: sandbox.ledger.requests("items"))
        next_one.begin(1)
        hanging.kill()

        assert next_one.finish() == DONE


def test_a_block_that_one_process_met_keeps_the_others_from_asking(
    sandbox: Sandbox, open_pacer: OpenPacer, open_session: OpenSession
) -> None:
    sandbox.script("blocked_43", times=1)
    first, second = open_pacer(), open_pacer()
    with pytest.raises(QuotaExceededError):
        open_session(pacer=first).get(sandbox.url("items"))

    with pytest.raises(QuotaExceededError, match=r"code 43.*Run again after") as refused:
        open_session(pacer=second).get(sandbox.url("users"))

    assert refused.value.resume_at is not None
    assert not sandbox.ledger.requests("users")


def test_a_block_that_is_over_holds_up_nobody(
    sandbox: Sandbox, open_pacer: OpenPacer, open_session: OpenSession
) -> None:
    ended = QuotaExceededError("over", resume_at=datetime.now(UTC) - timedelta(seconds=1))
    open_pacer().note_block(ended)

    assert open_session(pacer=open_pacer()).get(sandbox.url("items")).status_code == 200


def test_permits_of_a_clock_that_went_back_are_forgotten(
    open_pacer: OpenPacer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("invoice_assets.api.pacing.LONGEST_TURN_S", 0.05)
    pacer = open_pacer(requests_per_minute=1)
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    assert pacer._bucket is not None
    pacer._bucket.put(RateItem("request", int(tomorrow.timestamp() * 1000)))

    pacer.wait()

    assert _would_wait(pacer)


def test_what_is_left_of_the_day_stays_with_the_other_applications(
    open_pacer: OpenPacer, open_session: OpenSession
) -> None:
    limits = replace(Limits.none(), requests_per_day=10, daily_quota_is_enforced=True)
    with Sandbox(rows=3, limits=limits) as sandbox:
        pacers = [open_pacer(daily_reserve=6) for _ in range(2)]
        session = open_session(to=sandbox, pacer=pacers[0])
        for _ in range(4):
            session.get(sandbox.url("items"))

        for pacer in pacers:
            with pytest.raises(QuotaExceededError, match="has 6 requests left today, and 6 are reserved") as refused:
                open_session(to=sandbox, pacer=pacer).get(sandbox.url("items"))

        assert len(sandbox.ledger.requests("items")) == 4
        midnight = sandbox.clock.now() + 86_400
        assert refused.value.resume_at is not None
        assert refused.value.resume_at.timestamp() <= midnight


def test_a_run_that_reaches_the_reserve_keeps_what_it_has_loaded_and_says_when_to_resume(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits = replace(Limits.none(), requests_per_day=10, daily_quota_is_enforced=True)
    with Sandbox(rows=3, limits=limits) as sandbox:
        project = Project(sandbox, tmp_path, monkeypatch)
        monkeypatch.setenv("INVOICE_API_DAILY_RESERVE", "8")
        monkeypatch.setenv(
            "INVOICE_API_CONCURRENT_READS", "1"
        )  # else the last list is asked for before the reserve is met

        failures = failures_of(project.materialize("items", "taxes", "users"))

        assert len(failures) == 1
        assert "Run again after" in next(iter(failures.values()))
        assert len(sandbox.ledger.requests()) == 2
