"""`api/errors.py`: what each refusal of the API becomes, driven over HTTP.

The table of refusals is that of docs/api.md, "Envelope, errors, limits".
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta

import pytest

from invoice_assets.api.errors import (
    ConfigurationError,
    InvalidResponseError,
    PermissionDeniedError,
    QuotaExceededError,
    TokenRejectedError,
    TokenThrottledError,
    error_from_answer,
)
from invoice_assets.api.retries import RetryPolicy
from invoice_assets.errors import InvoicingError, PermanentError, TransientError
from invoice_assets_tests.conftest import Answer, AnsweringServer, OpenSession
from invoice_assets_tests.sandbox.server import Sandbox

AT_ONCE = RetryPolicy(max_retries=0)
HALF_A_DAY_S = 43_200


@pytest.mark.parametrize(
    ("fault", "status", "code", "error_class", "transient", "next_step"),
    [
        pytest.param("unauthorized_14", 401, 14, PermissionDeniedError, False, "INVOICE_API_AUTH_SCHEME", id="14"),
        pytest.param("dead_token_57", 401, 57, PermissionDeniedError, False, "scope", id="57"),
        pytest.param("invalid_value_2", 400, 2, PermanentError, False, "docs/api.md", id="2"),
        pytest.param("invalid_value_4", 400, 4, PermanentError, False, "docs/api.md", id="4"),
        pytest.param("wrong_organization_6041", 400, 6041, PermanentError, False, "ORGANIZATION_ID", id="6041"),
        pytest.param("missing_organization_9017", 400, 9017, PermanentError, False, "ORGANIZATION_ID", id="9017"),
        pytest.param("invalid_url_5", 404, 5, PermanentError, False, "INVOICE_API_BASE_URL", id="5"),
        pytest.param("too_many_requests_44", 429, 44, QuotaExceededError, True, "REQUESTS_PER_MINUTE", id="44"),
        pytest.param("blocked_43", 429, 43, QuotaExceededError, True, "Run again after", id="43"),
        pytest.param("daily_quota_45", 429, 45, QuotaExceededError, True, "daily quota", id="45"),
        pytest.param("too_many_in_flight_1070", 429, 1070, QuotaExceededError, True, "in flight", id="1070"),
        pytest.param("internal_error_1000", 500, 1000, TransientError, True, "A later run can succeed", id="1000"),
    ],
)
def test_a_refusal_says_what_failed_why_and_what_to_do(
    sandbox: Sandbox,
    open_session: OpenSession,
    fault: str,
    status: int,
    code: int,
    error_class: type[InvoicingError],
    transient: bool,
    next_step: str,
) -> None:
    sandbox.script(fault)

    with pytest.raises(InvoicingError) as raised:
        open_session(policy=AT_ONCE).get(sandbox.url("invoices"), params={"page": 3})

    error = raised.value
    assert (type(error), error.transient) == (error_class, transient)
    assert isinstance(error, TransientError if transient else PermanentError)
    assert str(error).startswith(f'GET /invoice/v3/invoices, page 3, answered {status} "')
    assert f'" (code {code}). ' in str(error)
    assert next_step in str(error).partition(f"(code {code}). ")[2]


@pytest.mark.parametrize(
    ("fault", "status"),
    [
        pytest.param("bad_gateway_502", 502, id="502"),
        pytest.param("unavailable_503", 503, id="503"),
        pytest.param("gateway_timeout_504", 504, id="504"),
    ],
)
def test_a_gateway_s_page_is_a_transient_error_without_code_and_body(
    sandbox: Sandbox, open_session: OpenSession, fault: str, status: int
) -> None:
    sandbox.script(fault)

    with pytest.raises(TransientError) as raised:
        open_session(policy=AT_ONCE).get(sandbox.url("items"))

    assert str(raised.value) == f"GET /invoice/v3/items answered {status}. A later run can succeed."


@pytest.mark.parametrize(
    ("status", "error_class", "next_step"),
    [
        pytest.param(302, PermanentError, "Redirects are not followed", id="302"),
        pytest.param(400, PermanentError, "docs/api.md", id="400"),
        pytest.param(403, PermissionDeniedError, "scopes", id="403"),
        pytest.param(404, PermanentError, "docs/api.md", id="404"),
        pytest.param(408, TransientError, "A later run can succeed", id="408"),
        pytest.param(429, QuotaExceededError, "fewer requests", id="429"),
        pytest.param(501, TransientError, "A later run can succeed", id="501"),
    ],
)
@pytest.mark.parametrize("code", [pytest.param(None, id="no-code"), pytest.param(987654, id="unknown-code")])
def test_an_answer_that_the_api_never_documented_goes_by_its_status(
    status: int, code: int | None, error_class: type[InvoicingError], next_step: str
) -> None:
    error = error_from_answer("GET /items", status=status, code=code, message="")

    assert type(error) is error_class
    assert str(error).startswith(f"GET /items answered {status}")
    assert next_step in str(error)


def test_a_long_message_of_the_server_is_cut() -> None:
    error = error_from_answer("GET /items", status=400, code=2, message="x" * 201)

    assert f' "{"x" * 200}" (code 2)' in str(error)


def test_the_error_of_a_block_says_when_it_ends(sandbox: Sandbox, open_session: OpenSession) -> None:
    sandbox.script("blocked_43", retry_after=3600)
    session = open_session()
    earliest = datetime.now(UTC) + timedelta(hours=1)

    with pytest.raises(QuotaExceededError) as raised:
        session.get(sandbox.url("items"))

    resume_at = raised.value.resume_at
    assert resume_at is not None
    assert earliest <= resume_at <= datetime.now(UTC) + timedelta(hours=1)
    assert f"Run again after {resume_at:%Y-%m-%d %H:%M:%S} UTC" in str(raised.value)


def test_the_error_of_a_used_up_day_says_when_the_next_one_begins(
    answering_server: AnsweringServer, open_session: OpenSession
) -> None:
    answering_server.answers = [
        Answer(429, b'{"code":45,"message":"used up"}', {"X-Rate-Limit-Reset": str(HALF_A_DAY_S)})
    ]
    session = open_session(policy=AT_ONCE, base_url=answering_server.url("/"))
    earliest = datetime.now(UTC) + timedelta(seconds=HALF_A_DAY_S)

    with pytest.raises(QuotaExceededError) as raised:
        session.get(answering_server.url("/items"))

    resume_at = raised.value.resume_at
    assert resume_at is not None
    assert earliest <= resume_at <= datetime.now(UTC) + timedelta(seconds=HALF_A_DAY_S)


@pytest.mark.parametrize(
    "reset", [pytest.param(str(10**14), id="beyond-the-calendar"), pytest.param("midnight", id="a-word")]
)
def test_a_reset_that_makes_no_sense_is_still_a_quota_error(
    answering_server: AnsweringServer, open_session: OpenSession, reset: str
) -> None:
    answering_server.answers = [Answer(429, b'{"code":45,"message":"used up"}', {"X-Rate-Limit-Reset": reset})]

    with pytest.raises(QuotaExceededError, match="daily quota"):
        open_session(policy=AT_ONCE, base_url=answering_server.url("/")).get(answering_server.url("/items"))


@pytest.mark.parametrize("code", [pytest.param(44, id="a-minute"), pytest.param(1070, id="in-flight")])
def test_a_short_limit_does_not_send_the_reader_away_until_midnight(
    answering_server: AnsweringServer, open_session: OpenSession, code: int
) -> None:
    """X-Rate-Limit-Reset stands in every answer and tells when the daily quota is renewed, nothing else."""
    answering_server.answers = [
        Answer(429, b'{"code":%d,"message":"slower"}' % code, {"X-Rate-Limit-Reset": str(HALF_A_DAY_S)})
    ]

    with pytest.raises(QuotaExceededError) as raised:
        open_session(policy=AT_ONCE, base_url=answering_server.url("/")).get(answering_server.url("/items"))

    resume_at = raised.value.resume_at
    assert resume_at is None or resume_at <= datetime.now(UTC) + timedelta(minutes=1)


def test_a_quota_error_without_a_hint_still_says_that_a_later_run_can_succeed() -> None:
    error = error_from_answer("GET /items", status=429, code=None, message="")

    assert isinstance(error, QuotaExceededError)
    assert error.resume_at is None
    assert str(error).endswith("A later run can succeed.")


def test_the_instant_to_resume_at_is_shown_in_utc() -> None:
    resume_at = datetime.fromisoformat("2026-06-09T23:30:00-04:00")

    error = error_from_answer("GET /items", status=429, code=43, message="", resume_at=resume_at)

    assert "Run again after 2026-06-10 03:30:00 UTC" in str(error)


@pytest.mark.parametrize(
    ("error_class", "transient"),
    [
        pytest.param(ConfigurationError, False, id="configuration"),
        pytest.param(TokenRejectedError, False, id="token-rejected"),
        pytest.param(PermissionDeniedError, False, id="permission-denied"),
        pytest.param(TokenThrottledError, True, id="token-throttled"),
        pytest.param(QuotaExceededError, True, id="quota-exceeded"),
        pytest.param(InvalidResponseError, True, id="invalid-response"),
    ],
)
def test_a_class_says_what_a_rerun_can_do(error_class: type[InvoicingError], transient: bool) -> None:
    assert error_class.transient is transient
    assert issubclass(error_class, TransientError) is transient
    assert issubclass(error_class, PermanentError) is not transient


@pytest.mark.parametrize(
    "fault",
    [
        "dead_token_57",
        "invalid_value_2",
        "blocked_43",
        "internal_error_1000",
        "bad_gateway_502",
        "redirect_to_other_host",
        "connection_dropped",
        "reset_in_mid_body",
    ],
)
def test_no_secret_is_in_an_error_its_causes_or_the_log(
    sandbox: Sandbox, open_session: OpenSession, caplog: pytest.LogCaptureFixture, fault: str
) -> None:
    sandbox.script(fault)

    with caplog.at_level(logging.DEBUG), pytest.raises(InvoicingError) as raised:
        open_session().get(sandbox.url("items"))
    logging.getLogger("test").error("failed", exc_info=raised.value)

    assert str(raised.value) in caplog.text
    assert sandbox.issued_access_tokens
    for secret in (sandbox.client_id, sandbox.client_secret, sandbox.refresh_token, *sandbox.issued_access_tokens):
        assert secret not in caplog.text + repr(raised.value)
