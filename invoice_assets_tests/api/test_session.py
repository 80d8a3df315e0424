"""`api/session.py`: what is sent to the API, sent again, renewed, refused and counted."""

from __future__ import annotations

import copy
import gzip
import logging
import tracemalloc
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from requests.exceptions import InvalidSchema

from invoice_assets.api.envelope import decode_envelope
from invoice_assets.api.errors import ConfigurationError, PermissionDeniedError, QuotaExceededError
from invoice_assets.api.oauth import AccessTokenProvider, RefreshTokenGrant
from invoice_assets.api.pacing import RequestPacer
from invoice_assets.api.retries import RetryPolicy
from invoice_assets.api.session import CHUNK_BYTES, ApiAccount, ApiSession, ApiUsage, BodyTooLargeError
from invoice_assets.errors import InvoicingError, PermanentError, TransientError
from invoice_assets_tests.conftest import Answer, AnsweringServer, OpenSession
from invoice_assets_tests.sandbox.limits import Limits
from invoice_assets_tests.sandbox.server import Sandbox

TIMEOUT_S = (5.0, 0.05)


def _statuses(sandbox: Sandbox, resource: str = "items") -> list[int]:
    return [entry.status for entry in sandbox.ledger.requests(resource)]


def test_the_organisation_is_named_in_the_header_and_in_the_query(sandbox: Sandbox, session: ApiSession) -> None:
    session.get(sandbox.url("items"), params={"page": 1})

    (request,) = sandbox.ledger.requests("items")
    assert request.organization_header == sandbox.organization_id
    assert request.organization_parameter == sandbox.organization_id
    assert request.query == {"organization_id": sandbox.organization_id, "page": "1"}


def test_without_an_organisation_none_is_named(sandbox: Sandbox, open_session: OpenSession) -> None:
    open_session(organization_id="").get(sandbox.url("items"))

    (request,) = sandbox.ledger.requests("items")
    assert (request.organization_header, request.organization_parameter) == (None, None)


@pytest.mark.parametrize("scheme", ["Zoho-oauthtoken", "Bearer"])
def test_the_word_before_the_token_is_configurable(sandbox: Sandbox, open_session: OpenSession, scheme: str) -> None:
    open_session(auth_scheme=scheme).get(sandbox.url("items"))

    assert [entry.authorization_scheme for entry in sandbox.ledger.requests("items")] == [scheme]


def test_one_access_token_serves_all_requests(sandbox: Sandbox, session: ApiSession) -> None:
    for resource in ("items", "users", "contacts", "invoices"):
        session.get(sandbox.url(resource))

    assert sandbox.tokens_issued == 1


def test_a_revoked_access_token_is_replaced_once_and_the_same_request_sent_again(
    sandbox: Sandbox, session: ApiSession, waits: list[float]
) -> None:
    """A 401 in mid-load costs one refresh, not the load."""
    session.get(sandbox.url("users"))
    sandbox.revoke_access_tokens()

    response = session.get(sandbox.url("items"), params={"page": 2, "per_page": 1})

    refused, repeated = sandbox.ledger.requests("items")
    assert (refused.status, repeated.status, response.status_code) == (401, 200, 200)
    assert replace(repeated, at=0.0, status=0) == replace(refused, at=0.0, status=0)
    assert (sandbox.tokens_issued, waits) == (2, [])


@pytest.mark.parametrize("fault", ["dead_token_57", "unauthorized_14"])
def test_a_second_401_is_a_lack_of_permission_after_exactly_one_renewal(
    sandbox: Sandbox, session: ApiSession, waits: list[float], fault: str
) -> None:
    sandbox.script(fault)

    with pytest.raises(PermissionDeniedError):
        session.get(sandbox.url("items"))

    assert _statuses(sandbox) == [401, 401]
    assert (sandbox.tokens_issued, waits) == (2, [])


