"""The sandbox's clock and the wire format of its instants.

Everything that expires, resets or is stamped reads this clock, so a test moves time by `advance` and never sleeps. How
generated rows spread over a history is in `world.py`.
https://docs.python.org/3/library/zoneinfo.html
"""

from __future__ import annotations

import re
import threading
import time
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

TIMESTAMP_PATTERN = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}[+-]\d{4}", re.ASCII)
TIMESTAMP_FORMAT = "%Y-%m-%dT%H:%M:%S%z"


class SandboxClock:
    """Epoch seconds that run with the real clock from `start`, or stand still when `is_frozen`."""

    def __init__(self, start: datetime | None = None, *, is_frozen: bool = False) -> None:
        """Start at `start` (an aware datetime), or at the real time."""
        self._epoch = time.time() if start is None else start.timestamp()
        self._started_at = time.monotonic()
        self._is_frozen = is_frozen
        self._lock = threading.Lock()

    def now(self) -> float:
        """Return the current epoch seconds."""
        with self._lock:
            elapsed = 0.0 if self._is_frozen else time.monotonic() - self._started_at
            return self._epoch + elapsed

    def advance(self, seconds: float) -> None:
        """Move the clock forward."""
        with self._lock:
            self._epoch += seconds


def render_timestamp(epoch: float, zone: ZoneInfo) -> str:
    """Return `2026-06-09T09:46:21-0400`: local time with the offset of that very instant, so that DST shows."""
    return datetime.fromtimestamp(int(epoch), UTC).astimezone(zone).strftime(TIMESTAMP_FORMAT)


def parse_timestamp(text: str) -> int | None:
    """Return the epoch seconds of the only accepted form, yyyy-MM-ddTHH:mm:ss±HHmm, or None for any other text."""
    if not TIMESTAMP_PATTERN.fullmatch(text):
        return None
    try:
        return int(datetime.strptime(text, TIMESTAMP_FORMAT).timestamp())
    except ValueError:
        return None


def seconds_to_midnight(epoch: float, zone: ZoneInfo) -> int:
    """Return how many seconds are left of the organisation's day."""
    local = datetime.fromtimestamp(epoch, UTC).astimezone(zone)
    next_day = datetime.fromordinal(local.toordinal() + 1).replace(tzinfo=zone)
    return max(1, round(next_day.timestamp() - epoch))
