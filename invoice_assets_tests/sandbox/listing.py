"""List requests: what the query parameters ask for, and the page that answers them.

Unknown parameters are ignored, as the API does. How rows are kept is in `store.py`; who may ask is in `application.py`.
Where docs/api.md is silent, a comment at the spot says what was chosen.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from invoice_assets_tests.sandbox.clock import parse_timestamp
from invoice_assets_tests.sandbox.endpoints import Endpoint
from invoice_assets_tests.sandbox.errors import RefusedRequestError, invalid_value
from invoice_assets_tests.sandbox.store import Selection, Store
from invoice_assets_tests.sandbox.wire import encode

MAX_PER_PAGE = 200
MESSAGES = ("success", "Success", "success.", "Records fetched.")
"""The message varies, so that nobody comes to rely on it."""
SHOW_ALL = "Status.All"


@dataclass(frozen=True)
class ListQuery:
    """A list request as the server understood it."""

    endpoint: Endpoint
    page: int
    per_page: int
    sort_column: str
    sort_order: str
    conditions: tuple[tuple[str, str, str | int], ...]
    applied_filter: str

    def with_default_sort(self) -> ListQuery:
        """Return the same request as if it had not named a sort."""
        column, order = self.endpoint.default_sort
        return replace(self, sort_column=column, sort_order=order)


@dataclass(frozen=True)
class Page:
    """One answer: the envelope's parts before they are joined. `rows` are wire texts."""

    wrapper: str
    rows: list[str]
    context: dict[str, Any] | None
    message: str = MESSAGES[0]
    code: int = 0

    def body(self, *, with_wrapper: bool = True, as_list: bool = True) -> str:
        """Return the envelope as it goes over the wire."""
        joined = ",".join(self.rows)
        parts = [f'"code":{self.code}', f'"message":{encode(self.message)}']
        if with_wrapper:
            parts.append(f'"{self.wrapper}":' + (f"[{joined}]" if as_list else f'{{"rows":[{joined}]}}'))
        if self.context is not None:
            parts.append(f'"page_context":{encode(self.context)}')
        return "{" + ",".join(parts) + "}"


def parse_list_query(endpoint: Endpoint, parameters: Mapping[str, str]) -> ListQuery:
    """Return what a list request asks for.

    Raises:
        RefusedRequestError: HTTP 400 with code 2 or 4, for the value of a known parameter that the API does not accept.
    """
    sort_column, sort_order = _parse_sort(endpoint, parameters)
    applied_filter = _parse_filter_name(endpoint, parameters)
    return ListQuery(
        endpoint=endpoint,
        page=_parse_page(parameters),
        per_page=_parse_per_page(parameters),
        sort_column=sort_column,
        sort_order=sort_order,
        conditions=_parse_conditions(endpoint, parameters, applied_filter=applied_filter),
        applied_filter=applied_filter,
    )


def read_page(store: Store, query: ListQuery, *, message: str = MESSAGES[0]) -> Page:
    """Return the page that a query asks for; past the end it is empty."""
    selection = Selection(query.sort_column, query.sort_order == "D", query.conditions)
    rows, has_more = store.page(query.endpoint, selection, page=query.page, per_page=query.per_page)
    context = {
        "page": query.page,
        "per_page": query.per_page,
        "has_more_page": has_more,
        "report_name": query.endpoint.report_name or query.endpoint.name,
        "applied_filter": query.applied_filter,
        "custom_fields": [],
        "sort_column": query.sort_column,
        "sort_order": query.sort_order,
    }
    return Page(query.endpoint.wrapper, rows, context, message)


def _parse_page(parameters: Mapping[str, str]) -> int:
    # page=0 is answered like page 1 (chosen): a loader that sends page=0, 200, 400 stops after 200 rows, which is what
    # happens when page 0 is full and page 200 lies past the end. Other nonsense gets code 4 (chosen).
    text = parameters.get("page", "1")
    if not text.isdecimal() or len(text) > 9:
        raise RefusedRequestError(invalid_value("page", code=4))
    return max(1, int(text))


def _parse_per_page(parameters: Mapping[str, str]) -> int:
    # More than the maximum is cut to the maximum, and the echo shows it (chosen; the maximum alone is known).
    text = parameters.get("per_page", str(MAX_PER_PAGE))
    if not text.isdecimal() or len(text) > 9 or int(text) < 1:
        raise RefusedRequestError(invalid_value("per_page", code=4))
    return min(int(text), MAX_PER_PAGE)


def _parse_sort(endpoint: Endpoint, parameters: Mapping[str, str]) -> tuple[str, str]:
    # A column that is not accepted gets code 2; a sort without an order is ascending, an order alone turns the default
    # sort round (all three chosen).
    default_column, default_order = endpoint.default_sort
    column = parameters.get("sort_column", default_column)
    if column not in endpoint.accepted_sort_columns:
        raise RefusedRequestError(invalid_value("sort_column"))
    order = parameters.get("sort_order", "A" if "sort_column" in parameters else default_order)
    if order not in {"A", "D"}:
        raise RefusedRequestError(invalid_value("sort_order"))
    return column, order


def _parse_filter_name(endpoint: Endpoint, parameters: Mapping[str, str]) -> str:
    # Only Status.All and the name of a default filter are known; another value gets code 4 (chosen).
    default = SHOW_ALL if endpoint.default_filter is None else endpoint.default_filter.name
    name = parameters.get("filter_by", default)
    if name not in {SHOW_ALL, default}:
        raise RefusedRequestError(invalid_value("filter_by", code=4))
    return name


def _parse_conditions(
    endpoint: Endpoint, parameters: Mapping[str, str], *, applied_filter: str
) -> tuple[tuple[str, str, str | int], ...]:
    conditions: list[tuple[str, str, str | int]] = []
    hidden = endpoint.default_filter
    if hidden is not None and applied_filter == hidden.name:
        conditions.append((hidden.column, "<>", hidden.hidden_value))
    if endpoint.filters_modified_time and "last_modified_time" in parameters:
        since = parse_timestamp(parameters["last_modified_time"])
        if since is None:
            raise RefusedRequestError(invalid_value("last_modified_time"))
        conditions.append(("last_modified_time", ">=", since))
    if endpoint.filters_date:
        for name, operator in (("date_start", ">="), ("date_end", "<=")):
            if name in parameters:
                conditions.append(("date", operator, _parse_date(name, parameters[name])))
    return tuple(conditions)


def _parse_date(name: str, text: str) -> str:
    try:
        parsed = date.fromisoformat(text).isoformat()
    except ValueError:
        parsed = ""
    if parsed != text:
        raise RefusedRequestError(invalid_value(name))
    return parsed
