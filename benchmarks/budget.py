"""The fewest requests that a load can do with, and the least time that a quota makes them take (docs/api.md).

Who sends them is not known here.
"""

from collections.abc import Mapping
from math import ceil

from benchmarks.server import TOKENS
from invoice_assets.api.envelope import PAGE_SIZE
from invoice_assets.catalog import RESOURCES
from invoice_assets.resource_spec import IncrementalRead

MINUTE_S = 60


class WastedRequestsError(AssertionError):
    """A load asked for more than it needed; the message says of what, and how often."""


def count_pages(rows: int) -> int:
    """Requests by page number: one for each 200 rows begun, and one where there are none."""
    return max(1, ceil(rows / PAGE_SIZE))


def allow_requests(name: str, rows: int) -> int:
    """The most requests that a complete read of a resource may take.

    By keyset a page repeats the last row of the one before, and the walk may end with a page of nothing else.
    """
    if RESOURCES[name].incremental is IncrementalRead.KEYSET:
        return ceil(rows / (PAGE_SIZE - 1)) + 1
    return count_pages(rows)


def refuse_waste(requests: Mapping[str, int], *, rows: Mapping[str, int]) -> None:
    """Check what a complete load of these rows has asked for.

    Raises:
        WastedRequestsError: One more request than allowed, or than one for an access token.
    """
    allowed = {name: allow_requests(name, count) for name, count in rows.items()} | {TOKENS: 1}
    wasted = [
        f"{name} took {count} requests where {allowed.get(name, 0)} do"
        for name, count in requests.items()
        if count > allowed.get(name, 0)
    ]
    if wasted:
        raise WastedRequestsError("; ".join(wasted))


def quota_wall_s(requests: int, *, per_minute: int) -> float:
    """Seconds that must lie between the first and the last of so many requests.

    No 60 seconds may hold more than the quota, so request k + quota is at least 60 seconds after request k: the first
    ones may go at once, and the last of n comes 60 * floor((n - 1) / quota) seconds after the first, or later.
    """
    return float(MINUTE_S * ((requests - 1) // per_minute))
