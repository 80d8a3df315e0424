"""Walking a list to its end, or to the end of a window, and refusing to be led astray.

Paginators of dlt's REST client; what a page is lives in `api/envelope.py`.
https://dlthub.com/docs/dlt-ecosystem/verified-sources/rest_api/basic#pagination
"""

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import requests
from dlt.sources.helpers.rest_client.paginators import BasePaginator

from invoice_assets.api.envelope import PAGE_SIZE, Page, Row, read_page
from invoice_assets.api.errors import InvalidResponseError
from invoice_assets.api.session import describe
from invoice_assets.ingest.windows import Window, parse_instant
from invoice_assets.resource_spec import Sort

MAX_PAGES = 25_000
"""Five million rows, more than twice what the largest daily quota of the API (10,000 requests) can bring."""

LARGEST_OVERLAP = 99
"""Pages of 101 rows: smaller ones would not advance. Beyond 10,100 rows of one stamp, pages follow without overlap."""
MAX_RESTARTS = 5


@dataclass(kw_only=True)
class ScanReport:
    """What a walk through a list has seen so far; `on_page` is told after each page."""

    pages: int = 0
    rows: int = 0
    sort_ignored: bool = False
    last_stamp: str | None = None
    on_page: Callable[["ScanReport"], None] | None = None


class CheckedPaginator(BasePaginator):
    """Reads pages and checks each; a subclass decides what to ask for next.

    Where dlt's own would loop or stop early in silence, this one raises `InvalidResponseError`: on an answer for
    another page, on a page that repeats the one before, and on a list that never ends. What it sees is in `report`.
    dlt copies its configuration to validate it; a paginator serves one walk and stays itself.
    """

    def __init__(self, *, wrapper: str, sort: Sort, report: ScanReport, max_pages: int = MAX_PAGES) -> None:
        super().__init__()
        self._wrapper = wrapper
        self._sort = sort
        self._report = report
        self._max_pages = max_pages
        self._previous_rows: list[Row] | None = None
        self._page_number = 1

    def __deepcopy__(self, memo: dict[int, Any]) -> "CheckedPaginator":
        return self

    def init_request(self, request: requests.Request) -> None:
        """Start from the first page."""
        self._has_next_page = True
        self._previous_rows = None
        self._page_number = 1
        self.update_request(request)

    def update_request(self, request: requests.Request) -> None:
        """Ask for the page that comes next."""
        request.params = {**(request.params or {}), "page": self._page_number}

    def update_state(self, response: requests.Response, data: list[Any] | None = None) -> None:
        """Check the page just read, and decide whether there is a next one."""
        asked = describe(response.request)
        page = read_page(response.json(), wrapper=self._wrapper, request=asked)
        self._refuse_to_be_led_astray(page, asked)
        self._previous_rows = page.rows
        self._has_next_page = self._advance(page)
        self._report.pages += 1
        self._report.rows += len(page.rows)
        if self._report.on_page:
            self._report.on_page(self._report)

    @abstractmethod
    def _advance(self, page: Page) -> bool:
        """Take in a checked page; returns whether there is more to ask for, and what that is."""

    def _refuse_to_be_led_astray(self, page: Page, asked: str) -> None:
        complaint = None
        if page.number not in (None, self._page_number):
            complaint = f"was answered with page {page.number}"
        elif page.rows == self._previous_rows:
            complaint = "repeats the page before it, so rows are missing"
        elif page.has_more_page and self._report.pages + 1 >= self._max_pages:
            complaint = f"still has more pages after it; {self._max_pages} pages is where this project stops"
        if complaint:
            raise InvalidResponseError(f"{asked} {complaint}. Nothing of this load was written; run again later.")

    def _is_sorted(self, page: Page) -> bool:
        return page.sort_column in (None, self._sort.column) and page.sort_order in (None, self._sort.order)


class PageNumberPaginator(CheckedPaginator):
    """Pages 1, 2, 3 … for as long as the server says that there are more."""

    def _advance(self, page: Page) -> bool:
        self._report.sort_ignored |= not self._is_sorted(page)
        self._page_number += 1
        return page.has_more_page


