"""The faults, each declared once by name: what goes wrong, and how.

When a fault strikes is scripted with `fault_scripts.py`; the bytes of broken answers are in `responses.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from starlette.responses import RedirectResponse, Response

from invoice_assets_tests.sandbox import errors
from invoice_assets_tests.sandbox.accounts import THROTTLED_BODY
from invoice_assets_tests.sandbox.errors import ApiError
from invoice_assets_tests.sandbox.limits import BLOCK_SECONDS
from invoice_assets_tests.sandbox.listing import ListQuery, Page
from invoice_assets_tests.sandbox.responses import (
    DroppedConnection,
    ResetInMidBody,
    SlowDrip,
    error_response,
    html_response,
    json_response,
)
from invoice_assets_tests.sandbox.wire import encode

HANG_SECONDS = 30.0
DRIP_SECONDS = 2.0


@dataclass(frozen=True, kw_only=True)
class FaultParameters:
    """What a script may set; a fault ignores those that it has no use for.

    `seconds` is for hang and slow_drip, `retry_after` (seconds) for every refusal, `code` for code_in_200, `location`
    for redirect_to_other_host (default: this very server under its other name, localhost).
    """

    seconds: float | None = None
    retry_after: int | None = None
    code: int | None = None
    location: str | None = None


Reader = Callable[[ListQuery], Page]


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One way to go wrong; it fills in one of the behaviours.

    `answer` replaces the answer, `read` changes which page is made, `respond` changes how a page is sent, `waits` holds
    the answer back, and `change_token` edits the answer of a token request that would have succeeded.
    """

    name: str
    description: str
    is_for_tokens: bool = False
    answer: Callable[[FaultParameters], Response] | None = None
    read: Callable[[Reader, ListQuery], Page] | None = None
    respond: Callable[[Page, FaultParameters], Response] | None = None
    waits: bool = False
    change_token: Callable[[Mapping[str, object]], Mapping[str, object]] | None = None


def _retry_after(parameters: FaultParameters, default: int | None = None) -> dict[str, str]:
    seconds = default if parameters.retry_after is None else parameters.retry_after
    return {} if seconds is None else {"Retry-After": str(seconds)}


def _refusal(name: str, error: ApiError, *, retry_after: int | None = None) -> Fault:
    """Return the fault that answers with one of the API's errors."""
    return Fault(
        name=name,
        description=f"HTTP {error.status} with code {error.code}",
        answer=lambda parameters: error_response(error, headers=_retry_after(parameters, retry_after)),
    )


def _gateway(name: str, status: int, title: str) -> Fault:
    """Return the fault that answers with a gateway's HTML page (that 503 and 504 are HTML too is a guess)."""
    return Fault(
        name=name,
        description=f"HTTP {status} with an HTML body",
        answer=lambda parameters: html_response(f"{status} {title}", status=status, headers=_retry_after(parameters)),
    )


def _token_answer(name: str, body: Mapping[str, object], *, status: int = 200) -> Fault:
    """Return the fault that answers a token request with this JSON."""
    text = encode(body)
    return Fault(
        name=name,
        description=f"HTTP {status} {text}",
        is_for_tokens=True,
        answer=lambda parameters: json_response(text, status=status, headers=_retry_after(parameters)),
    )


def _without(key: str) -> Callable[[Mapping[str, object]], Mapping[str, object]]:
    return lambda body: {name: value for name, value in body.items() if name != key}


def _with_context(answer: Page, **changes: object) -> Page:
    return replace(answer, context={**(answer.context or {}), **changes})


def _refuse_in_200(page: Page, parameters: FaultParameters) -> Response:
    code = parameters.code or errors.INTERNAL_ERROR.code
    refused = replace(page, rows=[], code=code, message=errors.INTERNAL_ERROR.message)
    return json_response(_with_context(refused, has_more_page=False).body())


