"""The organisation's limits: requests a minute, a day and in flight, and the block of an hour.

Access tokens are limited as well, but by the accounts server: see `accounts.py`, which reads its two figures from here.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import ceil
from zoneinfo import ZoneInfo

from invoice_assets_tests.sandbox.clock import SandboxClock, seconds_to_midnight
from invoice_assets_tests.sandbox.errors import (
    BLOCKED,
    DAILY_QUOTA_USED_UP,
    TOO_MANY_IN_FLIGHT,
    TOO_MANY_REQUESTS,
    RefusedRequestError,
)

MINUTE = 60.0
BLOCK_SECONDS = 3600


@dataclass(frozen=True, kw_only=True)
class Limits:
    """The figures of one plan; None means unlimited.

    `requests_per_day` stands in the X-Rate-Limit-* headers even where `daily_quota_is_enforced` is off: the remaining
    number then goes below zero while calls still succeed.
    """

    requests_per_minute: int | None
    requests_before_block: int | None
    requests_in_flight: int | None
    requests_per_day: int
    daily_quota_is_enforced: bool
    tokens_per_ten_minutes: int | None
    live_access_tokens: int | None

    @classmethod
    def none(cls) -> Limits:
        """Return limits that never refuse anything."""
        return cls(
            requests_per_minute=None,
            requests_before_block=None,
            requests_in_flight=None,
            requests_per_day=10_000,
            daily_quota_is_enforced=False,
            tokens_per_ten_minutes=None,
            live_access_tokens=None,
        )

    @classmethod
    def published(cls) -> Limits:
        """Return the limits of the top plan, as published (docs/api.md, *Tokens* and *Quotas and pacing*)."""
        return cls(
            requests_per_minute=100,
            requests_before_block=1_100,
            requests_in_flight=10,
            requests_per_day=10_000,
            daily_quota_is_enforced=True,
            tokens_per_ten_minutes=10,
            live_access_tokens=30,
        )


class RequestMeter:
    """Counts one organisation's requests and refuses those beyond its limits."""

    def __init__(self, limits: Limits, *, clock: SandboxClock, zone: ZoneInfo) -> None:
        """Start with an unused quota."""
        self._limits = limits
        self._clock = clock
        self._zone = zone
        self._lock = threading.Lock()
        self._attempts: deque[float] = deque()
        self._blocked_until = 0.0
        self._quota_ends_at = 0.0
        self._used_today = 0
        self._in_flight = 0

    @contextmanager
    def in_flight(self) -> Iterator[None]:
        """Count a request as being in flight for as long as the block runs."""
        with self._lock:
            self._in_flight += 1
        try:
            yield
        finally:
            with self._lock:
                self._in_flight -= 1

    def admit(self) -> None:
        """Count the request that has just come in; call it inside `in_flight`.

        Raises:
            RefusedRequestError: HTTP 429 with code 43, 44, 45 or 1070.
        """
        with self._lock:
            now = self._clock.now()
            self._count_attempt(now)
            self._refuse_while_blocked(now)
            limits = self._limits
            if limits.requests_in_flight is not None and self._in_flight > limits.requests_in_flight:
                raise RefusedRequestError(TOO_MANY_IN_FLIGHT)
            if limits.requests_per_minute is not None and len(self._attempts) > limits.requests_per_minute:
                raise RefusedRequestError(TOO_MANY_REQUESTS)
            self._start_day(now)
            if limits.daily_quota_is_enforced and self._used_today >= limits.requests_per_day:
                raise RefusedRequestError(DAILY_QUOTA_USED_UP)
            self._used_today += 1

    def headers(self) -> dict[str, str]:
        """Return the X-Rate-Limit-* headers of an answer that belongs to the organisation."""
        with self._lock:
            now = self._clock.now()
            self._start_day(now)
            return {
                "X-Rate-Limit-Limit": str(self._limits.requests_per_day),
                "X-Rate-Limit-Remaining": str(self._limits.requests_per_day - self._used_today),
                "X-Rate-Limit-Reset": str(seconds_to_midnight(now, self._zone)),
            }

    def _count_attempt(self, now: float) -> None:
        # Refused requests count towards the minute: hammering on after a 44 is what leads to the block (chosen).
        while self._attempts and self._attempts[0] <= now - MINUTE:
            self._attempts.popleft()
        if self._limits.requests_per_minute is not None or self._limits.requests_before_block is not None:
            self._attempts.append(now)

    def _refuse_while_blocked(self, now: float) -> None:
        threshold = self._limits.requests_before_block
        if now >= self._blocked_until and threshold is not None and len(self._attempts) > threshold:
            self._blocked_until = now + BLOCK_SECONDS
        if now < self._blocked_until:
            raise RefusedRequestError(BLOCKED, {"Retry-After": str(ceil(self._blocked_until - now))})

    def _start_day(self, now: float) -> None:
        if now >= self._quota_ends_at:
            self._quota_ends_at = now + seconds_to_midnight(now, self._zone)
            self._used_today = 0