def test_a_missing_scope_is_a_lack_of_permission_after_exactly_one_renewal(open_session: OpenSession) -> None:
    """The API answers a missing scope and a dead token alike: 401, code 57."""
    with Sandbox(rows=1, scopes=("ZohoInvoice.contacts.READ",)) as narrow:
        session = open_session(to=narrow)

        with pytest.raises(PermissionDeniedError, match="scope"):
            session.get(narrow.url("invoices"))

        assert narrow.tokens_issued == 2


def test_a_token_that_expires_while_a_retry_waits_is_replaced_before_the_next_attempt(
    sandbox: Sandbox, open_session: OpenSession
) -> None:
    policy = RetryPolicy(sleep=lambda _: sandbox.clock.advance(3600))
    sandbox.script("unavailable_503", times=1)

    open_session(policy=policy, clock=sandbox.clock.now).get(sandbox.url("items"))

    assert _statuses(sandbox) == [503, 200]
    assert sandbox.tokens_issued == 2


def test_a_token_that_is_revoked_while_a_retry_waits_is_replaced(sandbox: Sandbox, open_session: OpenSession) -> None:
    policy = RetryPolicy(sleep=lambda _: sandbox.revoke_access_tokens())
    sandbox.script("unavailable_503", times=1)

    response = open_session(policy=policy).get(sandbox.url("items"))

    assert (_statuses(sandbox), response.status_code) == ([503, 401, 200], 200)
    assert sandbox.tokens_issued == 2


def test_a_failure_right_after_a_renewal_is_retried(sandbox: Sandbox, session: ApiSession, waits: list[float]) -> None:
    session.get(sandbox.url("users"))
    sandbox.revoke_access_tokens()
    sandbox.script("internal_error_1000", times=1)

    session.get(sandbox.url("items"))

    assert (_statuses(sandbox), waits) == ([401, 500, 200], [2.0])
    assert sandbox.tokens_issued == 2


@pytest.mark.parametrize(
    ("fault", "status"),
    [
        pytest.param("too_many_requests_44", 429, id="429"),
        pytest.param("internal_error_1000", 500, id="500"),
        pytest.param("bad_gateway_502", 502, id="502"),
        pytest.param("unavailable_503", 503, id="503"),
        pytest.param("gateway_timeout_504", 504, id="504"),
    ],
)
def test_these_statuses_are_retried_three_times(
    sandbox: Sandbox, session: ApiSession, waits: list[float], fault: str, status: int
) -> None:
    sandbox.script(fault)

    with pytest.raises(TransientError):
        session.get(sandbox.url("items"))

    assert _statuses(sandbox) == [status] * 4
    assert waits == [2.0, 4.0, 8.0]


def test_the_third_retry_can_still_succeed(sandbox: Sandbox, session: ApiSession, waits: list[float]) -> None:
    sandbox.script("bad_gateway_502", times=3)

    assert session.get(sandbox.url("items")).status_code == 200
    assert waits == [2.0, 4.0, 8.0]


@pytest.mark.parametrize("fault", ["connection_dropped", "reset_in_mid_body"])
def test_a_broken_connection_is_retried(sandbox: Sandbox, session: ApiSession, waits: list[float], fault: str) -> None:
    sandbox.script(fault, times=2)

    response = session.get(sandbox.url("items"))

    assert len(decode_envelope(response.content, request="GET items")["items"]) == 3
    assert (len(_statuses(sandbox)), waits) == (3, [2.0, 4.0])


@pytest.mark.parametrize("fault", ["connection_dropped", "reset_in_mid_body"])
def test_a_connection_that_always_breaks_is_a_transient_error(
    sandbox: Sandbox, session: ApiSession, waits: list[float], fault: str
) -> None:
    sandbox.script(fault)

    with pytest.raises(TransientError, match=r"^GET /invoice/v3/items did not get through \(\w+\)\. Check INVOICE_API"):
        session.get(sandbox.url("items"))

    assert waits == [2.0, 4.0, 8.0]


