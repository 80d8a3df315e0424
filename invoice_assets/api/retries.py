"""Which failures of a single HTTP exchange are tried again, how often, and how long to wait.

The one policy for API and token requests alike. Built on tenacity (docs/adr/0003).
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TypeVar, cast

import requests
from tenacity import Future, RetryCallState, Retrying, retry_if_exception_type, stop_after_attempt

from invoice_assets.errors import InvoicingError
from invoice_assets.telemetry.metrics import NO_ANSWER

T = TypeVar("T")
RETRIED_STATUSES = frozenset({429, 500, 502, 503, 504})
BROKEN_CONNECTIONS = (
    requests.ConnectionError,
    requests.Timeout,
    requests.exceptions.ChunkedEncodingError,
    requests.exceptions.ContentDecodingError,
)
LONGEST_RETRY_AFTER_S = 60.0
"""A `Retry-After` up to the API's own rate window (a minute) is waited for; a longer one ends the step."""

LONGEST_BELIEVED_S = 365 * 86_400
"""A server that asks for more than a year means "no"."""


class RetriableError(Exception):
    """An exchange that failed in a way that another attempt may mend.

    `outcome` is what the caller gets when no attempt is left; `retry_after_s` is the server's own wish; `reason` is the
    kind of failure, for who counts.
    """

    def __init__(self, outcome: InvoicingError, *, retry_after_s: float | None = None, reason: str = NO_ANSWER) -> None:
        super().__init__(str(outcome))
        self.outcome = outcome
        self.reason = reason
        self.retry_after_s = retry_after_s


@dataclass(frozen=True, kw_only=True)
class RetryPolicy:
    """`max_retries` further attempts after waits of factor x 1, 2, 4 … seconds, or the server's `Retry-After`."""

    max_retries: int = 3
    backoff_factor_s: float = 2.0
    sleep: Callable[[float], None] = time.sleep

    def run(self, exchange: Callable[[], T], *, on_retry: Callable[[str], None] = lambda _: None) -> T:
        """The result of `exchange`, which may fail with `RetriableError` as often as the policy allows.

        `on_retry` is told the reason of each failure that is tried again.

        Raises:
            InvoicingError: The outcome of the last attempt, or of one that asks for a longer wait than is reasonable.
        """
        retrying = Retrying(
            stop=lambda state: stop_after_attempt(self.max_retries + 1)(state) or _asks_for_too_long_a_wait(state),
            wait=self._wait_s,
            retry=retry_if_exception_type(RetriableError),
            sleep=self.sleep,
            before_sleep=lambda state: on_retry(_failure(state).reason),
            reraise=True,
        )
        try:
            return retrying(exchange)
        except RetriableError as error:
            raise error.outcome from error.__cause__

    def _wait_s(self, state: RetryCallState) -> float:
        retry_after_s = _retry_after_s(state)
        return self.backoff_factor_s * 2 ** (state.attempt_number - 1) if retry_after_s is None else retry_after_s


def parse_retry_after(value: str | None, *, now: float) -> float | None:
    """Seconds to wait from a `Retry-After` header, either a number or an HTTP date; None where it says nothing.

    `now` is in epoch seconds.
    """
    if value is None:
        return None
    try:
        if value.strip().isdecimal():
            return min(float(value), LONGEST_BELIEVED_S)
        return max(0.0, parsedate_to_datetime(value).timestamp() - now)
    except ValueError:
        return None


def _failure(state: RetryCallState) -> RetriableError:
    return cast(RetriableError, cast(Future, state.outcome).exception())


def _retry_after_s(state: RetryCallState) -> float | None:
    return _failure(state).retry_after_s


def _asks_for_too_long_a_wait(state: RetryCallState) -> bool:
    return (_retry_after_s(state) or 0.0) > LONGEST_RETRY_AFTER_S
