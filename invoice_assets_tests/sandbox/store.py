"""The rows, in SQLite: one table per endpoint that holds each row's wire text.

What a list sorts or filters by is an expression over that text, so an edited row cannot disagree with its own sort key;
it costs nothing until an index is needed. Which rows a request asks for is worked out in `listing.py`.
https://www.sqlite.org/expridx.html
"""

from __future__ import annotations

import sqlite3
import tempfile
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from invoice_assets_tests.sandbox.endpoints import Endpoint

ROWS_IN_MEMORY = 20_000
"""Beyond this many rows the database is a temporary file."""
ROWS_WITHOUT_INDEX = 1_000
"""Below this many rows sorting costs less than building an index."""
BATCH = 2_000


@dataclass(frozen=True)
class Selection:
    """Which rows of an endpoint, in which order: a sort, and conditions as (column, operator, value)."""

    sort_column: str
    descending: bool
    conditions: tuple[tuple[str, str, str | int], ...] = ()


class Store:
    """The rows of every endpoint; safe to use from several threads."""

    def __init__(self, endpoints: Sequence[Endpoint], *, expected_rows: int) -> None:
        """Create an empty table per endpoint, in memory or in a temporary file that `close` deletes."""
        self._folder = None if expected_rows <= ROWS_IN_MEMORY else tempfile.TemporaryDirectory(prefix="sandbox-")
        path = ":memory:" if self._folder is None else str(Path(self._folder.name) / "rows.sqlite")
        self._database = sqlite3.connect(path, check_same_thread=False)
        self._database.execute("PRAGMA page_size = 16384")
        self._database.execute("PRAGMA journal_mode = MEMORY")
        self._database.execute("PRAGMA synchronous = OFF")
        self._lock = threading.RLock()
        self._versions = dict.fromkeys((endpoint.name for endpoint in endpoints), 0)
        self._bookmarks: dict[tuple[str, Selection, int], tuple[int, int, int]] = {}
        for endpoint in endpoints:
            self._create_table(endpoint)

    def close(self) -> None:
        """Close the database and delete its file."""
        with self._lock:
            self._database.close()
            if self._folder is not None:
                self._folder.cleanup()

    def append(self, endpoint: Endpoint, rows: Iterable[tuple[str, str]]) -> None:
        """Add rows given as (key, wire text).

        Raises:
            ValueError: A row with such a key exists already.
        """
        with self._changing(endpoint) as database:
            try:
                database.executemany(f'INSERT INTO "{endpoint.name}" (key, wire) VALUES (?, ?)', rows)
            except sqlite3.IntegrityError as error:
                raise ValueError(f"{endpoint.name}: a row with that {endpoint.key} exists already") from error

    def replace(self, endpoint: Endpoint, key: str, wire: str) -> None:
        """Put a new wire text in the place of the row with this key."""
        with self._changing(endpoint) as database:
            database.execute(f'UPDATE "{endpoint.name}" SET wire = ? WHERE key = ?', (wire, key))

    def delete(self, endpoint: Endpoint, key: str) -> None:
        """Remove the row with this key without a trace.

        Raises:
            KeyError: There is no such row.
        """
        with self._changing(endpoint) as database:
            if not database.execute(f'DELETE FROM "{endpoint.name}" WHERE key = ?', (key,)).rowcount:
                raise KeyError(f"{endpoint.name}: no row has {endpoint.key} {key}")

    def add_field(self, endpoint: Endpoint, name: str, value_text: str) -> None:
        """Append a field with a JSON value to every row that lacks it, leaving the other bytes as they are."""
        with self._changing(endpoint) as database:
            database.execute(
                f"""UPDATE "{endpoint.name}" SET wire = substr(wire, 1, length(wire) - 1) || ',' || ? || '}}'
                WHERE json_type(wire, ?) IS NULL""",
                (value_text, f'$."{name}"'),
            )

    def wire_text(self, endpoint: Endpoint, key: str) -> str:
        """Return the wire text of the row with this key.

        Raises:
            KeyError: There is no such row.
        """
        with self._lock:
            found = self._database.execute(f'SELECT wire FROM "{endpoint.name}" WHERE key = ?', (key,)).fetchone()
        if found is None:
            raise KeyError(f"{endpoint.name}: no row has {endpoint.key} {key}")
        return str(found[0])

    def count(self, endpoint: Endpoint) -> int:
        """Return the number of rows, hidden ones included."""
        with self._lock:
            (count,) = self._database.execute(f'SELECT count(*) FROM "{endpoint.name}"').fetchone()
        return int(count)

    def wire_texts(self, endpoint: Endpoint) -> Iterator[str]:
        """Yield the wire text of every row in the order of insertion, hidden ones included."""
        last = 0
        while True:
            with self._lock:
                batch = self._database.execute(
                    f'SELECT number, wire FROM "{endpoint.name}" WHERE number > ? ORDER BY number LIMIT ?',
                    (last, BATCH),
                ).fetchall()
            if not batch:
                return
            yield from (wire for _, wire in batch)
            last = batch[-1][0]

    def page(self, endpoint: Endpoint, selection: Selection, *, page: int, per_page: int) -> tuple[list[str], bool]:
        """Return the wire texts of one page, and whether there are more rows after it."""
        with self._lock:
            numbers = self._numbers(endpoint, selection, page=page, per_page=per_page)
            wanted = numbers[:per_page]
            marks = ",".join("?" * len(wanted))
            found = dict(
                self._database.execute(
                    f'SELECT number, wire FROM "{endpoint.name}" WHERE number IN ({marks})', wanted
                ).fetchall()
            )
        return [found[number] for number in wanted], len(numbers) > per_page

    def _numbers(self, endpoint: Endpoint, selection: Selection, *, page: int, per_page: int) -> list[int]:
        """Return the row numbers of a page and of the first row after it.

        A bookmark saves walking past all earlier pages: the last row of the page before, valid while nothing changed.
        """
        self._prepare_index(endpoint, selection)
        version = self._versions[endpoint.name]
        bookmark = (endpoint.name, selection, per_page)
        field, order = _field(selection.sort_column), "DESC" if selection.descending else "ASC"
        clauses = [f"{_field(name)} {operator} ?" for name, operator, _ in selection.conditions]
        values: list[str | int] = [value for _, _, value in selection.conditions]
        skip = (page - 1) * per_page
        known_version, known_page, last = self._bookmarks.get(bookmark, (-1, -1, -1))
        if page > 1 and (known_version, known_page) == (version, page - 1):
            beyond, skip = "<" if selection.descending else ">", 0
            others = [f"+{clause}" for clause in clauses]  # the plus keeps the index for the bookmark
            clauses = [f"{field} {beyond}= ?", f"({field} {beyond} ? OR number {beyond} ?)", *others]
            values = [*self._sort_values(endpoint, field, last) * 2, last, *values]
        found = self._database.execute(
            f'SELECT number FROM "{endpoint.name}" {"WHERE " + " AND ".join(clauses) if clauses else ""} '
            f"ORDER BY {field} {order}, number {order} LIMIT ? OFFSET ?",
            (*values, per_page + 1, skip),
        ).fetchall()
        numbers = [number for (number,) in found]
        if len(numbers) > per_page:
            self._bookmarks[bookmark] = (version, page, numbers[per_page - 1])
        return numbers

    def _sort_values(self, endpoint: Endpoint, field: str, number: int) -> list[str | int]:
        """Return the value, as the only one of a list, that a row is sorted by."""
        select = f'SELECT {field} FROM "{endpoint.name}" WHERE number = ?'
        return list(self._database.execute(select, (number,)).fetchone())

    def _prepare_index(self, endpoint: Endpoint, selection: Selection) -> None:
        """Build the index that serves a sort, once, when the table is large enough to need one."""
        if self.count(endpoint) < ROWS_WITHOUT_INDEX:
            return
        self._database.execute(
            f'CREATE INDEX IF NOT EXISTS "{endpoint.name} by {selection.sort_column}" '
            f'ON "{endpoint.name}" ({_field(selection.sort_column)})'
        )

    def _create_table(self, endpoint: Endpoint) -> None:
        self._database.execute(
            f'CREATE TABLE "{endpoint.name}" (number INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, wire TEXT NOT NULL)'
        )

    @contextmanager
    def _changing(self, endpoint: Endpoint) -> Iterator[sqlite3.Connection]:
        """Hold the lock for one transaction that makes this endpoint's bookmarks void."""
        with self._lock, self._database:
            self._versions[endpoint.name] += 1
            yield self._database


def _field(name: str) -> str:
    """Return the SQL for a field of the wire text: a timestamp as an instant, anything else as it is."""
    field = f"json_extract(wire, '$.\"{name}\"')"
    if name.endswith("_time"):
        field = f"CAST(strftime('%s', substr({field}, 1, 22) || ':' || substr({field}, 23)) AS INTEGER)"
    return f"coalesce({field}, '') COLLATE NOCASE"
