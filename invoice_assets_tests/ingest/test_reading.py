"""`ingest/reading.py`: lists read side by side, over HTTP against the sandbox, and the end of reads that nobody takes.

What a run reads ahead is tested in `defs/test_read_plan.py`.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime

import pyarrow as pa
import pytest
from dlt.extract.exceptions import ResourceExtractionError

from invoice_assets.api.errors import ConfigurationError
from invoice_assets.api.session import ApiSession
from invoice_assets.catalog import RESOURCES
from invoice_assets.ingest import reading as ingest_reading
from invoice_assets.ingest import source
from invoice_assets.ingest.paging import ScanReport
from invoice_assets.ingest.reading import Read, Reads
from invoice_assets.ingest.windows import ReadRequest, Window
from invoice_assets.resource_spec import ResourceSpec
from invoice_assets_tests.ingest.reading import open_session_on, read_resource
from invoice_assets_tests.sandbox.application import ServedPage
from invoice_assets_tests.sandbox.server import Sandbox

INVOICES, TAXES, ITEMS, USERS = (ReadRequest(spec=RESOURCES[name]) for name in ("invoices", "taxes", "items", "users"))
FIVE_PAGES = 1_000
FEW_PAGES = 5
"""What a read of one-page batches brings at most before it waits or ends: two tables, a page ahead, one more."""
WAIT_S = 30.0
"""Only what is broken waits for so long."""


def is_current(_: datetime) -> bool:
    """Nothing was loaded since a read was begun."""
    return False


def reading() -> set[str]:
    """The names of the threads that read lists just now."""
    return {thread.name for thread in threading.enumerate() if thread.name.startswith("read ")}


def wait_for_reads(*resources: str) -> None:
    """Wait until the reads of these resources have ended, or all reads."""
    names = {f"read {resource}" for resource in resources} or reading()
    for thread in [thread for thread in threading.enumerate() if thread.name in names]:
        thread.join(WAIT_S)
        assert not thread.is_alive(), thread.name


def take(read: Read) -> pa.Table:
    """All rows of a read."""
    return pa.concat_tables(list(read), promote_options="default")


class Gate:
    """A page hook that holds every page back until it is opened, and knows who has come so far."""

    def __init__(self, *, expected: int) -> None:
        self._arrivals = threading.Semaphore(0)
        self._expected = expected
        self._is_open = threading.Event()

    def __call__(self, page: ServedPage) -> None:
        self._arrivals.release()
        assert self._is_open.wait(WAIT_S)

    def wait_until_they_have_come(self) -> None:
        """Return when as many pages as are expected wait at the gate at the same time."""
        assert all(self._arrivals.acquire(timeout=WAIT_S) for _ in range(self._expected))

    def open(self) -> None:
        """Let all pages pass, now and later."""
        self._is_open.set()


BeginReads = Callable[..., Reads]


@pytest.fixture(autouse=True)
def an_api_that_is_worth_reading_ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lists are read ahead however soon the sandbox answers."""
    monkeypatch.setattr(ingest_reading, "WORTH_READING_AHEAD_S", 0)


@pytest.fixture
def begin_reads() -> Iterator[BeginReads]:
    """A function that gives the reads of a run on a sandbox; none is left of an earlier test, nor for a later one."""
    wait_for_reads()
    begun: list[Reads] = []

    def begin(sandbox: Sandbox, *, at_once: int = 4) -> Reads:
        begun.append(Reads(open_session=lambda _: open_session_on(sandbox), at_once=at_once))
        return begun[-1]

    yield begin
    for reads in begun:
        reads.close()
    wait_for_reads()


@pytest.fixture
def a_table_a_page(monkeypatch: pytest.MonkeyPatch) -> None:
    """Batches of one page, so that a list of a few pages comes in several tables."""
    monkeypatch.setattr(source, "BATCH_ROWS", 200)


def requests_of(sandbox: Sandbox, resource: str) -> Sequence[dict[str, str]]:
    """The queries that were sent for a resource."""
    return [entry.query for entry in sandbox.ledger.requests(resource)]


def _fail_to_ask(_: datetime) -> bool:
    raise ZeroDivisionError


def _fail_on(_: pa.Table) -> None:
    raise ZeroDivisionError


