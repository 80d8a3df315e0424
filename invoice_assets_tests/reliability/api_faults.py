"""What the API and its accounts server do wrong while a resource is loaded, and what comes of it.

What a row means lives in `faults.py`; what the warehouse does wrong, in `warehouse_faults.py`.
"""

from invoice_assets.api.errors import (
    InvalidResponseError,
    PermissionDeniedError,
    QuotaExceededError,
    TokenRejectedError,
    TokenThrottledError,
)
from invoice_assets.errors import InvoicingError, PermanentError, TransientError
from invoice_assets_tests.reliability import strikes
from invoice_assets_tests.reliability.fault_scene import Moment
from invoice_assets_tests.reliability.faults import Fault

PAGE_2 = "GET /invoice/v3/items, page 2, "


def _answers(
    name: str, fault: str, *, error: type[InvoicingError], says: str, retried: bool = False, concerns_all: bool = False
) -> Fault:
    """A fault of the sandbox that strikes page 2 and all later ones, or, where that is retried, also only once."""
    return Fault(
        name=name,
        passing=strikes.answers(fault, times=1) if retried else None,
        lasting=strikes.answers(fault),
        error=error,
        says=PAGE_2 + says,
        concerns_all=concerns_all,
    )


API_FAULTS = (
    Fault(
        name="the API refuses connections",
        lasting=strikes.api_is_gone,
        moment=Moment.AT_ITS_SECOND_PAGE,
        error=TransientError,
        says=PAGE_2
        + (
            "did not get through (ConnectionError). Check INVOICE_API_BASE_URL and the network; a later run can "
            "succeed."
        ),
    ),
    _answers(
        "the connection closes before the answer",
        "connection_dropped",
        error=TransientError,
        says=(
            "did not get through (ConnectionError). Check INVOICE_API_BASE_URL and the network; a later run can "
            "succeed."
        ),
        retried=True,
    ),
    _answers(
        "the connection is reset in mid-body",
        "reset_in_mid_body",
        error=TransientError,
        says=(
            "did not get through (ChunkedEncodingError). Check INVOICE_API_BASE_URL and the network; a later run "
            "can succeed."
        ),
        retried=True,
    ),
    Fault(
        name="an answer drips in slowly, within the read time-out",
        passing=strikes.answers("slow_drip", seconds=0.5),
    ),
    Fault(
        name="no answer within the read time-out",
        passing=strikes.times_out(times=1),
        lasting=strikes.times_out(),
        error=TransientError,
        says=PAGE_2
        + ("did not get through (ReadTimeout). Check INVOICE_API_BASE_URL and the network; a later run can succeed."),
    ),
    _answers(
        "truncated JSON",
        "truncated_json",
        error=InvalidResponseError,
        says=(
            "answered … bytes that are no JSON (Input data was truncated). If that stays so, check "
            "INVOICE_API_BASE_URL; a later run can succeed."
        ),
        retried=True,
    ),
    _answers(
        "HTML instead of JSON",
        "html_instead_of_json",
        error=InvalidResponseError,
        says=(
            "answered … bytes that are no JSON (a web page). If that stays so, check INVOICE_API_BASE_URL; a later run "
            "can succeed."
        ),
    ),
    _answers(
        "500, code 1000",
        "internal_error_1000",
        error=TransientError,
        says='answered 500 "Internal Error" (code 1000). A later run can succeed.',
        retried=True,
    ),
    _answers(
        "502 with HTML",
        "bad_gateway_502",
        error=TransientError,
        says="answered 502. A later run can succeed.",
        retried=True,
    ),
    _answers(
        "503 with HTML",
        "unavailable_503",
        error=TransientError,
        says="answered 503. A later run can succeed.",
        retried=True,
    ),
    _answers(
        "504 with HTML",
        "gateway_timeout_504",
        error=TransientError,
        says="answered 504. A later run can succeed.",
        retried=True,
    ),
    _answers(
        "401, code 14",
        "unauthorized_14",
        error=PermissionDeniedError,
        says=(
            'answered 401 "Invalid value passed for authtoken." (code 14). The Authorization header was not '
            "understood; check INVOICE_API_AUTH_SCHEME."
        ),
    ),
    _answers(
        "401, code 57: a dead access token, or a missing scope where it lasts",
        "dead_token_57",
        error=PermissionDeniedError,
        says=(
            'answered 401 "You are not authorized to perform this operation" (code 57). A scope of the client, or '
            "a permission of its user, is missing: `invoice-assets authorize` obtains a grant with all scopes."
        ),
        retried=True,
    ),
    _answers(
        "400, code 2",
        "invalid_value_2",
        error=PermanentError,
        says=(
            'answered 400 "Invalid value passed for last_modified_time" (code 2). A parameter was refused and a '
            "rerun sends the same; see docs/api.md."
        ),
    ),
    _answers(
        "400, code 4",
        "invalid_value_4",
        error=PermanentError,
        says=(
            'answered 400 "Invalid value passed for per_page" (code 4). A parameter was refused and a rerun sends '
            "the same; see docs/api.md."
        ),
    ),
    _answers(
        "400, code 6041: wrong organisation",
        "wrong_organization_6041",
        error=PermanentError,
        says=(
            'answered 400 "This user is not associated with the CompanyID/CompanyName:Unknown organization." (code '
            "6041). Check INVOICE_API_ORGANIZATION_ID: the user does not belong to it."
        ),
    ),
    _answers(
        "400, code 9017: no organisation",
        "missing_organization_9017",
        error=PermanentError,
        says=(
            'answered 400 "Please specify the organization: this user belongs to several." (code 9017). Set '
            "INVOICE_API_ORGANIZATION_ID: the user belongs to several organisations."
        ),
    ),
    _answers(
        "404, code 5",
        "invalid_url_5",
        error=PermanentError,
        says='answered 404 "Invalid URL Passed" (code 5). Check INVOICE_API_BASE_URL: it ends in /invoice/v3/.',
    ),
    _answers(
        "429, code 44",
        "too_many_requests_44",
        error=QuotaExceededError,
        says=(
            'answered 429 "For security reasons you have been blocked: too many requests within a minute." (code '
            "44). Too many requests within a minute; lower INVOICE_API_REQUESTS_PER_MINUTE. A later run can "
            "succeed."
        ),
        retried=True,
    ),
    _answers(
        "429, code 43, `Retry-After: 3600`",
        "blocked_43",
        error=QuotaExceededError,
        says=(
            'answered 429 "For security reasons you have been blocked for some time: maximum exceeded." (code 43). '
            "The organisation is blocked after a burst of requests. Run again after … UTC; sooner runs are refused "
            "too."
        ),
        concerns_all=True,
    ),
    _answers(
        "429, code 45",
        "daily_quota_45",
        error=QuotaExceededError,
        says=(
            'answered 429 "You have exceeded the maximum number of API calls of this organization today." (code '
            "45). The organisation's daily quota is used up. Run again after … UTC; sooner runs are refused too."
        ),
        concerns_all=True,
    ),
    _answers(
        "429, code 1070",
        "too_many_in_flight_1070",
        error=QuotaExceededError,
        says=(
            'answered 429 "The maximum number of in process requests for this organization is reached." (code '
            "1070). Too many requests in flight; other applications share this limit. A later run can succeed."
        ),
        retried=True,
    ),
    _answers(
        "a non-zero code inside a 200",
        "code_in_200",
        error=TransientError,
        says='answered 200 "Internal Error" (code 1000). A later run can succeed.',
    ),
    _answers(
        "a 200 without the wrapper key",
        "missing_wrapper_key",
        error=InvalidResponseError,
        says=(
            "answered 200 without a list of rows under 'items'. An outdated host answers so; check "
            "INVOICE_API_BASE_URL, then run again."
        ),
    ),
    _answers(
        "another page than the one asked for",
        "wrong_page_echoed",
        error=InvalidResponseError,
        says="was answered with page 3. Nothing of this load was written; run again later.",
    ),
    _answers(
        "a page that repeats the one before",
        "repeated_page",
        error=InvalidResponseError,
        says=("repeats the page before it, so rows are missing. Nothing of this load was written; run again later."),
    ),
    Fault(
        name="a `has_more_page` that never ends",
        lasting=strikes.answers("endless_pages"),
        error=InvalidResponseError,
        says=(
            "GET /invoice/v3/items, page 4, repeats the page before it, so rows are missing. Nothing of this load "
            "was written; run again later."
        ),
    ),
    Fault(
        name="the accounts server throttles",
        lasting=strikes.accounts_server_answers("token_throttled"),
        moment=Moment.AT_ITS_FIRST_PAGE,
        error=TokenThrottledError,
        says=(
            "POST https://…/oauth/v2/token answered 400 (Access Denied): too many access tokens were asked for. "
            "Wait ten minutes before the next run; asking sooner extends the lock-out."
        ),
        concerns_all=True,
    ),
    Fault(
        name="the refresh token is expired or revoked",
        lasting=strikes.accounts_server_answers("token_invalid_code"),
        moment=Moment.AT_ITS_FIRST_PAGE,
        error=TokenRejectedError,
        says=(
            "POST https://…/oauth/v2/token answered 200 (invalid_code). Check that INVOICE_API_TOKEN_URL is of "
            "your data centre, and the client id, client secret and refresh token; where one is revoked, "
            "`invoice-assets authorize` obtains a new grant. These credentials are not sent again before … UTC."
        ),
        concerns_all=True,
    ),
)
