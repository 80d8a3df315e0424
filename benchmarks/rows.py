"""What the benchmarks load: how many rows of each resource, and their wire text.

The rows are the sandbox's; how they are served is the business of `server.py`.
"""

import json
from collections.abc import Iterator, Mapping
from datetime import date, datetime
from zoneinfo import ZoneInfo

from invoice_assets_tests.sandbox.endpoints import ENDPOINTS, Endpoint
from invoice_assets_tests.sandbox.server import build_world, generate_rows

SEED = 7
TIME_ZONE = "America/New_York"
HISTORY = (date(2026, 1, 1), date(2026, 6, 30))
ROWS: Mapping[str, int] = {
    "items": 1_000,
    "users": 50,
    "contacts": 5_000,
    "invoices": 20_000,
    "recurring_invoices": 1_000,
    "customer_payments": 15_000,
    "credit_notes": 3_000,
    "expenses": 9_950,
    "taxes": 50,
}


def stream_rows(endpoint: Endpoint, *, counts: Mapping[str, int]) -> Iterator[bytes]:
    """The wire text of each row of a resource; there are none where `counts` leaves it out."""
    world = build_world(SEED, tuple(sorted(counts.items())), HISTORY, ZoneInfo(TIME_ZONE))
    if endpoint.generate:
        for _, text in generate_rows(endpoint.name, endpoint.generate, world):
            yield text.encode()


def build_rows(counts: Mapping[str, int]) -> dict[str, list[tuple[float, bytes]]]:
    """The rows of each resource as (epoch seconds of the last change, wire text), the oldest change first.

    Rows without a change stamp have the epoch's beginning.
    """
    return {
        endpoint.name: sorted((_last_modified(text), text) for text in stream_rows(endpoint, counts=counts))
        for endpoint in ENDPOINTS
    }


def _last_modified(text: bytes) -> float:
    stamp = json.loads(text).get("last_modified_time")
    return datetime.fromisoformat(stamp).timestamp() if stamp else 0.0
