"""A server that costs next to nothing: rows serialised before the clock starts, and joined into pages when asked for.

It answers as docs/api.md says where a loader in good health asks: tokens, pages, the lower bound of a keyset. It runs
in a process of its own, so that its cost can be told from a loader's, and counts what it is asked for. Faults, limits
and changing data are the sandbox's. https://asgi.readthedocs.io/en/latest/specs/www.html
"""

import asyncio
import subprocess
import sys
from bisect import bisect_left
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl

import msgspec
import requests
import uvicorn

from benchmarks.rows import TIME_ZONE, build_rows
from invoice_assets_tests.sandbox.background import HOST, open_listener, port_of
from invoice_assets_tests.sandbox.endpoints import ENDPOINTS, Endpoint

API_PREFIX, TOKEN_PATH, COUNTS_PATH = "/invoice/v3/", "/oauth/v2/token", "/benchmark/requests"
TOKEN = b'{"access_token":"1000.benchmark","api_domain":"http://127.0.0.1","token_type":"Bearer","expires_in":3600}'
TOKENS = "access tokens"
"""What the counts call requests for a token."""

Send = Callable[[dict[str, Any]], Awaitable[None]]


class Plan(msgspec.Struct, frozen=True):
    """What a server process is to serve, as it is told on its standard input."""

    rows: Mapping[str, int]
    latency_s: float = 0.0


class PageServer:
    """The ASGI application."""

    def __init__(self, plan: Plan) -> None:
        """Make the rows."""
        self._endpoints = {f"{API_PREFIX}{endpoint.path}": endpoint for endpoint in ENDPOINTS}
        rows = build_rows(plan.rows)
        self._texts = {name: [text for _, text in stamped] for name, stamped in rows.items()}
        self._stamps = {name: [stamp for stamp, _ in stamped] for name, stamped in rows.items()}
        self._latency_s = plan.latency_s
        self._counts: Counter[str] = Counter()

    async def __call__(self, scope: dict[str, Any], receive: Callable[[], Awaitable[Any]], send: Send) -> None:
        """Answer one request."""
        path = scope["path"]
        if path == COUNTS_PATH:
            body, self._counts = msgspec.json.encode(self._counts), Counter()
        elif path == TOKEN_PATH:
            self._counts[TOKENS] += 1
            body = TOKEN
        else:
            endpoint = self._endpoints[path]
            self._counts[endpoint.name] += 1
            await asyncio.sleep(self._latency_s)
            body = self._page(endpoint, dict(parse_qsl(scope["query_string"].decode())))
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    def _page(self, endpoint: Endpoint, query: Mapping[str, str]) -> bytes:
        page, per_page = int(query.get("page", 1)), int(query.get("per_page", 200))
        start = (page - 1) * per_page
        if endpoint.filters_modified_time and "last_modified_time" in query:
            since = datetime.fromisoformat(query["last_modified_time"]).timestamp()
            start += bisect_left(self._stamps[endpoint.name], since)
        texts = self._texts[endpoint.name]
        context = {
            "page": page,
            "per_page": per_page,
            "has_more_page": start + per_page < len(texts),
            "sort_column": query.get("sort_column", ""),
            "sort_order": query.get("sort_order", ""),
        }
        rows = b",".join(texts[start : start + per_page])
        return b'{"code":0,"message":"success","%b":[%b],"page_context":%b}' % (
            endpoint.wrapper.encode(),
            rows,
            msgspec.json.encode(context),
        )


class RunningServer:
    """A server process, as its benchmark sees it."""

    def __init__(self, port: int) -> None:
        """Speak to the server on this port of the loopback interface."""
        self._base_url = f"http://{HOST}:{port}"

    def environment(self) -> dict[str, str]:
        """The environment variables with which a loader reads from this server, without pacing."""
        return {
            "INVOICE_API_BASE_URL": self._base_url + API_PREFIX,
            "INVOICE_API_TOKEN_URL": self._base_url + TOKEN_PATH,
            "INVOICE_API_CLIENT_ID": "benchmark",
            "INVOICE_API_CLIENT_SECRET": "benchmark",
            "INVOICE_API_REFRESH_TOKEN": "benchmark",
            "INVOICE_API_ORGANIZATION_ID": "4815000000000000011",
            "INVOICE_API_REQUESTS_PER_MINUTE": "0",
            "INVOICE_TIMEZONE": TIME_ZONE,
        }

    def take_counts(self) -> Counter[str]:
        """Requests since the last call, by resource, and those for access tokens."""
        return Counter(requests.get(self._base_url + COUNTS_PATH, timeout=10).json())


@contextmanager
def serve(rows: Mapping[str, int], *, latency_s: float = 0.0) -> Iterator[RunningServer]:
    """A server of so many rows of each resource, in a process of its own, for as long as the context is open."""
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.server"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdin
    assert process.stdout
    try:
        process.stdin.write(msgspec.json.encode(Plan(rows=rows, latency_s=latency_s)))
        process.stdin.close()
        yield RunningServer(int(process.stdout.readline()))
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()


def main() -> None:
    """Serve what standard input says; the port goes to standard output once the rows are there."""
    application = PageServer(msgspec.json.decode(sys.stdin.buffer.read(), type=Plan))
    listener = open_listener(0)
    config = uvicorn.Config(application, lifespan="off", access_log=False, log_config=None)
    print(port_of(listener), flush=True)
    uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main()
