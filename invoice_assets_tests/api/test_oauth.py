"""`api/oauth.py`: how access tokens are asked for, shared and renewed, and what a refusal becomes."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Barrier

import pytest

from invoice_assets.api.errors import (
    ConfigurationError,
    InvalidResponseError,
    TokenRejectedError,
    TokenThrottledError,
)
from invoice_assets.api.oauth import AccessTokenProvider, RefreshTokenGrant, request_access_token
from invoice_assets.api.retries import RetryPolicy
from invoice_assets.api.token_store import AccessToken
from invoice_assets.errors import InvoicingError, PermanentError, TransientError
from invoice_assets_tests.conftest import Answer, AnsweringServer
from invoice_assets_tests.sandbox.server import Sandbox

THREADS = 20
TOKEN_BODY = {"access_token": "1000.aa.bb", "expires_in": 3600}


class HandClock:
    """Epoch seconds that stand still until a test moves them."""

    def __init__(self) -> None:
        """Start at some instant."""
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        """Tell the time."""
        return self.now


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def tokens(grant: RefreshTokenGrant, policy: RetryPolicy, clock: HandClock) -> AccessTokenProvider:
    return AccessTokenProvider(grant, policy=policy, clock=clock)


def _answer(body: object, *, status: int = 200) -> Answer:
    return Answer(status, json.dumps(body).encode())


def _at_once(work: Callable[[], AccessToken]) -> set[str]:
    barrier = Barrier(THREADS)

    def wait_for_all() -> AccessToken:
        barrier.wait()
        return work()

    with ThreadPoolExecutor(THREADS) as pool:
        futures = [pool.submit(wait_for_all) for _ in range(THREADS)]
        return {future.result().value for future in futures}


def test_a_refresh_token_buys_an_access_token(sandbox: Sandbox, tokens: AccessTokenProvider) -> None:
    token = tokens.current()

    assert sandbox.issued_access_tokens == [token.value]


def test_the_credentials_travel_in_the_body_and_never_in_the_query(
    sandbox: Sandbox, tokens: AccessTokenProvider
) -> None:
    """A query string ends up in access logs."""
    tokens.current()

    (request,) = sandbox.ledger.entries
    assert (request.method, request.path, request.query) == ("POST", "/oauth/v2/token", {})
    assert (request.status, sandbox.tokens_issued) == (200, 1)


def test_nothing_is_asked_for_before_the_first_use(sandbox: Sandbox, tokens: AccessTokenProvider) -> None:
    assert sandbox.token_requests == 0
    assert tokens.current().value in sandbox.issued_access_tokens


def test_an_access_token_is_used_until_a_minute_before_it_expires(
    sandbox: Sandbox, tokens: AccessTokenProvider, clock: HandClock
) -> None:
    first = tokens.current()
    clock.now += 3600 - 61

    assert tokens.current() == first
    assert sandbox.tokens_issued == 1


def test_an_access_token_is_replaced_a_minute_before_it_expires(
    sandbox: Sandbox, tokens: AccessTokenProvider, clock: HandClock
) -> None:
    first = tokens.current()
    clock.now += 3600 - 60

    assert tokens.current() != first
    assert sandbox.tokens_issued == 2


def test_twenty_threads_at_once_ask_for_one_access_token(sandbox: Sandbox, tokens: AccessTokenProvider) -> None:
    values = _at_once(tokens.current)

    assert values == set(sandbox.issued_access_tokens)
    assert sandbox.token_requests == 1


def test_twenty_threads_whose_token_was_refused_renew_it_once(sandbox: Sandbox, tokens: AccessTokenProvider) -> None:
    refused = tokens.current()

    values = _at_once(lambda: tokens.renew(refused))

    assert values == {sandbox.issued_access_tokens[1]}
    assert sandbox.token_requests == 2


def test_a_renewal_is_remembered(sandbox: Sandbox, tokens: AccessTokenProvider) -> None:
    renewed = tokens.renew(tokens.current())

    assert tokens.current() == renewed
    assert sandbox.tokens_issued == 2


def test_a_renewed_token_that_is_refused_as_well_is_not_renewed_again(
    sandbox: Sandbox, tokens: AccessTokenProvider
) -> None:
    """A scope is missing: nine loads would cost ten tokens, the most that the API grants in ten minutes."""
    renewed = tokens.renew(tokens.current())

    assert tokens.renew(renewed) == renewed
    assert sandbox.tokens_issued == 2


def test_a_rotated_refresh_token_is_used_next_time(
    sandbox: Sandbox, grant: RefreshTokenGrant, policy: RetryPolicy
) -> None:
    """RFC 6749, section 6: the server may replace the refresh token, and the old one is dead."""
    now = [1_000_000.0]
    tokens = AccessTokenProvider(grant, policy=policy, clock=lambda: now[0])
    sandbox.rotate_refresh_tokens()

    for _ in range(3):
        tokens.renew(tokens.current())
        now[0] += 60

    assert sandbox.tokens_issued == sandbox.token_requests == 4


def test_the_grant_stays_as_it_is_where_the_server_rotates_nothing(
    grant: RefreshTokenGrant, policy: RetryPolicy
) -> None:
    _, next_grant = request_access_token(grant, now=0.0, policy=policy)

    assert next_grant == grant


@pytest.mark.parametrize(
    ("expires_in", "lifetime_s"),
    [
        pytest.param(120, 120, id="number"),
        pytest.param("7200", 7200, id="string"),
        pytest.param(None, 3600, id="null"),
        pytest.param("soon", 3600, id="nonsense"),
    ],
)
def test_expires_in_counts_from_the_time_of_the_request(
    answering_server: AnsweringServer,
    grant: RefreshTokenGrant,
    policy: RetryPolicy,
    expires_in: object,
    lifetime_s: float,
) -> None:
    answering_server.answers = [_answer({**TOKEN_BODY, "expires_in": expires_in})]

    token, _ = request_access_token(replace(grant, token_url=answering_server.url("/token")), now=1000.0, policy=policy)

    assert token.expires_at == 1000.0 + lifetime_s


def test_a_token_without_expires_in_lives_for_an_hour(
    sandbox: Sandbox, tokens: AccessTokenProvider, clock: HandClock
) -> None:
    sandbox.script("token_expires_in_absent")

    assert tokens.current().expires_at == clock.now + 3600


@pytest.mark.parametrize("fault", ["token_invalid_code", "token_invalid_client"])
def test_an_error_inside_a_200_is_a_permanent_refusal(
    sandbox: Sandbox, tokens: AccessTokenProvider, waits: list[float], fault: str
) -> None:
    sandbox.script(fault)

    with pytest.raises(TokenRejectedError, match=fault.removeprefix("token_")) as raised:
        tokens.current()

    assert not raised.value.transient
    assert "INVOICE_API_TOKEN_URL" in str(raised.value)
    assert (sandbox.token_requests, waits) == (1, [])


@pytest.mark.parametrize("part", ["client_id", "client_secret", "refresh_token"])
def test_a_mistyped_credential_is_a_permanent_refusal(
    sandbox: Sandbox, grant: RefreshTokenGrant, policy: RetryPolicy, part: str
) -> None:
    mistyped = replace(grant, **{part: "1000.mistyped"})

    with pytest.raises(TokenRejectedError):
        AccessTokenProvider(mistyped, policy=policy).current()

    assert sandbox.tokens_issued == 0


def test_a_throttled_client_does_not_ask_again(
    sandbox: Sandbox, tokens: AccessTokenProvider, waits: list[float]
) -> None:
    """Asking again extends the lock-out (docs/api.md, *Tokens*)."""
    sandbox.script("token_throttled")

    with pytest.raises(TokenThrottledError, match="Wait ten minutes") as raised:
        tokens.current()

    assert raised.value.transient
    assert (sandbox.token_requests, waits) == (1, [])


def test_an_internal_error_of_the_token_url_is_retried(
    sandbox: Sandbox, tokens: AccessTokenProvider, waits: list[float]
) -> None:
    """The body of this 500 has an `error` as a refusal has, but a refusal is a 200."""
    sandbox.script("token_internal_error_500", times=2)

    assert tokens.current().value in sandbox.issued_access_tokens
    assert waits == [2.0, 4.0]


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_failing_token_url_is_retried(
    answering_server: AnsweringServer,
    grant: RefreshTokenGrant,
    policy: RetryPolicy,
    waits: list[float],
    status: int,
) -> None:
    answering_server.answers = [Answer(status, b"<html>nginx</html>"), _answer(TOKEN_BODY)]

    token, _ = request_access_token(replace(grant, token_url=answering_server.url("/token")), now=0.0, policy=policy)

    assert (token.value, waits) == ("1000.aa.bb", [2.0])


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_token_url_that_keeps_failing_is_a_transient_error_after_three_retries(
    answering_server: AnsweringServer,
    grant: RefreshTokenGrant,
    policy: RetryPolicy,
    waits: list[float],
    status: int,
) -> None:
    answering_server.answers = [Answer(status, b"<html>nginx</html>")]

    with pytest.raises(TransientError, match=rf"^POST .*/token answered {status}\. A later run can succeed"):
        request_access_token(replace(grant, token_url=answering_server.url("/token")), now=0.0, policy=policy)

    assert (len(answering_server.received), waits) == (4, [2.0, 4.0, 8.0])


def test_a_retry_after_of_the_token_url_is_waited_for(
    answering_server: AnsweringServer, grant: RefreshTokenGrant, policy: RetryPolicy, waits: list[float]
) -> None:
    """One policy holds for API and token requests alike."""
    answering_server.answers = [Answer(503, headers={"Retry-After": "7"}), _answer(TOKEN_BODY)]

    request_access_token(replace(grant, token_url=answering_server.url("/token")), now=0.0, policy=policy)

    assert waits == [7.0]


def test_a_dropped_connection_to_the_token_url_is_retried(
    sandbox: Sandbox, tokens: AccessTokenProvider, waits: list[float]
) -> None:
    sandbox.script("token_connection_dropped", times=1)

    assert tokens.current().value in sandbox.issued_access_tokens
    assert (sandbox.token_requests, waits) == (2, [2.0])


def test_a_token_url_that_always_drops_is_a_transient_error(
    sandbox: Sandbox, tokens: AccessTokenProvider, waits: list[float]
) -> None:
    sandbox.script("token_connection_dropped")

    with pytest.raises(TransientError, match=r"did not get through \(ConnectionError\)"):
        tokens.current()

    assert (sandbox.token_requests, waits) == (4, [2.0, 4.0, 8.0])


@pytest.mark.parametrize(
    "status",
    [
        pytest.param(302, id="redirect"),
        pytest.param(400, id="bad-request"),
        pytest.param(404, id="not-found"),
        pytest.param(405, id="method-not-allowed"),
    ],
)
def test_any_other_answer_of_the_token_url_is_permanent(
    answering_server: AnsweringServer, grant: RefreshTokenGrant, policy: RetryPolicy, waits: list[float], status: int
) -> None:
    """A redirect above all: following it would hand the secrets to another host."""
    answering_server.answers = [Answer(status, headers={"Location": answering_server.url("/elsewhere")})]
    moved = replace(grant, token_url=answering_server.url("/token"))

    with pytest.raises(PermanentError, match=rf"answered {status}\. Check INVOICE_API_TOKEN_URL"):
        request_access_token(moved, now=0.0, policy=policy)

    assert (answering_server.received, waits) == (["POST /token"], [])


@pytest.mark.parametrize("secret", ["client_secret", "refresh_token"])
def test_an_accounts_server_that_repeats_a_secret_is_not_quoted_with_it(
    answering_server: AnsweringServer, grant: RefreshTokenGrant, policy: RetryPolicy, secret: str
) -> None:
    answering_server.answers = [_answer({"error": f"no such {getattr(grant, secret)}"})]
    moved = replace(grant, token_url=answering_server.url("/token"))

    with pytest.raises(TokenRejectedError, match=r"\(no such \*\*\*\)"):
        request_access_token(moved, now=0.0, policy=policy)


@pytest.mark.parametrize("fault", ["token_html", "token_without_access_token"])
def test_a_200_without_an_access_token_is_an_invalid_response(
    sandbox: Sandbox, tokens: AccessTokenProvider, fault: str
) -> None:
    sandbox.script(fault)

    with pytest.raises(InvalidResponseError, match="answered 200 without an access token") as raised:
        tokens.current()

    assert raised.value.transient


@pytest.mark.parametrize(
    "body",
    [
        pytest.param([], id="a-list"),
        pytest.param("1000.aa.bb", id="a-string"),
        pytest.param({"access_token": ""}, id="empty-token"),
        pytest.param({"access_token": 1000}, id="token-that-is-a-number"),
    ],
)
def test_what_is_no_token_is_an_invalid_response(
    answering_server: AnsweringServer, grant: RefreshTokenGrant, policy: RetryPolicy, body: object
) -> None:
    answering_server.answers = [_answer(body)]

    with pytest.raises(InvalidResponseError, match="without an access token"):
        request_access_token(replace(grant, token_url=answering_server.url("/token")), now=0.0, policy=policy)


def test_a_failed_request_is_not_remembered(sandbox: Sandbox, tokens: AccessTokenProvider) -> None:
    sandbox.script("token_html", times=1)
    with pytest.raises(InvalidResponseError):
        tokens.current()

    assert tokens.current().value in sandbox.issued_access_tokens


def test_plain_http_to_another_machine_is_no_grant(grant: RefreshTokenGrant) -> None:
    with pytest.raises(ConfigurationError, match=r"^INVOICE_API_TOKEN_URL begins with http://"):
        replace(grant, token_url="http://accounts.example.com/oauth/v2/token")


@pytest.mark.parametrize(
    "value",
    [
        pytest.param("", id="empty"),
        pytest.param("   ", id="spaces"),
        pytest.param("\n", id="newline"),
        pytest.param("***", id="asterisks"),
        pytest.param(" ** \n", id="padded-asterisks"),
    ],
)
@pytest.mark.parametrize(
    ("part", "variable", "secret"),
    [
        pytest.param("client_id", "INVOICE_API_CLIENT_ID", "client_id", id="client-id"),
        pytest.param("client_secret", "INVOICE_API_CLIENT_SECRET", "client_secret", id="client-secret"),
        pytest.param("refresh_token", "INVOICE_API_REFRESH_TOKEN", "client_refresh_token", id="refresh-token"),
    ],
)
def test_a_blank_or_starred_out_credential_is_refused_by_name(
    grant: RefreshTokenGrant, part: str, variable: str, secret: str, value: str
) -> None:
    with pytest.raises(ConfigurationError, match=rf"Set {variable}, or {secret} in dlt's secrets\.toml"):
        replace(grant, **{part: value})


def test_no_secret_is_in_a_repr(sandbox: Sandbox, grant: RefreshTokenGrant, tokens: AccessTokenProvider) -> None:
    token = tokens.current()

    shown = f"{grant!r} {grant} {token!r} {token} {tokens!r} {tokens}"

    assert sandbox.token_url in shown
    for secret in (sandbox.client_id, sandbox.client_secret, sandbox.refresh_token, token.value):
        assert secret not in shown


@pytest.mark.parametrize(
    "fault",
    [
        "token_invalid_code",
        "token_invalid_client",
        "token_throttled",
        "token_internal_error_500",
        "token_html",
        "token_without_access_token",
        "token_connection_dropped",
    ],
)
def test_no_secret_is_in_an_error_its_causes_or_the_log(
    sandbox: Sandbox, tokens: AccessTokenProvider, caplog: pytest.LogCaptureFixture, fault: str
) -> None:
    sandbox.script(fault)

    with caplog.at_level(logging.DEBUG), pytest.raises(InvoicingError) as raised:
        tokens.current()
    logging.getLogger("test").error("failed", exc_info=raised.value)

    assert str(raised.value) in caplog.text
    for secret in (sandbox.client_id, sandbox.client_secret, sandbox.refresh_token, *sandbox.issued_access_tokens):
        assert secret not in caplog.text + repr(raised.value)


def test_a_rotation_is_logged_without_the_token(
    sandbox: Sandbox, tokens: AccessTokenProvider, caplog: pytest.LogCaptureFixture
) -> None:
    old = sandbox.refresh_token
    sandbox.rotate_refresh_tokens()

    with caplog.at_level(logging.DEBUG):
        token = tokens.current()

    assert "replaced the refresh token" in caplog.text
    for secret in (old, sandbox.refresh_token, sandbox.client_secret, token.value):
        assert secret not in caplog.text


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        pytest.param("token_throttled", TokenThrottledError, id="throttled"),
        pytest.param("token_invalid_code", TokenRejectedError, id="rejected"),
    ],
)
def test_a_refusal_is_remembered_for_as_long_as_the_throttle_lasts(
    sandbox: Sandbox, grant: RefreshTokenGrant, policy: RetryPolicy, fault: str, error: type[Exception]
) -> None:
    """Nine loads that ask nine times would extend the lock-out."""
    now = [1_000_000.0]
    tokens = AccessTokenProvider(grant, policy=policy, clock=lambda: now[0])
    sandbox.script(fault, times=1)
    with pytest.raises(error):
        tokens.current()

    now[0] += 599
    with pytest.raises(error):
        tokens.current()
    asked_meanwhile = sandbox.token_requests
    now[0] += 2

    assert asked_meanwhile == 1
    assert tokens.current().value in sandbox.issued_access_tokens
