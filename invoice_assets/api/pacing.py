"""The organisation's quota, kept by all processes of a deployment together: a minute's, a day's, and in flight.

The buckets are pyrate-limiter's (docs/adr/0003); where they stand, in `shared_state.py`. What the API says of its
limits: docs/api.md, *Quotas and pacing*.
"""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from hashlib import sha256
from typing import cast

from pyrate_limiter import AbstractBucket, Duration, InMemoryBucket, Limiter, Rate, RateItem
from pyrate_limiter.limiter import SingleBucketFactory
from sqlalchemy import Column, Float, MetaData, String, Table, Text

from invoice_assets.api.errors import QuotaExceededError
from invoice_assets.api.shared_state import SharedState

LONGEST_TURN_S = 90.0
"""Seconds of waiting after which the bucket is looked into: a turn in a minute's quota comes within one."""

BLOCK_READ_EVERY_S = 5.0
"""How long a block that another process has met may stay unnoticed."""

SAY_EVERY_S = 60.0
"""Seconds between two lines of the log about waiting."""

UNREMARKABLE_S = 0.25
"""A wait until another process has taken its permit is no want of permits: a PostgreSQL bucket serves one at a time."""

_log = logging.getLogger(__name__)


class RequestPacer:
    """Holds requests back until it is their turn, for all threads, and for all processes where they share a state.

    `requests_per_minute` in any minute and `requests_in_flight` at a time; 0 lets all pass. `daily_reserve` requests of
    a day are left to the organisation's other applications. `quota` names whose all of these are. Where the API has
    said until when it refuses everything, nothing is sent until then.
    """

    def __init__(
        self,
        *,
        requests_per_minute: int,
        requests_in_flight: int = 0,
        daily_reserve: int = 0,
        state: SharedState | None = None,
        quota: str = "",
    ) -> None:
        self._requests_per_minute = requests_per_minute
        self._requests_in_flight = requests_in_flight
        self._daily_reserve = daily_reserve
        self._state = state
        self._quota = sha256(quota.encode()).hexdigest()[:16]
        self._blocks = _SharedBlocks(state, self._quota) if state else _Blocks()
        self._bucket: AbstractBucket | None = None
        self._limiter: Limiter | None = None
        self._said_at = float("-inf")
        if requests_per_minute > 0:
            self._bucket = self._open_bucket(Rate(requests_per_minute, Duration.MINUTE))
            self._limiter = Limiter(SingleBucketFactory(self._bucket, schedule_leak=False))

    @contextmanager
    def turn(self) -> Iterator[None]:
        """A context in which one request may be sent and answered, entered when it is its turn.

        Raises:
            QuotaExceededError: The API has refused everything until a time that has not come yet, or what is left of
                the day is reserved.
        """
        if self._state and self._requests_in_flight:
            with self._state.slot(f"in-flight-{self._quota}", self._requests_in_flight):
                self.wait()
                yield
        else:
            self.wait()
            yield

    def wait(self) -> None:
        """Return as soon as one more request is within the quota of a minute.

        Raises:
            QuotaExceededError: As `turn`.
        """
        self._refuse_while_blocked()
        if self._limiter is None or self._bucket is None:
            return
        if self._limiter.try_acquire("request", timeout=UNREMARKABLE_S):
            return
        self._say_that_all_permits_are_taken()
        while not self._limiter.try_acquire("request", timeout=LONGEST_TURN_S):
            _forget_permits_of_the_future(self._bucket)
        self._refuse_while_blocked()

    def close(self) -> None:
        """Let go of the bucket that is shared."""
        if self._bucket is not None:
            self._bucket.close()

    def note_block(self, block: QuotaExceededError) -> None:
        """Remember that the API refuses every request until the error's `resume_at`."""
        self._blocks.save(block)

    def note_quota(self, *, remaining: int, resets_at: datetime | None) -> None:
        """Take in what the API says is left of the day, and until when; at the reserve, nothing more is sent."""
        if self._daily_reserve and remaining <= self._daily_reserve and resets_at:
            self.note_block(
                QuotaExceededError(
                    f"The organisation has {remaining} requests left today, and {self._daily_reserve} are reserved for "
                    "its other applications (INVOICE_API_DAILY_RESERVE). Run again after "
                    f"{resets_at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC.",
                    resume_at=resets_at,
                )
            )

    def _say_that_all_permits_are_taken(self) -> None:
        """Once in a while: in a paced read every request waits."""
        if time.monotonic() - self._said_at >= SAY_EVERY_S:
            self._said_at = time.monotonic()
            _log.info(
                "waiting for the quota of %d requests a minute, which all runs of this deployment share",
                self._requests_per_minute,
            )

    def _refuse_while_blocked(self) -> None:
        block = self._blocks.read()
        if block and block.resume_at and datetime.now(UTC) < block.resume_at:
            raise QuotaExceededError(str(block), resume_at=block.resume_at)

    def _open_bucket(self, rate: Rate) -> AbstractBucket:
        if self._state is None:
            return InMemoryBucket([rate])
        bucket = self._state.open_bucket(self._quota, rate)
        bucket.leak(_now_ms())  # what was asked for more than a minute ago
        return bucket


def _forget_permits_of_the_future(bucket: AbstractBucket) -> None:
    """A clock that went back has left permits for times that are to come; until then nobody would get one."""
    newest = cast(RateItem | None, bucket.peek(0))
    if newest and newest.timestamp > _now_ms() + Duration.MINUTE:
        bucket.flush()


def _now_ms() -> int:
    """Epoch milliseconds, as the shared buckets count them."""
    return time.time_ns() // 1_000_000


class _Blocks:
    """Until when the API refuses everything, as this process was told."""

    def __init__(self) -> None:
        self._block: QuotaExceededError | None = None

    def read(self) -> QuotaExceededError | None:
        """The block that was met last, which may be over."""
        return self._block

    def save(self, block: QuotaExceededError) -> None:
        """Remember it."""
        self._block = block


class _SharedBlocks(_Blocks):
    """Until when the API refuses everything, as any process was told."""

    _TABLES = MetaData()
    _BLOCKS = Table(
        "invoice_assets_blocks",
        _TABLES,
        Column("quota", String(16), primary_key=True),
        Column("resume_at", Float, nullable=False),
        Column("message", Text, nullable=False),
    )

    def __init__(self, state: SharedState, quota: str) -> None:
        super().__init__()
        self._tables = state.open_tables(f"blocks-{quota}", self._TABLES)
        self._is_ours = self._BLOCKS.c.quota == quota
        self._quota = quota
        self._read_at = float("-inf")

    def read(self) -> QuotaExceededError | None:
        """The block that any process met last, up to a few seconds late."""
        if time.monotonic() - self._read_at >= BLOCK_READ_EVERY_S:
            self._read_at = time.monotonic()
            with self._tables.connect() as connection:
                found = connection.execute(self._BLOCKS.select().where(self._is_ours)).one_or_none()
            if found:
                self._block = QuotaExceededError(found.message, resume_at=datetime.fromtimestamp(found.resume_at, UTC))
        return self._block

    def save(self, block: QuotaExceededError) -> None:
        """Remember it, and tell the others."""
        super().save(block)
        if block.resume_at is None:
            return
        with self._tables.exclusive() as connection:
            connection.execute(self._BLOCKS.delete().where(self._is_ours))
            connection.execute(
                self._BLOCKS.insert().values(
                    quota=self._quota, resume_at=block.resume_at.timestamp(), message=str(block)
                )
            )