def test_an_answer_that_does_not_come_is_a_broken_connection(
    sandbox: Sandbox, session: ApiSession, waits: list[float]
) -> None:
    session.get(sandbox.url("users"))
    sandbox.script("hang")

    with pytest.raises(TransientError, match=r"did not get through \(ReadTimeout\)"):
        session.get(sandbox.url("items"), timeout=TIMEOUT_S)

    assert waits == [2.0, 4.0, 8.0]


def test_a_host_that_refuses_connections_is_a_transient_error(open_session: OpenSession, waits: list[float]) -> None:
    with Sandbox(rows=0) as gone:
        session = open_session(base_url=gone.api_base_url)

    with pytest.raises(TransientError, match="did not get through"):
        session.get(gone.url("items"))

    assert waits == [2.0, 4.0, 8.0]


@pytest.mark.parametrize("retry_after", [pytest.param(0, id="now"), pytest.param(60, id="a-minute")])
def test_a_retry_after_of_up_to_a_minute_is_waited_for(
    sandbox: Sandbox, session: ApiSession, waits: list[float], retry_after: int
) -> None:
    sandbox.script("too_many_requests_44", times=1, retry_after=retry_after)

    session.get(sandbox.url("items"))

    assert waits == [retry_after]


def test_a_retry_after_may_come_with_a_503(sandbox: Sandbox, session: ApiSession, waits: list[float]) -> None:
    sandbox.script("unavailable_503", times=1, retry_after=5)

    session.get(sandbox.url("items"))

    assert waits == [5.0]


def test_a_retry_after_may_be_a_date(sandbox: Sandbox, session: ApiSession, waits: list[float]) -> None:
    sandbox.script("too_many_requests_44", times=1, retry_after="Wed, 21 Oct 2015 07:28:00 GMT")

    session.get(sandbox.url("items"))

    assert waits == [0.0]


def test_a_retry_after_of_more_than_a_minute_ends_at_once(
    sandbox: Sandbox, session: ApiSession, waits: list[float]
) -> None:
    sandbox.script("blocked_43", retry_after=61)

    with pytest.raises(QuotaExceededError, match="Run again after"):
        session.get(sandbox.url("items"))

    assert (_statuses(sandbox), waits) == ([429], [])


def test_a_retry_after_with_a_date_far_away_ends_at_once_and_names_it(
    sandbox: Sandbox, session: ApiSession, waits: list[float]
) -> None:
    sandbox.script("too_many_requests_44", retry_after="Fri, 31 Dec 2100 12:00:00 GMT")

    with pytest.raises(QuotaExceededError) as raised:
        session.get(sandbox.url("items"))

    assert raised.value.resume_at is not None
    assert round(raised.value.resume_at.timestamp()) == datetime(2100, 12, 31, 12, tzinfo=UTC).timestamp()
    assert (_statuses(sandbox), waits) == ([429], [])


def test_a_503_with_a_long_retry_after_ends_at_once(sandbox: Sandbox, session: ApiSession, waits: list[float]) -> None:
    sandbox.script("unavailable_503", retry_after=3600)

    with pytest.raises(TransientError):
        session.get(sandbox.url("items"))

    assert (_statuses(sandbox), waits) == ([503], [])


def test_a_503_with_a_long_retry_after_says_when_to_run_again(sandbox: Sandbox, session: ApiSession) -> None:
    sandbox.script("unavailable_503", retry_after=3600)

    with pytest.raises(TransientError, match=r"Run again after \d{4}-"):
        session.get(sandbox.url("items"))


def test_an_absurd_retry_after_is_still_a_quota_error(sandbox: Sandbox, session: ApiSession) -> None:
    sandbox.script("too_many_requests_44", retry_after=10**14)

    with pytest.raises(QuotaExceededError):
        session.get(sandbox.url("items"))


@pytest.mark.parametrize("fault", ["invalid_value_2", "invalid_value_4", "wrong_organization_6041", "invalid_url_5"])
def test_a_refused_request_is_not_sent_again(
    sandbox: Sandbox, session: ApiSession, waits: list[float], fault: str
) -> None:
    sandbox.script(fault)

    with pytest.raises(PermanentError):
        session.get(sandbox.url("items"))

    assert (len(_statuses(sandbox)), waits) == (1, [])