class KeysetPaginator(CheckedPaginator):
    """Asks again from the last stamp seen, so that rows which change meanwhile shift no page.

    Rows come sorted by their stamp. The next request asks for rows modified at or after the last stamp of this page:
    its rows come again, and none is skipped. The walk ends with the list, or with the first row past the window. Where
    one stamp fills a whole page, the pages of that stamp overlap (`_StampPages`). Where the server did not sort, the
    walk goes on by page number, and says so in the report.
    """

    def __init__(self, *, window: Window, primary_key: str, **arguments: Any) -> None:
        super().__init__(**arguments)
        self._window = window
        self._primary_key = primary_key
        self._from_stamp: str | None = None
        self._stamp_pages: _StampPages | None = None

    def init_request(self, request: requests.Request) -> None:
        """Start from the lower bound that the request asks for, if any."""
        self._from_stamp = (request.params or {}).get("last_modified_time")
        self._stamp_pages = None
        super().init_request(request)

    def update_request(self, request: requests.Request) -> None:
        """Ask for the page that comes next."""
        super().update_request(request)
        request.params["per_page"] = self._stamp_pages.size if self._stamp_pages else PAGE_SIZE
        if self._from_stamp is not None:
            request.params["last_modified_time"] = self._from_stamp

    def _advance(self, page: Page) -> bool:
        stamps = [str(row.get(self._sort.column) or "") for row in page.rows]
        keys = [str(row.get(self._primary_key)) for row in page.rows]
        self._report.sort_ignored |= not (self._is_sorted(page) and _is_ascending(stamps))
        if self._stamp_pages and not self._report.sort_ignored and self._stamp_pages.have_shifted(keys):
            self._stamp_pages, self._page_number = self._stamp_pages.restart(), 1
            return True
        if not stamps or self._report.sort_ignored:
            self._stamp_pages = None
            self._page_number += 1
            return page.has_more_page
        self._report.last_stamp = stamps[-1]
        self._step_beyond(stamps[0], stamps[-1], keys)
        return page.has_more_page and not self._window.ends_before(stamps[-1])

    def _step_beyond(self, first: str, last: str, keys: list[str]) -> None:
        if parse_instant(first) != parse_instant(last):
            self._from_stamp, self._stamp_pages, self._page_number = last, None, 1
            return
        self._stamp_pages = (self._stamp_pages or _StampPages()).after(keys)
        self._from_stamp, self._page_number = last, self._stamp_pages.number


@dataclass(frozen=True)
class _StampPages:
    """Pages of rows that share one stamp: each begins with rows of the page before, so that a shift shows.

    Page k + 1 of 200 - k rows begins at row k * (200 - k), which is k rows before the end of the page before. Where the
    last row read does not stand there again, a row before it has left, and the stamp is read from its beginning.
    """

    overlap: int = 0
    last_key: str | None = None
    restarts: int = 0
    page_beyond_overlaps: int | None = None

    @property
    def number(self) -> int:
        """The page to ask for."""
        return self.page_beyond_overlaps or self.overlap + 1

    @property
    def size(self) -> int:
        """Its rows."""
        return PAGE_SIZE if self.page_beyond_overlaps else PAGE_SIZE - self.overlap

    def after(self, keys: list[str]) -> "_StampPages":
        """What to ask for after a page with these keys."""
        if self.page_beyond_overlaps:
            return replace(self, page_beyond_overlaps=self.page_beyond_overlaps + 1)
        if self.overlap == LARGEST_OVERLAP:
            rows_read = (self.overlap + 1) * (PAGE_SIZE - self.overlap)
            return replace(self, page_beyond_overlaps=rows_read // PAGE_SIZE + 1)
        return replace(self, overlap=self.overlap + 1, last_key=keys[-1])

    def have_shifted(self, keys: list[str]) -> bool:
        """Whether a page with these keys lacks the row that the page before ended with."""
        if self.last_key is None or self.page_beyond_overlaps:
            return False
        return self.last_key not in keys[: self.overlap]

    def restart(self) -> "_StampPages":
        """The stamp from its beginning.

        Raises:
            InvalidResponseError: The rows of the stamp kept changing while they were read.
        """
        if self.restarts == MAX_RESTARTS:
            raise InvalidResponseError(
                "Many rows share one last_modified_time and kept changing while they were read. Nothing of this load "
                "was written; run again when the bulk edit at the source is over."
            )
        return _StampPages(restarts=self.restarts + 1)


def _is_ascending(stamps: list[str]) -> bool:
    """Whether the stamps do not fall; one that cannot be read has no order."""
    try:
        instants = [parse_instant(stamp) for stamp in stamps]
    except ValueError:
        return False
    return all(earlier <= later for earlier, later in pairwise(instants))
