"""`api/pacing.py`: how many requests are let through, looked up in the limiter's bucket instead of waited for."""

from __future__ import annotations

import pytest
from pyrate_limiter import InMemoryBucket, Limiter, RateItem

from invoice_assets.api.pacing import RequestPacer
from invoice_assets_tests.conftest import OpenSession
from invoice_assets_tests.sandbox.server import Sandbox

MINUTE_MS = 60_000


def _limiter(pacer: RequestPacer) -> Limiter:
    limiter = pacer._limiter
    assert limiter is not None
    return limiter


def _bucket(pacer: RequestPacer) -> InMemoryBucket:
    bucket = _limiter(pacer).bucket_factory.get(RateItem("request", 0))
    assert isinstance(bucket, InMemoryBucket)
    return bucket


def _would_wait(pacer: RequestPacer) -> bool:
    return not _limiter(pacer).try_acquire("request", blocking=False)


def test_zero_means_unpaced() -> None:
    pacer = RequestPacer(requests_per_minute=0)

    for _ in range(10_000):
        pacer.wait()

    assert pacer._limiter is None


@pytest.mark.parametrize(
    "requests_per_minute", [pytest.param(1, id="one"), pytest.param(100, id="the-published-quota")]
)
def test_the_request_after_the_quota_waits(requests_per_minute: int) -> None:
    pacer = RequestPacer(requests_per_minute=requests_per_minute)

    for _ in range(requests_per_minute):
        pacer.wait()

    assert _bucket(pacer).count() == requests_per_minute
    assert _would_wait(pacer)


def test_the_last_request_of_the_quota_does_not_wait() -> None:
    pacer = RequestPacer(requests_per_minute=3)
    pacer.wait()
    pacer.wait()

    assert not _would_wait(pacer)


@pytest.mark.parametrize(
    ("age_ms", "waits"),
    [
        pytest.param(MINUTE_MS - 10_000, True, id="fifty-seconds-ago"),
        pytest.param(MINUTE_MS + 1_000, False, id="sixty-one-seconds-ago"),
    ],
)
def test_a_request_counts_for_a_minute(age_ms: int, waits: bool) -> None:
    pacer = RequestPacer(requests_per_minute=2)
    pacer.wait()
    pacer.wait()
    for request in _bucket(pacer).items:
        request.timestamp -= age_ms

    assert _would_wait(pacer) is waits


def test_a_wait_for_the_quota_is_told_once_in_a_while(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "invoice_assets")
    pacer = RequestPacer(requests_per_minute=1)
    for _ in range(3):
        pacer.wait()
        for request in _bucket(pacer).items:
            request.timestamp -= MINUTE_MS - 300

    assert caplog.messages == ["waiting for the quota of 1 requests a minute, which all runs of this deployment share"]


def test_a_retry_is_paced_like_any_request(sandbox: Sandbox, open_session: OpenSession) -> None:
    """The organisation's quota counts attempts, so the pacer must as well."""
    pacer = RequestPacer(requests_per_minute=100)
    sandbox.script("unavailable_503", times=2)

    open_session(pacer=pacer).get(sandbox.url("items"))

    assert _bucket(pacer).count() == 3


def test_the_request_after_a_renewed_token_is_paced_too(sandbox: Sandbox, open_session: OpenSession) -> None:
    pacer = RequestPacer(requests_per_minute=100)
    session = open_session(pacer=pacer)
    session.get(sandbox.url("items"))
    sandbox.revoke_access_tokens()

    session.get(sandbox.url("items"))

    assert _bucket(pacer).count() == 3


def test_sessions_that_share_a_pacer_share_the_quota(sandbox: Sandbox, open_session: OpenSession) -> None:
    pacer = RequestPacer(requests_per_minute=2)

    open_session(pacer=pacer).get(sandbox.url("items"))
    open_session(pacer=pacer).get(sandbox.url("users"))

    assert _would_wait(pacer)