@pytest.mark.parametrize("status", [201, 204, 304, 403, 405, 408, 409, 501, 505])
def test_any_other_status_is_an_error_and_not_retried(
    answering_server: AnsweringServer, open_session: OpenSession, waits: list[float], status: int
) -> None:
    session = open_session(base_url=answering_server.url("/"))
    answering_server.answers = [Answer(status, b"" if status in (204, 304) else b"{}")]

    with pytest.raises(InvoicingError, match=f"^GET /items answered {status}"):
        session.get(answering_server.url("/items"))

    assert (len(answering_server.received), waits) == (1, [])


def test_a_redirect_is_refused_and_not_followed(sandbox: Sandbox, session: ApiSession, waits: list[float]) -> None:
    """Following it would carry the token to another host."""
    sandbox.script("redirect_to_other_host")

    with pytest.raises(PermanentError, match=r"answered 302\. Redirects are not followed; check INVOICE_API_BASE_URL"):
        session.get(sandbox.url("items"))

    assert (_statuses(sandbox), waits) == ([302], [])


def test_a_server_that_repeats_the_token_is_not_quoted_with_it(
    answering_server: AnsweringServer, policy: RetryPolicy
) -> None:
    grant = RefreshTokenGrant(
        token_url=answering_server.url("/token"), client_id="id", client_secret="secret", refresh_token="refresh"
    )
    refused = Answer(400, b'{"code": 2, "message": "Zoho-oauthtoken 1000.s3cret: not understood"}')
    answering_server.answers = [Answer(200, b'{"access_token": "1000.s3cret"}'), refused]
    account = ApiAccount(base_url=answering_server.url("/"), organization_id="1")
    tokens, pacer = AccessTokenProvider(grant, policy=policy), RequestPacer(requests_per_minute=0)

    with (
        ApiSession(account, tokens=tokens, pacer=pacer, policy=policy) as session,
        pytest.raises(PermanentError, match=r"Zoho-oauthtoken \*\*\*: not understood") as raised,
    ):
        session.get(answering_server.url("/items"))

    assert "s3cret" not in str(raised.value)


def test_usage_counts_requests_and_bytes(sandbox: Sandbox, session: ApiSession) -> None:
    first = session.get(sandbox.url("items"))
    second = session.get(sandbox.url("users"))

    assert (session.usage.requests, session.usage.failed_attempts) == (2, 0)
    assert session.usage.bytes == len(first.content) + len(second.content)


@pytest.mark.parametrize(
    "fault", ["unavailable_503", "too_many_requests_44", "connection_dropped", "reset_in_mid_body"]
)
def test_usage_counts_failed_attempts(sandbox: Sandbox, session: ApiSession, fault: str) -> None:
    sandbox.script(fault, times=2)

    session.get(sandbox.url("items"))

    assert (session.usage.requests, session.usage.failed_attempts) == (3, 2)


@pytest.mark.parametrize(
    ("fault", "attempts"),
    [pytest.param("invalid_value_2", 1, id="refused-request"), pytest.param("dead_token_57", 2, id="refused-token")],
)
def test_usage_counts_an_attempt_that_is_not_retried_as_failed(
    sandbox: Sandbox, session: ApiSession, fault: str, attempts: int
) -> None:
    sandbox.script(fault)

    with pytest.raises(PermanentError):
        session.get(sandbox.url("items"))

    assert (session.usage.requests, session.usage.failed_attempts) == (attempts, attempts)


def test_usage_knows_the_quota_as_last_reported(sandbox: Sandbox, session: ApiSession) -> None:
    assert session.usage.quota_remaining is None

    session.get(sandbox.url("items"))
    session.get(sandbox.url("items"))

    assert session.usage.quota_remaining == 9_998


