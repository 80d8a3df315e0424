"""A source that never rests: rows change and answers break at random, under the API's published limits.

What the deployment makes of it is judged in `verdict.py`. The sandbox itself is the tests'.
"""

import random
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from http import HTTPStatus
from typing import Any

from invoice_assets.catalog import RESOURCES
from invoice_assets_tests.equality import key_rows
from invoice_assets_tests.sandbox.limits import Limits
from invoice_assets_tests.sandbox.server import Sandbox

ROWS = {
    "items": 250,
    "users": 120,
    "contacts": 450,
    "invoices": 900,
    "recurring_invoices": 120,
    "customer_payments": 450,
    "credit_notes": 250,
    "expenses": 450,
    "taxes": 120,
}
"""Most lists take several pages, and all of them together a third of a minute's quota."""

EDITED_FIELDS = {
    "items": "description",
    "users": "name",
    "contacts": "company_name",
    "invoices": "reference_number",
    "recurring_invoices": "reference_number",
    "customer_payments": "description",
    "credit_notes": "reference_number",
    "expenses": "description",
    "taxes": "tax_name",
}
DERIVED_FIELDS = {"invoices": "balance", "contacts": "outstanding_receivable_amount", "expenses": "total"}
TEXTS = ("A first one", "Zürich", 'the "last" one', "it's", "\N{FIRE}")
CHANGES = ("insert", "insert", "delete", "restore", "edit", "edit", "edit", "set_silently")
"""As many rows come as go, so that lists keep their length."""

FAULTS: Mapping[str, Mapping[str, Any]] = {
    "internal_error_1000": {},
    "bad_gateway_502": {},
    "unavailable_503": {"retry_after": 1},
    "gateway_timeout_504": {},
    "too_many_requests_44": {"retry_after": 1},
    "too_many_in_flight_1070": {},
    "blocked_43": {"retry_after": 10},
    "code_in_200": {},
    "missing_wrapper_key": {},
    "html_instead_of_json": {},
    "truncated_json": {},
    "connection_dropped": {},
    "reset_in_mid_body": {},
    "slow_drip": {"seconds": 1},
    "wrong_page_echoed": {},
    "repeated_page": {},
    "duplicated_row": {},
    "ignored_sort": {},
    "token_connection_dropped": {},
    "token_internal_error_500": {},
    "token_html": {},
}
"""Faults that are over within seconds, each with its parameters; tokens are revoked instead of refused one by one."""

TIMES = (1, 1, 1, 2, 5)
"""How many requests a fault strikes; five are more than the retries of one request."""


class RestlessSource:
    """A sandbox whose rows change and whose answers break; it counts what it did."""

    def __init__(self, chance: random.Random) -> None:
        yesterday = datetime.now(UTC).date() - timedelta(days=1)
        # Published limits, but for the day's: an hour stands for a day of schedules, and a soak may last for hours.
        limits = replace(Limits.published(), daily_quota_is_enforced=False)
        self.sandbox = Sandbox(rows=ROWS, history=(yesterday - timedelta(days=60), yesterday), limits=limits)
        self.changes: Counter[str] = Counter()
        self.faults: Counter[str] = Counter()
        self.revocations = 0
        self._chance = chance
        self._gone: dict[str, list[str]] = {name: [] for name in ROWS}
        self._scripted: tuple[str, int] | None = None

    def change(self) -> None:
        """Make one change to one row."""
        kind, name = self._chance.choice(CHANGES), self._chance.choice(tuple(ROWS))
        text, sandbox = self._chance.choice(TEXTS), self.sandbox
        match kind:
            case "insert":
                sandbox.insert(name, **{EDITED_FIELDS[name]: text})
            case "edit":
                sandbox.edit(name, self._pick_key(name), **{EDITED_FIELDS[name]: text})
            case "set_silently" if name in DERIVED_FIELDS:
                amount = Decimal(self._chance.randrange(10**8)) / 100
                sandbox.set_silently(name, self._pick_key(name), **{DERIVED_FIELDS[name]: amount})
            case "delete":
                self._gone[name].append(key := self._pick_key(name))
                sandbox.delete(name, key)
            case "restore" if self._gone[name]:
                sandbox.insert(name, **{RESOURCES[name].primary_key: self._gone[name].pop()})
            case _:
                return
        self.changes[kind] += 1

    def break_next_answers(self) -> None:
        """Let the next answers be wrong in one way; what was left of the fault before is forgotten."""
        self.calm_down()
        name, times = self._chance.choice(tuple(FAULTS)), self._chance.choice(TIMES)
        self.sandbox.script(name, times=times, **FAULTS[name])
        self._scripted = (name, times)

    def calm_down(self) -> None:
        """Forget the scripted fault, and count how often it struck."""
        left = self.sandbox.clear_faults()
        if self._scripted:
            name, times = self._scripted
            self.faults[name] += times - left
            self._scripted = None
        self.faults = +self.faults

    def revoke_tokens(self) -> None:
        """Make the access token dead, as somebody does who mints too many."""
        self.sandbox.revoke_access_tokens()
        self.revocations += 1

    def read(self, name: str) -> dict[str, dict[str, Any]]:
        """The rows of a list, by key."""
        return key_rows(self.sandbox.rows(name), RESOURCES[name])

    def count_refusals(self) -> int:
        """Answers with HTTP 429 that no fault accounts for: the deployment has exceeded the quota."""
        scripted = ("too_many_requests_44", "too_many_in_flight_1070", "blocked_43")
        refused = sum(entry.status == HTTPStatus.TOO_MANY_REQUESTS for entry in self.sandbox.ledger.entries)
        return refused - sum(self.faults[name] for name in scripted)

    def _pick_key(self, name: str) -> str:
        return self._chance.choice(list(self.read(name)))
