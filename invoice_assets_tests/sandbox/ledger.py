"""The ledger: every request that the sandbox received, for tests that assert what was really sent.

Requests to the admin paths are not in it.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace

NO_ANSWER = 0
"""The status of a request that was never answered: dropped, or still waiting."""


@dataclass(frozen=True, kw_only=True)
class LedgerEntry:
    """One request as it came in, and the status that it was answered with."""

    at: float
    method: str
    path: str
    resource: str | None
    query: dict[str, str]
    status: int
    page: int | None
    authorization_scheme: str | None
    organization_header: str | None
    organization_parameter: str | None


class Ledger:
    """The requests in the order of their arrival; safe to use from several threads."""

    def __init__(self) -> None:
        """Start empty."""
        self._entries: dict[int, LedgerEntry] = {}
        self._received = 0
        self._lock = threading.Lock()

    @property
    def entries(self) -> list[LedgerEntry]:
        """Every request, token requests and unknown paths included."""
        with self._lock:
            return list(self._entries.values())

    def requests(self, resource: str | None = None) -> list[LedgerEntry]:
        """Return the list requests: all of them, or those for one resource."""
        wanted = (entry for entry in self.entries if entry.resource is not None)
        return [entry for entry in wanted if resource in {None, entry.resource}]

    def clear(self) -> None:
        """Forget every request."""
        with self._lock:
            self._entries.clear()

    def record(self, entry: LedgerEntry) -> int:
        """Add a request that has no answer yet; returns the number under which to `settle` it."""
        with self._lock:
            self._received += 1
            self._entries[self._received] = entry
            return self._received

    def settle(self, number: int, *, status: int) -> None:
        """Note what a request is answered with, before the answer leaves."""
        with self._lock:
            if number in self._entries:
                self._entries[number] = replace(self._entries[number], status=status)
