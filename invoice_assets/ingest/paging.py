"""Walking a list to its end, or to the end of a window, and refusing to be led astray.

Paginators of dlt's REST client; what a page is lives in `api/envelope.py`.
https://dlthub.com/docs/dlt-ecosystem/verified-sources/rest_api/basic#pagination
"""

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import requests
from dlt.sources.helpers.rest_client.paginators import BasePaginator

from invoice_assets.api.envelope import Page, Row, read_page
from invoice_assets.api.errors import InvalidResponseError
from invoice_assets.api.session import describe
from invoice_assets.ingest.windows import Window, parse_instant
from invoice_assets.resource_spec import Sort

MAX_PAGES = 25_000
"""Five million rows, more than twice what the largest daily quota of the API (10,000 requests) can bring."""


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
    its rows come again, and none is skipped. Only where one stamp fills a whole page, the next page is asked for. The
    walk ends with the list, or with the first row past the window. Where the server did not sort, it goes on by page
    number, and says so in the report.
    """

    def __init__(self, *, window: Window, **arguments: Any) -> None:
        super().__init__(**arguments)
        self._window = window
        self._from_stamp: str | None = None

    def init_request(self, request: requests.Request) -> None:
        """Start from the window's lower bound."""
        self._from_stamp = self._window.asks_from
        super().init_request(request)

    def update_request(self, request: requests.Request) -> None:
        """Ask for the page that comes next."""
        super().update_request(request)
        if self._from_stamp is not None:
            request.params["last_modified_time"] = self._from_stamp

    def _advance(self, page: Page) -> bool:
        stamps = [str(row.get(self._sort.column) or "") for row in page.rows]
        self._report.sort_ignored |= not (self._is_sorted(page) and _is_ascending(stamps))
        if not stamps or self._report.sort_ignored:
            self._page_number += 1
            return page.has_more_page
        self._report.last_stamp = stamps[-1]
        self._step_beyond(stamps[0], stamps[-1])
        return page.has_more_page and not self._window.ends_before(stamps[-1])

    def _step_beyond(self, first: str, last: str) -> None:
        if parse_instant(first) != parse_instant(last):
            self._from_stamp, self._page_number = last, 1
        elif self._from_stamp is not None and parse_instant(self._from_stamp) == parse_instant(last):
            self._page_number += 1
        else:
            self._from_stamp, self._page_number = last, 2


def _is_ascending(stamps: list[str]) -> bool:
    """Whether the stamps do not fall; one that cannot be read has no order."""
    try:
        instants = [parse_instant(stamp) for stamp in stamps]
    except ValueError:
        return False
    return all(earlier <= later for earlier, later in pairwise(instants))