@pytest.mark.usefixtures("a_table_a_page")
def test_a_read_brings_all_rows_in_their_order(begin_reads: BeginReads) -> None:
    with (
        Sandbox(rows={"invoices": FIVE_PAGES}) as sandbox,
        begin_reads(sandbox).open(INVOICES, upcoming=[], is_outdated=is_current) as read,
    ):
        tables = list(read)

        assert len(tables) > 1
        assert pa.concat_tables(tables).equals(read_resource(sandbox, INVOICES.spec))
        assert (read.census.rows, read.report.pages) == (FIVE_PAGES, read.usage.requests)


@pytest.mark.usefixtures("a_table_a_page")
def test_an_error_is_raised_where_the_tables_are_taken_after_those_that_came_before(begin_reads: BeginReads) -> None:
    with Sandbox(rows={"taxes": FIVE_PAGES}) as sandbox:
        sandbox.script("missing_wrapper_key", resource="taxes", page=3)
        reads = begin_reads(sandbox)
        with reads.open(INVOICES, upcoming=[TAXES], is_outdated=is_current) as read:
            take(read)

        taken: list[int] = []
        with (
            reads.open(TAXES, upcoming=[], is_outdated=is_current) as read,
            pytest.raises(ResourceExtractionError, match="taxes"),
        ):
            taken.extend(table.num_rows for table in read)

    assert taken == [200, 200]


def test_an_error_of_one_list_keeps_no_other_from_being_read(begin_reads: BeginReads, sandbox: Sandbox) -> None:
    sandbox.script("missing_wrapper_key", resource="invoices")
    reads = begin_reads(sandbox, at_once=1)
    with (
        reads.open(INVOICES, upcoming=[TAXES, ITEMS], is_outdated=is_current) as read,
        pytest.raises(ResourceExtractionError),
    ):
        take(read)

    for request in (TAXES, ITEMS):
        with reads.open(request, upcoming=[], is_outdated=is_current) as read:
            assert take(read).num_rows == 3


def test_a_read_that_was_begun_ahead_is_handed_over_and_asks_for_nothing_again(
    begin_reads: BeginReads, sandbox: Sandbox
) -> None:
    reads = begin_reads(sandbox)
    with reads.open(INVOICES, upcoming=[TAXES, ITEMS], is_outdated=is_current) as read:
        take(read)
        wait_for_reads("taxes", "items")
    sent = len(sandbox.ledger.requests())

    for request in (TAXES, ITEMS):
        with reads.open(request, upcoming=[], is_outdated=is_current) as read:
            assert take(read).num_rows == 3

    assert len(sandbox.ledger.requests()) == sent == 3


def test_each_list_is_read_once_in_whatever_order_it_is_asked_for(begin_reads: BeginReads, sandbox: Sandbox) -> None:
    reads, all_of_them = begin_reads(sandbox, at_once=2), [ReadRequest(spec=spec) for spec in RESOURCES.values()]
    asked = [*all_of_them[4:], *all_of_them[:4]]

    for place, request in enumerate(asked):
        with reads.open(request, upcoming=reversed(asked[place + 1 :]), is_outdated=is_current) as read:
            assert take(read).num_rows == 3

    wait_for_reads()
    assert sorted(entry.resource or "" for entry in sandbox.ledger.requests()) == sorted(RESOURCES)


def test_as_many_lists_are_read_at_a_time_as_is_allowed_and_no_more(begin_reads: BeginReads) -> None:
    gate = Gate(expected=3)
    with Sandbox(rows=3, page_hook=gate) as sandbox:
        reads = begin_reads(sandbox, at_once=3)
        with reads.open(INVOICES, upcoming=[TAXES, ITEMS, USERS], is_outdated=is_current) as read:
            gate.wait_until_they_have_come()

            assert reading() == {"read invoices", "read taxes", "read items"}
            gate.open()
            take(read)
        with reads.open(USERS, upcoming=[], is_outdated=is_current) as read:
            assert take(read).num_rows == 3


def test_while_one_list_is_read_none_is_read_ahead_where_one_at_a_time_is_allowed(begin_reads: BeginReads) -> None:
    gate = Gate(expected=1)
    with Sandbox(rows=3, page_hook=gate) as sandbox:
        reads = begin_reads(sandbox, at_once=1)
        with reads.open(INVOICES, upcoming=[TAXES, ITEMS], is_outdated=is_current):
            gate.wait_until_they_have_come()

            assert reading() == {"read invoices"}
            gate.open()