def _truncate(page: Page, _parameters: FaultParameters) -> Response:
    body = page.body()
    return json_response(body[: len(body) * 2 // 3])


def _redirect(parameters: FaultParameters) -> Response:
    return RedirectResponse(parameters.location or "http://localhost/", status_code=302)


def _read_previous_page(read: Reader, query: ListQuery) -> Page:
    previous = read(replace(query, page=max(1, query.page - 1)))
    return replace(previous, context=read(query).context)


def _read_with_duplicate(read: Reader, query: ListQuery) -> Page:
    page = read(query)
    return replace(page, rows=page.rows + page.rows[:1])


REFUSALS = (
    _refusal("unauthorized_14", errors.UNAUTHORIZED),
    _refusal("dead_token_57", errors.NOT_AUTHORIZED),
    _refusal("invalid_value_2", errors.invalid_value("last_modified_time")),
    _refusal("invalid_value_4", errors.invalid_value("per_page", code=4)),
    _refusal("wrong_organization_6041", errors.WRONG_ORGANIZATION),
    _refusal("missing_organization_9017", errors.MISSING_ORGANIZATION),
    _refusal("invalid_url_5", errors.INVALID_URL),
    _refusal("too_many_requests_44", errors.TOO_MANY_REQUESTS),
    _refusal("blocked_43", errors.BLOCKED, retry_after=BLOCK_SECONDS),
    _refusal("daily_quota_45", errors.DAILY_QUOTA_USED_UP),
    _refusal("too_many_in_flight_1070", errors.TOO_MANY_IN_FLIGHT),
    _refusal("internal_error_1000", errors.INTERNAL_ERROR),
    _gateway("bad_gateway_502", 502, "Bad Gateway"),
    _gateway("unavailable_503", 503, "Service Temporarily Unavailable"),
    _gateway("gateway_timeout_504", 504, "Gateway Time-out"),
)

BROKEN_ANSWERS = (
    Fault(
        name="code_in_200",
        description="HTTP 200 whose code is not 0, with an empty list under the right key",
        respond=_refuse_in_200,
    ),
    Fault(
        name="missing_wrapper_key",
        description="a success without the list",
        respond=lambda page, _: json_response(page.body(with_wrapper=False)),
    ),
    Fault(
        name="wrapper_is_not_a_list",
        description="the rows are inside an object",
        respond=lambda page, _: json_response(page.body(as_list=False)),
    ),
    Fault(
        name="html_instead_of_json",
        description="HTTP 200 with a web page",
        answer=lambda _: html_response("Sign in", status=200),
    ),
    Fault(name="truncated_json", description="a complete HTTP answer whose JSON breaks off", respond=_truncate),
    Fault(name="redirect_to_other_host", description="HTTP 302 to another host name", answer=_redirect),
)

BROKEN_CONNECTIONS = (
    Fault(
        name="connection_dropped",
        description="the connection is closed before any answer",
        answer=lambda _: DroppedConnection(),
    ),
    Fault(
        name="reset_in_mid_body",
        description="the connection is reset after half of the body",
        respond=lambda page, _: ResetInMidBody(page.body()),
    ),
    Fault(
        name="slow_drip",
        description=f"the right answer in small pieces, spread over `seconds` (default {DRIP_SECONDS:g})",
        respond=lambda page, parameters: SlowDrip(page.body(), seconds=parameters.seconds or DRIP_SECONDS),
    ),
    Fault(
        name="hang",
        description=f"nothing for `seconds` (default {HANG_SECONDS:g}), then the right answer",
        waits=True,
    ),
)

BROKEN_PAGING = (
    Fault(
        name="wrong_page_echoed",
        description="page_context names the next page instead of this one",
        read=lambda read, query: _with_context(read(query), page=query.page + 1),
    ),
    Fault(
        name="endless_pages",
        description="has_more_page is always true",
        read=lambda read, query: _with_context(read(query), has_more_page=True),
    ),
    Fault(
        name="repeated_page",
        description="every page but the first has the rows of the page before, and echoes its own number",
        read=_read_previous_page,
    ),
    Fault(
        name="ignored_page",
        description="always page 1, echoed as page 1",
        read=lambda read, query: read(replace(query, page=1)),
    ),
    Fault(
        name="ignored_sort",
        description="the rows come in the default sort, and the echo says so",
        read=lambda read, query: read(query.with_default_sort()),
    ),
    Fault(
        name="missing_page_context",
        description="no page_context",
        read=lambda read, query: replace(read(query), context=None),
    ),
    Fault(
        name="duplicated_row",
        description="the first row of the page comes again at its end",
        read=_read_with_duplicate,
    ),
)

TOKEN_FAULTS = (
    _token_answer("token_invalid_code", {"error": "invalid_code"}),
    _token_answer("token_invalid_client", {"error": "invalid_client"}),
    _token_answer("token_throttled", THROTTLED_BODY, status=400),
    _token_answer("token_internal_error_500", {"error": "internal_error"}, status=500),
    Fault(
        name="token_html",
        description="HTTP 200 with a web page",
        is_for_tokens=True,
        answer=lambda _: html_response("Accounts", status=200),
    ),
    Fault(
        name="token_without_access_token",
        description="HTTP 200 with neither a token nor an error",
        is_for_tokens=True,
        change_token=_without("access_token"),
    ),
    Fault(
        name="token_connection_dropped",
        description="the connection is closed before any answer",
        is_for_tokens=True,
        answer=lambda _: DroppedConnection(),
    ),
    Fault(
        name="token_hang",
        description=f"nothing for `seconds` (default {HANG_SECONDS:g}), then the right answer",
        is_for_tokens=True,
        waits=True,
    ),
    Fault(
        name="token_expires_in_absent",
        description="a good token that does not say when it expires",
        is_for_tokens=True,
        change_token=_without("expires_in"),
    ),
)

FAULTS: Mapping[str, Fault] = {
    fault.name: fault for fault in (*REFUSALS, *BROKEN_ANSWERS, *BROKEN_CONNECTIONS, *BROKEN_PAGING, *TOKEN_FAULTS)
}
