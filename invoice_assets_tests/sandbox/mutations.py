"""Changing rows while the sandbox runs: insert, edit, delete, set silently, add a field.

A change is made to the wire text itself, so numbers that it does not touch keep their digits.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from invoice_assets_tests.sandbox.clock import SandboxClock, render_timestamp
from invoice_assets_tests.sandbox.endpoints import Endpoint
from invoice_assets_tests.sandbox.store import Store
from invoice_assets_tests.sandbox.wire import Row, decode_row, encode, quote
from invoice_assets_tests.sandbox.world import World

CREATED = ("created_time",)
MODIFIED = ("last_modified_time", "updated_time")
FIRST_INSERTED_KEY = 4_899_000_000_000_000_001
"""Keys of inserted rows lie beyond those of the generated ones."""


class Mutations:
    """Reads and changes the rows of every endpoint; stamps come from the sandbox's clock."""

    def __init__(
        self, store: Store, endpoints: Mapping[str, Endpoint], *, world: World, clock: SandboxClock, zone: ZoneInfo
    ) -> None:
        """Work on `store`, whose endpoints are given by name."""
        self._store = store
        self._endpoints = endpoints
        self._world = world
        self._clock = clock
        self._zone = zone
        self._added_fields: dict[str, dict[str, Any]] = {name: {} for name in endpoints}
        self._inserted = 0
        self._lock = threading.RLock()

    def count(self, resource: str) -> int:
        """Return the number of rows, hidden ones included."""
        return self._store.count(self._endpoint(resource))

    def rows(self, resource: str) -> Iterator[Row]:
        """Yield every row, hidden ones included, in the order of insertion."""
        return map(decode_row, self._store.wire_texts(self._endpoint(resource)))

    def insert(self, resource: str, changes: Mapping[str, Any]) -> Row:
        """Add a plausible row with these changes, stamped now unless they say otherwise, and return it.

        Raises:
            ValueError: The primary key given exists already.
        """
        endpoint = self._endpoint(resource)
        with self._lock:
            self._inserted += 1
            template = self._template(endpoint)
            template[endpoint.key] = str(FIRST_INSERTED_KEY + self._inserted)
            row = {**self._stamped(template, (*CREATED, *MODIFIED)), **self._added_fields[resource], **changes}
            row = self._with_formatted_stamps(row, changes)
            self._store.append(endpoint, [(str(row[endpoint.key]), encode(row))])
        return row

    def edit(self, resource: str, key: str, changes: Mapping[str, Any]) -> Row:
        """Change a row and its last_modified_time, and return it.

        Raises:
            KeyError: There is no such row.
        """
        return self._change(resource, key, changes, stamps=MODIFIED)

    def set_silently(self, resource: str, key: str, changes: Mapping[str, Any]) -> Row:
        """Change a row as a derived value changes: last_modified_time stays.

        Raises:
            KeyError: There is no such row.
        """
        return self._change(resource, key, changes, stamps=())

    def delete(self, resource: str, key: str) -> None:
        """Remove a row without a trace.

        Raises:
            KeyError: There is no such row.
        """
        self._store.delete(self._endpoint(resource), key)

    def add_field(self, resource: str, name: str, value: Any) -> None:
        """Give a field to every row, and to every row inserted from now on; last_modified_time stays."""
        endpoint = self._endpoint(resource)
        with self._lock:
            self._added_fields[resource][name] = value
            self._store.add_field(endpoint, name, f"{quote(name)}:{encode(value)}")

    def remove_field(self, resource: str, name: str) -> None:
        """Take a field away from every row; last_modified_time stays."""
        endpoint = self._endpoint(resource)
        with self._lock:
            self._added_fields[resource].pop(name, None)
            for row in list(self.rows(resource)):
                left = {key: value for key, value in row.items() if key != name}
                self._store.replace(endpoint, str(row[endpoint.key]), encode(left))

    def _endpoint(self, resource: str) -> Endpoint:
        if resource not in self._endpoints:
            raise KeyError(f"no resource is called {resource!r}; there are {', '.join(self._endpoints)}")
        return self._endpoints[resource]

    def _template(self, endpoint: Endpoint) -> Row:
        """Return a row to start from: one more of the generated rows, which no default filter hides."""
        if endpoint.generate is None:
            return dict(endpoint.records[0]) if endpoint.records else {}
        index = self._world.counts.get(endpoint.name, 0) + 2 * self._inserted
        hidden = endpoint.default_filter
        row = decode_row(endpoint.generate(self._world, index))
        if hidden is not None and row[hidden.column] == hidden.hidden_value:
            row = decode_row(endpoint.generate(self._world, index + 1))
        return row

    def _change(self, resource: str, key: str, changes: Mapping[str, Any], *, stamps: tuple[str, ...]) -> Row:
        endpoint = self._endpoint(resource)
        if endpoint.key in changes:
            raise ValueError(f"{resource}: {endpoint.key} is the primary key; delete the row and insert another")
        with self._lock:
            row = decode_row(self._store.wire_text(endpoint, key))
            row = self._with_formatted_stamps({**self._stamped(row, stamps), **changes}, changes)
            self._store.replace(endpoint, key, encode(row))
        return row

    def _stamped(self, row: Row, names: tuple[str, ...]) -> Row:
        now = render_timestamp(self._clock.now(), self._zone)
        return {**row, **{name: now for name in names if name in row}}

    def _with_formatted_stamps(self, row: Row, changes: Mapping[str, Any]) -> Row:
        """Return the row with `created_time_formatted` and the like brought into line with the stamps themselves."""
        formatted = {}
        for name in (*CREATED, *MODIFIED):
            twin = f"{name}_formatted"
            if twin in row and twin not in changes and row[name]:
                formatted[twin] = f"{datetime.fromisoformat(row[name]).date():%d %b %Y}"
        return {**row, **formatted}