def test_two_sessions_cost_what_each_has_cost_and_leave_the_quota_of_the_later() -> None:
    first = ApiUsage(requests=3, failed_attempts=1, bytes=500, quota_remaining=90)
    second = ApiUsage(requests=2, failed_attempts=0, bytes=70, quota_remaining=88)

    assert first.add(second) == ApiUsage(requests=5, failed_attempts=1, bytes=570, quota_remaining=88)
    assert (first.requests, second.requests) == (3, 2)


def test_a_later_session_that_was_told_no_quota_leaves_the_earlier_report() -> None:
    told, overdrawn = ApiUsage(requests=1, quota_remaining=90), ApiUsage(requests=1, quota_remaining=0)

    assert told.add(ApiUsage()).quota_remaining == 90
    assert told.add(overdrawn).quota_remaining == 0
    assert ApiUsage().add(ApiUsage()).quota_remaining is None


def test_a_quota_below_zero_is_reported_while_calls_succeed(open_session: OpenSession) -> None:
    with Sandbox(rows=1, limits=replace(Limits.none(), requests_per_day=1)) as overdrawn:
        session = open_session(to=overdrawn)
        session.get(overdrawn.url("items"))
        session.get(overdrawn.url("items"))

    assert session.usage.quota_remaining == -1


def test_an_answer_without_quota_leaves_the_last_report(
    answering_server: AnsweringServer, open_session: OpenSession
) -> None:
    answering_server.answers = [Answer(200, headers={"X-Rate-Limit-Remaining": "9999"}), Answer(200)]
    session = open_session(base_url=answering_server.url("/"))
    session.get(answering_server.url("/items"))

    session.get(answering_server.url("/items"))

    assert session.usage.quota_remaining == 9_999


@pytest.mark.parametrize("reset", ["9" * 20, "-" + "9" * 20, "9" * 5000, "²", "tomorrow"])
def test_a_quota_that_is_told_in_nonsense_harms_nobody(
    answering_server: AnsweringServer, open_session: OpenSession, reset: str
) -> None:
    """A number of seconds that no calendar has room for ended the load with an OverflowError."""
    reset_in_latin1 = reset.encode().decode("latin-1")
    answering_server.answers = [
        Answer(200, headers={"X-Rate-Limit-Remaining": "7", "X-Rate-Limit-Reset": reset_in_latin1})
    ]
    session = open_session(base_url=answering_server.url("/"))

    session.get(answering_server.url("/items"))

    assert session.usage.quota_remaining == 7


ONE_MB = 1_000_000
MEMBER = gzip.compress(bytes(10 * ONE_MB))
BOMB = Answer(200, MEMBER * 200, {"Content-Encoding": "gzip"})
"""Two gigabytes in two megabytes."""


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(Answer(200, b"{" + b" " * 2 * ONE_MB), id="long"),
        pytest.param(Answer(200, b" " * 65_536, is_endless=True), id="endless"),
        pytest.param(BOMB, id="gzip bomb"),
        pytest.param(replace(BOMB, status=500), id="gzip bomb in an error"),
        pytest.param(
            replace(BOMB, headers={"Content-Encoding": "gzip, gzip"}, body=gzip.compress(BOMB.body)), id="twice"
        ),
    ],
)
def test_a_body_beyond_the_limit_is_refused_while_it_arrives(
    answering_server: AnsweringServer, open_session: OpenSession, waits: list[float], answer: Answer
) -> None:
    answering_server.answers = [answer]
    session = open_session(base_url=answering_server.url("/"), max_body_mb=1)
    tracemalloc.start()

    with pytest.raises(
        BodyTooLargeError, match=r"^GET /items was answered with more than 1 MB.*INVOICE_API_MAX_BODY_MB"
    ):
        session.get(answering_server.url("/items"))

    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 8 * CHUNK_BYTES
    assert (len(answering_server.received), waits) == (1, [])