def test_where_the_api_answers_at_once_nothing_is_read_ahead(
    begin_reads: BeginReads, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Lists that are read side by side would only compete for the processor."""
    monkeypatch.setattr(ingest_reading, "WORTH_READING_AHEAD_S", WAIT_S)

    with begin_reads(sandbox).open(INVOICES, upcoming=[TAXES, ITEMS], is_outdated=is_current) as read:
        take(read)
        wait_for_reads()

    assert [entry.resource for entry in sandbox.ledger.requests()] == ["invoices"]


def test_where_a_page_has_to_be_waited_for_lists_are_read_ahead(
    begin_reads: BeginReads, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ingest_reading, "WORTH_READING_AHEAD_S", 0.01)

    with Sandbox(rows=3, latency_s=0.02) as sandbox:
        with begin_reads(sandbox).open(INVOICES, upcoming=[TAXES, ITEMS], is_outdated=is_current) as read:
            take(read)
            wait_for_reads()

        assert {entry.resource for entry in sandbox.ledger.requests()} == {"invoices", "taxes", "items"}


def test_where_one_at_a_time_is_allowed_none_is_begun_before_a_step_asks_for_it(
    begin_reads: BeginReads, sandbox: Sandbox
) -> None:
    reads = begin_reads(sandbox, at_once=1)

    with reads.open(INVOICES, upcoming=[TAXES, ITEMS], is_outdated=is_current) as read:
        take(read)
        wait_for_reads()

    assert [entry.resource for entry in sandbox.ledger.requests()] == ["invoices"]


@pytest.mark.usefixtures("a_table_a_page")
def test_a_step_that_asks_for_a_list_that_was_not_begun_finds_a_place_kept_for_it(begin_reads: BeginReads) -> None:
    with Sandbox(rows={"invoices": FIVE_PAGES, "items": FIVE_PAGES, "taxes": FIVE_PAGES}) as sandbox:
        reads = begin_reads(sandbox, at_once=2)
        with reads.open(USERS, upcoming=[INVOICES, ITEMS], is_outdated=is_current) as read:
            take(read)
        wait_for_reads("users")

        with reads.open(TAXES, upcoming=[INVOICES, ITEMS], is_outdated=is_current):
            assert len(reading()) <= 2


@pytest.mark.usefixtures("a_table_a_page")
def test_a_question_about_a_read_that_fails_leaves_the_read_where_it_was(begin_reads: BeginReads) -> None:
    """Whether the warehouse was loaded meanwhile is asked of the warehouse, which may be away."""
    with Sandbox(rows={"invoices": FIVE_PAGES}) as sandbox:
        reads = begin_reads(sandbox)
        with reads.open(USERS, upcoming=[INVOICES], is_outdated=is_current) as read:
            take(read)
        wait_for_reads("users")

        with (
            pytest.raises(ZeroDivisionError),
            reads.open(INVOICES, upcoming=[], is_outdated=_fail_to_ask),
        ):
            pass

        with reads.open(INVOICES, upcoming=[], is_outdated=is_current) as read:
            assert take(read).num_rows == FIVE_PAGES


def test_lists_that_wait_for_their_taker_hold_up_nobody(
    begin_reads: BeginReads, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reads ahead that are full take up every place there is; whoever asks for another list gets it all the same."""
    monkeypatch.setattr(source, "BATCH_ROWS", 200)
    with Sandbox(rows={"invoices": FIVE_PAGES, "items": FIVE_PAGES, "taxes": 3}) as sandbox:
        reads = begin_reads(sandbox, at_once=2)
        with reads.open(USERS, upcoming=[INVOICES, ITEMS], is_outdated=is_current) as read:
            take(read)
        with reads.open(TAXES, upcoming=[INVOICES, ITEMS], is_outdated=is_current) as read:
            assert take(read).num_rows == 3
        for request in (ITEMS, INVOICES):
            with reads.open(request, upcoming=[], is_outdated=is_current) as read:
                assert take(read).num_rows == FIVE_PAGES


def test_a_read_of_another_window_is_begun_anew(begin_reads: BeginReads, sandbox: Sandbox) -> None:
    reads, start = begin_reads(sandbox), datetime(2026, 3, 1, tzinfo=UTC)
    with reads.open(
        TAXES, upcoming=[ReadRequest(spec=INVOICES.spec, window=Window(start=start))], is_outdated=is_current
    ) as read:
        take(read)
        wait_for_reads("invoices")

    with reads.open(INVOICES, upcoming=[], is_outdated=is_current) as read:
        assert take(read).num_rows == 3

    assert ["last_modified_time" in query for query in requests_of(sandbox, "invoices")] == [True, False]


def test_a_read_that_is_outdated_is_begun_anew(begin_reads: BeginReads, sandbox: Sandbox) -> None:
    reads, before = begin_reads(sandbox), datetime.now(UTC)
    with reads.open(TAXES, upcoming=[INVOICES], is_outdated=is_current) as read:
        take(read)
        wait_for_reads("invoices")
    after = datetime.now(UTC)
    sandbox.insert("invoices")
    asked: list[datetime] = []

    def is_outdated(began: datetime) -> bool:
        asked.append(began)
        return True

    with reads.open(INVOICES, upcoming=[], is_outdated=is_outdated) as read:
        assert take(read).num_rows == 4
        assert read.started_at >= after

    assert [before <= began <= after for began in asked] == [True]


def test_a_list_that_is_asked_for_twice_is_read_twice(begin_reads: BeginReads, sandbox: Sandbox) -> None:
    reads = begin_reads(sandbox)
    with reads.open(TAXES, upcoming=[INVOICES], is_outdated=is_current) as read:
        take(read)
    sandbox.insert("taxes")

    with reads.open(TAXES, upcoming=[INVOICES], is_outdated=is_current) as read:
        assert take(read).num_rows == 4

    wait_for_reads()
    assert len(requests_of(sandbox, "invoices")) == 1


def test_reads_that_nobody_takes_end_on_closing_and_ask_for_nothing_more(begin_reads: BeginReads) -> None:
    gate = Gate(expected=3)
    with Sandbox(rows=FIVE_PAGES // 2, page_hook=gate) as sandbox:
        reads = begin_reads(sandbox, at_once=3)
        with reads.open(INVOICES, upcoming=[TAXES, ITEMS, USERS], is_outdated=is_current):
            gate.wait_until_they_have_come()
        reads.close()
        gate.open()
        wait_for_reads()

        assert reading() == set()
        assert sorted(entry.resource or "" for entry in sandbox.ledger.requests()) == ["invoices", "items", "taxes"]


@pytest.mark.usefixtures("a_table_a_page")
def test_a_read_that_waits_for_its_taker_ends_on_closing(begin_reads: BeginReads) -> None:
    with Sandbox(rows={"invoices": 3 * FIVE_PAGES}) as sandbox:
        reads = begin_reads(sandbox)
        with reads.open(TAXES, upcoming=[INVOICES], is_outdated=is_current) as read:
            take(read)
        reads.close()
        wait_for_reads()

        assert len(requests_of(sandbox, "invoices")) <= FEW_PAGES


@pytest.mark.usefixtures("a_table_a_page")
def test_a_read_ends_where_its_taker_fails(begin_reads: BeginReads) -> None:
    with Sandbox(rows={"invoices": 3 * FIVE_PAGES}) as sandbox:
        reads = begin_reads(sandbox)
        with (
            pytest.raises(ZeroDivisionError),
            reads.open(INVOICES, upcoming=[], is_outdated=is_current) as read,
        ):
            _fail_on(next(iter(read)))
        wait_for_reads()

        assert len(requests_of(sandbox, "invoices")) <= FEW_PAGES


def test_a_session_that_cannot_be_opened_ahead_is_told_only_by_who_asks_for_it(sandbox: Sandbox) -> None:
    opened: list[ApiSession] = []

    def open_one(_: ResourceSpec) -> ApiSession:
        if opened:
            raise ConfigurationError("No client_secret.")
        opened.append(open_session_on(sandbox))
        return opened[-1]

    reads = Reads(open_session=open_one, at_once=4)
    with reads.open(INVOICES, upcoming=[TAXES], is_outdated=is_current) as read:
        assert take(read).num_rows == 3

    with (
        pytest.raises(ConfigurationError, match="No client_secret"),
        reads.open(TAXES, upcoming=[], is_outdated=is_current),
    ):
        pass
    wait_for_reads()


def test_progress_is_told_page_by_page_in_the_thread_that_takes_the_tables(begin_reads: BeginReads) -> None:
    told: list[tuple[int, int, threading.Thread]] = []

    def note(report: ScanReport) -> None:
        told.append((report.pages, report.rows, threading.current_thread()))

    with Sandbox(rows={"taxes": 450}) as sandbox:
        reads = begin_reads(sandbox)
        with reads.open(USERS, upcoming=[TAXES], is_outdated=is_current) as read:
            take(read)
            wait_for_reads("taxes")
        with reads.open(TAXES, upcoming=[], is_outdated=is_current) as read:
            read.on_page = note
            take(read)

    here = threading.current_thread()
    assert told == [(1, 200, here), (2, 400, here), (3, 450, here)]
