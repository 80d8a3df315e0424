"""A read in the run's log, as sentences: how far it has come.

What has come of the load lives in `load_metadata.py`.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Protocol

from invoice_assets.ingest.windows import Window, parse_instant
from invoice_assets.resource_spec import ResourceSpec

if TYPE_CHECKING:
    from invoice_assets.api.session import ApiUsage
    from invoice_assets.ingest.paging import ScanReport

PROGRESS_PAGES = 25
"""Pages between two lines of progress: a quarter of what the API grants in a minute."""


class Log(Protocol):
    """The part of a Dagster log that progress needs."""

    def info(self, msg: object, *args: object) -> None:
        """Say something."""


class ProgressLog:
    """Says in the run's log how far a read has come, every `PROGRESS_PAGES` pages.

    `rows_before`, the rows of the table so far, may be a function, which is called when they are first needed. The
    read began at `begun_at`; left out, it begins now.
    """

    def __init__(
        self,
        spec: ResourceSpec,
        log: Log,
        *,
        usage: "ApiUsage",
        window: Window,
        rows_before: int | Callable[[], int],
        begun_at: datetime | None = None,
    ) -> None:
        self._spec = spec
        self._log = log
        self._usage = usage
        self._window = window
        self._rows_before = rows_before
        self._begun_at = begun_at or datetime.now(UTC)

    def note(self, report: "ScanReport") -> None:
        """Take in a page that has been read."""
        if report.pages % PROGRESS_PAGES:
            return
        elapsed_s = max((datetime.now(UTC) - self._begun_at).total_seconds(), 0.001)
        parts = [
            f"{report.pages:,} pages, {report.rows:,} rows so far",
            f"{report.rows / elapsed_s:,.0f} rows a second",
            f"{self._usage.requests * 60 / elapsed_s:,.0f} requests a minute",
            *tell_quota(self._usage),
        ]
        if share := self._estimate_share_done(report):
            parts.append(f"about {timedelta(seconds=round(elapsed_s * (1 - share) / share))} to go")
        self._log.info(f"{self._spec.label}: {', '.join(parts)}")

    def _estimate_share_done(self, report: "ScanReport") -> float | None:
        """By time where rows come in its order and the window has a start, else by the rows there were before."""
        if report.last_stamp and self._window.start:
            end = self._window.end or datetime.now(UTC)
            span_s = (end - self._window.start).total_seconds()
            return min(1.0, max(0.0, (parse_instant(report.last_stamp) - self._window.start).total_seconds() / span_s))
        if callable(self._rows_before):
            self._rows_before = self._rows_before()
        return min(1.0, report.rows / self._rows_before) if self._rows_before else None


def count(number: int, of: str) -> str:
    """`1 row`, `4,000 rows`."""
    return f"{number:,} {of}{'' if number == 1 else 's'}"


def tell_quota(usage: "ApiUsage") -> list[str]:
    """What is left of the day's quota, where the API has said it."""
    left = usage.quota_remaining
    return [] if left is None else [f"{count(left, 'request')} of the day's quota left"]