def test_the_connection_of_a_body_that_was_refused_is_not_used_again(
    answering_server: AnsweringServer, open_session: OpenSession
) -> None:
    """What was left of the body would be read as the next answer."""
    answering_server.answers = [Answer(200, b" " * 3 * ONE_MB), Answer(200, b'{"code":0}')]
    session = open_session(base_url=answering_server.url("/"), max_body_mb=1)
    with pytest.raises(BodyTooLargeError):
        session.get(answering_server.url("/items"))

    assert session.get(answering_server.url("/items")).json() == {"code": 0}


def test_a_body_of_just_the_limit_is_read(answering_server: AnsweringServer, open_session: OpenSession) -> None:
    body = b'{"code":0}'.ljust(ONE_MB)
    answering_server.answers = [Answer(200, gzip.compress(body), {"Content-Encoding": "gzip"})]
    session = open_session(base_url=answering_server.url("/"), max_body_mb=1)

    assert session.get(answering_server.url("/items")).content == body
    assert session.usage.bytes == ONE_MB


def test_the_token_goes_to_no_other_host_than_the_api(
    answering_server: AnsweringServer, session: ApiSession, sandbox: Sandbox
) -> None:
    answering_server.answers = [Answer(200)]

    with pytest.raises(InvalidSchema, match="No connection adapters"):
        session.get(answering_server.url("/items"))

    assert (answering_server.received, sandbox.token_requests) == ([], 0)


def test_each_session_counts_its_own_requests(sandbox: Sandbox, open_session: OpenSession) -> None:
    first, second = open_session(), open_session()
    first.get(sandbox.url("items"))

    assert (first.usage.requests, second.usage.requests) == (1, 0)


def test_an_answer_is_decoded_once(sandbox: Sandbox, session: ApiSession) -> None:
    response = session.get(sandbox.url("items"))

    assert response.json() is response.json()


def test_a_deep_copy_of_a_session_is_the_session(session: ApiSession) -> None:
    """dlt copies its configuration deeply; a copy would count and pace for itself."""
    assert copy.deepcopy({"client": {"session": session}})["client"]["session"] is session


@pytest.mark.parametrize("base_url", ["", "http://www.zohoapis.com/invoice/v3/"], ids=["empty", "plain-http"])
def test_an_account_needs_a_protected_base_url(base_url: str) -> None:
    with pytest.raises(ConfigurationError, match=r"^INVOICE_API_BASE_URL"):
        ApiAccount(base_url=base_url, organization_id="1")


def test_no_secret_is_in_the_log_of_a_load_or_the_repr_of_a_session(
    sandbox: Sandbox, session: ApiSession, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        session.get(sandbox.url("users"))
        sandbox.revoke_access_tokens()
        sandbox.script("unavailable_503", times=1)
        response = session.get(sandbox.url("items"))

    shown = f"{caplog.text} {session!r} {session.account!r} {session.usage!r} {response!r} {response.request!r}"
    assert "/invoice/v3/items" in caplog.text
    assert sandbox.tokens_issued == 2
    for secret in (sandbox.client_id, sandbox.client_secret, sandbox.refresh_token, *sandbox.issued_access_tokens):
        assert secret not in shown


def test_a_block_is_remembered_by_everything_that_shares_the_pacer(sandbox: Sandbox, open_session: OpenSession) -> None:
    """The other eight loads of a run send nothing into a block of an hour."""
    pacer = RequestPacer(requests_per_minute=0)
    sandbox.script("blocked_43", times=1)
    with pytest.raises(QuotaExceededError):
        open_session(pacer=pacer).get(sandbox.url("items"))

    with pytest.raises(QuotaExceededError, match="Run again after"):
        open_session(pacer=pacer).get(sandbox.url("users"))

    assert len(sandbox.ledger.requests()) == 1


def test_a_used_up_day_is_not_asked_again(sandbox: Sandbox, session: ApiSession, waits: list[float]) -> None:
    sandbox.script("daily_quota_45", times=1)

    with pytest.raises(QuotaExceededError, match="Run again after"):
        session.get(sandbox.url("items"))

    assert (len(sandbox.ledger.requests()), waits) == (1, [])
