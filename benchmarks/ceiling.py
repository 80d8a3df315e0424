"""What the benchmark's server can give at most, so that it can be seen not to be what a loader waits for."""

import http.client
import time
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode, urlsplit

from benchmarks.measure import Cost
from benchmarks.outcome import Table
from benchmarks.peers.endpoints import ENDPOINTS, PAGE_SIZE
from benchmarks.peers.loaders import Peer
from benchmarks.server import RunningServer

PASSES = 3


@dataclass(frozen=True, kw_only=True)
class Ceiling:
    """What a bare client has drawn over one connection, and how much all pages are."""

    pages: int
    megabytes: float
    wall_s: float


def draw_pages(server: RunningServer) -> Ceiling:
    """Read all pages by `http.client` and drop them, a few times over; what comes back is the fastest pass."""
    fastest = min((_draw_once(server) for _ in range(PASSES)), key=lambda ceiling: ceiling.wall_s)
    server.take_counts()
    return fastest


def _draw_once(server: RunningServer) -> Ceiling:
    base = urlsplit(server.environment()["INVOICE_API_BASE_URL"])
    connection = http.client.HTTPConnection(base.netloc)
    pages, size, started = 0, 0, time.monotonic()
    for endpoint in ENDPOINTS:
        page, has_more = 1, True
        while has_more:
            connection.request("GET", f"{base.path}{endpoint.path}?{urlencode({'page': page, 'per_page': PAGE_SIZE})}")
            body = connection.getresponse().read()
            has_more = b'"has_more_page":true' in body
            page, pages, size = page + 1, pages + 1, size + len(body)
    wall_s = time.monotonic() - started
    connection.close()
    return Ceiling(pages=pages, megabytes=size / 1e6, wall_s=wall_s)


def describe_ceiling(ceiling: Ceiling, costs: Mapping[Peer, Cost]) -> Table:
    """The ceiling beside what the loader that was done first has drawn."""
    loader, cost = min(costs.items(), key=lambda item: item[1].loading_wall_s)
    drawn = {
        "a bare client on one connection": ceiling.wall_s,
        f"the fastest loader ({loader.name})": cost.loading_wall_s,
    }
    return Table(
        title="The server's own ceiling",
        header=("drawn by", "pages/s", "MB/s", "wall s"),
        rows=tuple(
            (name, f"{ceiling.pages / wall_s:,.0f}", f"{ceiling.megabytes / wall_s:,.0f}", f"{wall_s:.2f}")
            for name, wall_s in drawn.items()
        ),
        note=f"{ceiling.pages} pages, {ceiling.megabytes:.1f} MB of JSON, serialised before the clock starts; the "
        "server is a process of its own and no part of any loader's cost.",
    )
