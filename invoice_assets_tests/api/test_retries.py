"""`api/retries.py`: what is tried again, how often, and after which waits.

Which answers of the API are failures to try again is tested in `test_session.py`.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from invoice_assets.api.retries import RetriableError, RetryPolicy, parse_retry_after
from invoice_assets.errors import PermanentError, TransientError

WEDNESDAY_0728_UTC = 1_445_412_480.0
"""2015-10-21 07:28:00 UTC in epoch seconds."""


class Exchange:
    """An exchange that fails with the given errors, one after the other, then succeeds; it counts its attempts."""

    def __init__(self, *failures: Exception) -> None:
        """Fail with these first."""
        self.attempts = 0
        self._failures = list(failures)

    def __call__(self) -> str:
        """Make one attempt."""
        self.attempts += 1
        if self._failures:
            raise self._failures.pop(0)
        return "the answer"


def _failure(message: str = "no luck", *, retry_after_s: float | None = None) -> RetriableError:
    return RetriableError(TransientError(message), retry_after_s=retry_after_s)


def test_a_success_is_returned_without_a_wait(policy: RetryPolicy, waits: list[float]) -> None:
    exchange = Exchange()

    assert policy.run(exchange) == "the answer"
    assert (exchange.attempts, waits) == (1, [])


def test_the_waits_are_two_four_and_eight_seconds(policy: RetryPolicy, waits: list[float]) -> None:
    assert policy.run(Exchange(_failure(), _failure(), _failure())) == "the answer"
    assert waits == [2.0, 4.0, 8.0]


def test_after_three_retries_the_outcome_of_the_last_attempt_is_raised(policy: RetryPolicy, waits: list[float]) -> None:
    exchange = Exchange(_failure("first"), _failure("second"), _failure("third"), _failure("fourth"))

    with pytest.raises(TransientError, match=r"^fourth$"):
        policy.run(exchange)

    assert (exchange.attempts, waits) == (4, [2.0, 4.0, 8.0])


def test_no_retries_means_one_attempt(waits: list[float]) -> None:
    exchange = Exchange(_failure())

    with pytest.raises(TransientError, match=r"^no luck$"):
        RetryPolicy(max_retries=0, sleep=waits.append).run(exchange)

    assert (exchange.attempts, waits) == (1, [])


def test_the_backoff_factor_is_the_first_wait(waits: list[float]) -> None:
    RetryPolicy(backoff_factor_s=0.5, sleep=waits.append).run(Exchange(_failure(), _failure(), _failure()))

    assert waits == [0.5, 1.0, 2.0]


def test_the_reason_of_each_failure_that_is_tried_again_is_told_and_of_no_other(policy: RetryPolicy) -> None:
    reasons: list[str] = []
    failures = [RetriableError(TransientError("no luck"), reason=reason) for reason in ("429", "503", "502", "500")]

    with pytest.raises(TransientError):
        policy.run(Exchange(*failures), on_retry=reasons.append)

    assert reasons == ["429", "503", "502"]


@pytest.mark.parametrize(
    "error", [pytest.param(PermanentError("refused"), id="permanent"), pytest.param(KeyError("bug"), id="unknown")]
)
def test_any_other_error_is_raised_at_once(policy: RetryPolicy, waits: list[float], error: Exception) -> None:
    exchange = Exchange(error)

    with pytest.raises(type(error)):
        policy.run(exchange)

    assert (exchange.attempts, waits) == (1, [])


def test_the_cause_of_the_last_failure_is_kept(policy: RetryPolicy) -> None:
    cause = ConnectionResetError("peer")

    def exchange() -> str:
        raise _failure() from cause

    with pytest.raises(TransientError) as raised:
        policy.run(exchange)

    assert raised.value.__cause__ is cause


@pytest.mark.parametrize(
    "retry_after_s",
    [pytest.param(0.0, id="now"), pytest.param(7.0, id="seven-seconds"), pytest.param(60.0, id="a-minute")],
)
def test_retry_after_replaces_the_backoff(policy: RetryPolicy, waits: list[float], retry_after_s: float) -> None:
    assert policy.run(Exchange(_failure(retry_after_s=retry_after_s))) == "the answer"
    assert waits == [retry_after_s]


def test_the_backoff_goes_on_growing_around_a_retry_after(policy: RetryPolicy, waits: list[float]) -> None:
    policy.run(Exchange(_failure(), _failure(retry_after_s=1.0), _failure()))

    assert waits == [2.0, 1.0, 8.0]


def test_a_retry_after_of_more_than_a_minute_ends_at_once(policy: RetryPolicy, waits: list[float]) -> None:
    exchange = Exchange(_failure("blocked for an hour", retry_after_s=61.0))

    with pytest.raises(TransientError, match=r"^blocked for an hour$"):
        policy.run(exchange)

    assert (exchange.attempts, waits) == (1, [])


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        pytest.param(None, None, id="absent"),
        pytest.param("120", 120.0, id="seconds"),
        pytest.param(" 5 ", 5.0, id="padded-seconds"),
        pytest.param("0", 0.0, id="zero"),
        pytest.param("Wed, 21 Oct 2015 07:28:30 GMT", 30.0, id="date"),
        pytest.param("Wed, 21 Oct 2015 07:27:00 GMT", 0.0, id="date-in-the-past"),
        pytest.param("soon", None, id="a-word"),
        pytest.param("", None, id="empty"),
        pytest.param("-5", None, id="negative"),
        pytest.param("\u00b2", None, id="superscript-two"),
    ],
)
def test_retry_after_is_read_as_seconds_or_as_a_date(value: str | None, seconds: float | None) -> None:
    assert parse_retry_after(value, now=WEDNESDAY_0728_UTC) == seconds


def test_the_default_policy_sleeps_for_real() -> None:
    """A recorder left in as the default would hammer the API."""
    sleep: Callable[[float], None] = RetryPolicy().sleep

    assert (sleep.__module__, sleep.__name__) == ("time", "sleep")
