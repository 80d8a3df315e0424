"""Windows: half-open spans of `last_modified_time`, and how the API writes instants.

Which window a partition covers is decided in `defs/partitions.py`; who walks through one, in `paging.py`.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from invoice_assets.resource_spec import ResourceSpec

OVERLAP = timedelta(minutes=5)
"""Rows are asked for from this long before a window: clocks differ, and a row read twice is merged."""


@dataclass(frozen=True, kw_only=True)
class Window:
    """From `start` (inclusive) to `end` (exclusive), aware instants; None is without bound on that side."""

    start: datetime | None = None
    end: datetime | None = None

    @property
    def is_complete(self) -> bool:
        """Whether it leaves nothing out: what a scan of it does not find is gone from the source."""
        return self.start is None and self.end is None

    @property
    def reads_from(self) -> datetime | None:
        """The instant from which rows are read, a little before `start`; None where there is none."""
        return None if self.start is None else (self.start.astimezone(UTC) - OVERLAP).astimezone(self.start.tzinfo)

    @property
    def asks_from(self) -> str | None:
        """The lower bound that the API is asked for, as it wants it written; None where there is none."""
        return None if self.reads_from is None else format_instant(self.reads_from)

    def ends_before(self, stamp: str) -> bool:
        """Whether a row with this stamp of the wire is past the window."""
        return self.end is not None and parse_instant(stamp) >= self.end


COMPLETE = Window()


@dataclass(frozen=True, kw_only=True)
class ReadRequest:
    """What is to be read: a resource's list, and the window of last changes."""

    spec: ResourceSpec
    window: Window = COMPLETE


def format_instant(instant: datetime) -> str:
    """`yyyy-MM-ddTHH:mm:ss±HHmm`, the only form that the API takes (docs/api.md, "Incremental reading")."""
    return instant.strftime("%Y-%m-%dT%H:%M:%S%z")


def parse_instant(stamp: str) -> datetime:
    """The instant that a timestamp of the wire means.

    Raises:
        ValueError: It is no timestamp, or has no offset and so means no instant.
    """
    instant = datetime.fromisoformat(stamp)
    if instant.tzinfo is None:
        raise ValueError("a timestamp without an offset is no instant")
    return instant
