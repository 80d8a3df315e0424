"""Reading lists: each in a thread of its own that stays a little ahead of whoever loads the rows, several at a time.

What the API has to say of a list takes its latency per page, and pages of one list follow one another: lists are what
can be read side by side. How a list is walked through lives in `source.py`, what becomes of the rows in `pipeline.py`.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from queue import SimpleQueue
from threading import Lock, Semaphore, Thread

import pyarrow as pa

from invoice_assets.api.session import ApiSession, ApiUsage
from invoice_assets.errors import InvoicingError
from invoice_assets.ingest.census import RowCensus
from invoice_assets.ingest.paging import ScanReport
from invoice_assets.ingest.source import RowBatcher, build_source
from invoice_assets.ingest.windows import ReadRequest
from invoice_assets.resource_spec import ResourceSpec

TABLES_AHEAD = 1
"""Tables that a read holds until somebody takes them, beside the one that it is filling: 10,000 rows, some 20 MB."""

WORTH_READING_AHEAD_S = 0.01
"""Seconds a page: where the API answers sooner, lists that are read side by side only compete for the processor."""


class Read:
    """A list being read, from the moment it was begun: iterating gives its rows as Arrow tables, as they arrive.

    An error of the read is raised where the tables are taken. `report`, `census` and `usage` are complete when
    iteration ends.
    """

    def __init__(
        self,
        request: ReadRequest,
        *,
        session: ApiSession,
        batcher: RowBatcher | None = None,
        on_wait: Callable[[float], None] = lambda _: None,
    ) -> None:
        self.request = request
        self._on_wait = on_wait
        self._session = session
        self.started_at = datetime.now(UTC)
        self.report = ScanReport(on_page=self._note_page)
        self._batcher = batcher or RowBatcher(request.spec, window=request.window)
        self.on_page: Callable[[ScanReport], None] = lambda _: None
        self._arrived: SimpleQueue[pa.Table | ScanReport | BaseException | None] = SimpleQueue()
        self._slots = Semaphore(TABLES_AHEAD)
        self._is_cancelled = False

    def __iter__(self) -> Iterator[pa.Table]:
        """Take the tables as they come; `on_page` is told of each page, in this thread."""
        while (arrived := self._arrived.get()) is not None:
            match arrived:
                case ScanReport():
                    self.on_page(arrived)
                case BaseException():
                    raise arrived
                case table:
                    self._slots.release()
                    yield table

    @property
    def census(self) -> RowCensus:
        """What was seen of the rows."""
        return self._batcher.census

    @property
    def usage(self) -> ApiUsage:
        """What it has cost so far."""
        return self._session.usage

    def run(self) -> None:
        """Walk through the list to its end, its first error, or until nobody wants it any more."""
        try:
            with self._session:
                for table in self._walk():
                    self._slots.acquire()
                    self._arrived.put(table)
            self._arrived.put(None)
        except BaseException as error:  # whatever it is belongs to the thread that takes the tables
            self._arrived.put(error)

    def cancel(self) -> None:
        """End the read at its next page: nobody wants it any more."""
        self._is_cancelled = True
        self._slots.release()

    def _walk(self) -> Iterator[pa.Table]:
        spec, window = self.request.spec, self.request.window
        source = build_source(spec, session=self._session, report=self.report, batcher=self._batcher, window=window)
        return iter(source.resources[spec.name])

    def _note_page(self, report: ScanReport) -> None:
        if self._is_cancelled:
            raise ReadCancelledError(f"{self.request.spec.name}: the read was given up")
        self._arrived.put(replace(report))
        self._on_wait(self.usage.waited_s / max(1, self.usage.requests))


class ReadCancelledError(Exception):
    """A read that nobody wants any more has ended; nobody is told."""


class Reads:
    """The reads of one run: `at_once` side by side, the one that a step asks for and others ahead of their steps."""

    def __init__(
        self,
        *,
        open_session: Callable[[ResourceSpec], ApiSession],
        at_once: int,
        build_batcher: Callable[..., RowBatcher] = RowBatcher,
    ) -> None:
        self._open_session = open_session
        self._build_batcher = build_batcher
        self._at_once = at_once
        self._is_worth_it = WORTH_READING_AHEAD_S <= 0
        self._lock = Lock()
        self._waiting: deque[ReadRequest] = deque()
        self._ahead: dict[str, Read] = {}
        self._running: set[Read] = set()
        self._begun: set[str] = set()

    @contextmanager
    def open(
        self, request: ReadRequest, *, upcoming: Iterable[ReadRequest], is_outdated: Callable[[datetime], bool]
    ) -> Iterator[Read]:
        """The read that was asked for, begun ahead or now.

        Those that come next are begun ahead as others end, once a page has had to be waited for. One that was is begun
        anew where it covers another window, or where `is_outdated` says so of the instant at which it was begun.
        """
        with self._lock:
            read = self._ahead.get(request.spec.name)
            if read is None or read.request != request or is_outdated(read.started_at):
                if read:
                    read.cancel()
                read = self._begin(request)
            self._ahead.pop(request.spec.name, None)
            self._waiting = deque(next_ for next_ in upcoming if next_.spec.name not in self._begun)
            self._begin_ahead()
        try:
            yield read
        finally:
            read.cancel()

    def close(self) -> None:
        """Give up the reads that nobody has asked for."""
        with self._lock:
            self._waiting.clear()
            for read in self._ahead.values():
                read.cancel()
            self._ahead.clear()

    def _begin(self, request: ReadRequest) -> Read:
        read = Read(
            request,
            session=self._open_session(request.spec),
            batcher=self._build_batcher(request.spec, window=request.window),
            on_wait=self._note_wait,
        )
        self._begun.add(request.spec.name)
        self._running.add(read)
        Thread(target=self._run, args=(read,), name=f"read {request.spec.name}", daemon=True).start()
        return read

    def _run(self, read: Read) -> None:
        read.run()
        with self._lock:
            self._running.discard(read)
            self._begin_ahead()

    def _note_wait(self, page_s: float) -> None:
        if not self._is_worth_it and page_s >= WORTH_READING_AHEAD_S:
            with self._lock:
                self._is_worth_it = True
                self._begin_ahead()

    def _begin_ahead(self) -> None:
        # One place is kept for the list that a step is asking for.
        while self._is_worth_it and self._waiting and len(self._running & {*self._ahead.values()}) < self._at_once - 1:
            request = self._waiting.popleft()
            # A session that cannot be opened is told by the step that asks for the read.
            with suppress(InvoicingError):
                self._ahead[request.spec.name] = self._begin(request)
