"""Walking a list from page to page, and refusing to be led astray.

A paginator of dlt's REST client; what a page is lives in `api/envelope.py`.
https://dlthub.com/docs/dlt-ecosystem/verified-sources/rest_api/basic#pagination
"""

from dataclasses import dataclass
from typing import Any

import requests
from dlt.sources.helpers.rest_client.paginators import PageNumberPaginator

from invoice_assets.api.envelope import Page, Row, read_page
from invoice_assets.api.errors import InvalidResponseError
from invoice_assets.api.session import describe
from invoice_assets.resource_spec import Sort

MAX_PAGES = 25_000
"""Five million rows, more than twice what the largest daily quota of the API (10,000 requests) can bring."""


@dataclass(kw_only=True)
class ScanReport:
    """What a walk through a list has seen so far."""

    pages: int = 0
    rows: int = 0
    sort_ignored: bool = False


class CheckedPageNumberPaginator(PageNumberPaginator):
    """Pages 1, 2, 3 … for as long as the server says that there are more.

    Where dlt's own would loop or stop early in silence, this one raises `InvalidResponseError`: on an answer for
    another page, on a page that repeats the one before, and on a list that never ends. What it sees is in `report`.
    """

    def __init__(self, *, wrapper: str, sort: Sort, report: ScanReport, max_pages: int = MAX_PAGES) -> None:
        super().__init__(
            base_page=1,
            page_param="page",
            total_path=None,
            has_more_path="page_context.has_more_page",
            stop_after_empty_page=False,
        )
        self._wrapper = wrapper
        self._sort = sort
        self._report = report
        self._max_pages = max_pages
        self._previous_rows: list[Row] | None = None

    def init_request(self, request: requests.Request) -> None:
        """Start from the first page."""
        self._previous_rows = None
        super().init_request(request)

    def update_state(self, response: requests.Response, data: list[Any] | None = None) -> None:
        """Check the page just read, and decide whether there is a next one."""
        asked = describe(response.request)
        page = read_page(response.json(), wrapper=self._wrapper, request=asked)
        self._refuse_to_be_led_astray(page, asked)
        self._note(page)
        self._has_next_page = page.has_more_page
        self.current_value += 1

    def _refuse_to_be_led_astray(self, page: Page, asked: str) -> None:
        complaint = None
        if page.number not in (None, self.current_value):
            complaint = f"was answered with page {page.number}"
        elif page.rows == self._previous_rows:
            complaint = "repeats the page before it, so rows are missing"
        elif page.has_more_page and self.current_value >= self._max_pages:
            complaint = f"still has more pages after it; {self._max_pages} pages is where this project stops"
        if complaint:
            raise InvalidResponseError(f"{asked} {complaint}. Nothing of this load was written; run again later.")

    def _note(self, page: Page) -> None:
        self._previous_rows = page.rows
        self._report.pages += 1
        self._report.rows += len(page.rows)
        self._report.sort_ignored |= not _is_sorted_by(self._sort, page)


def _is_sorted_by(sort: Sort, page: Page) -> bool:
    return page.sort_column in (None, sort.column) and page.sort_order in (None, sort.order)
