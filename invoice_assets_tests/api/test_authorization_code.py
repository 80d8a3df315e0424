"""`api/authorization_code.py`: what is sent, and what each refusal means.

Whole conversations are in `cli/test_authorize.py`.
"""

from __future__ import annotations

import json
from urllib.parse import parse_qs, urlsplit

import pytest

from invoice_assets.api.authorization_code import (
    AuthorizationCodeGrant,
    AuthorizationRequest,
    GrantRefusedError,
    redeem_code,
)
from invoice_assets.errors import TransientError
from invoice_assets_tests.conftest import Answer, AnsweringServer

SCOPES = ("ZohoInvoice.contacts.READ", "ZohoInvoice.settings.READ")
TOKEN_URL = "https://accounts.zoho.eu/oauth/v2/token"
REDIRECT_URI = "http://127.0.0.1:8766/callback"


def refusal(server: AnsweringServer, **answer: str) -> str:
    """What is said of an answer with HTTP 200 and this body."""
    server.answers = [Answer(200, json.dumps(answer).encode())]
    grant = AuthorizationCodeGrant(
        token_url=server.url("/oauth/v2/token"),
        client_id="planted-id",
        client_secret="planted-secret",
        code="planted-code",
        redirect_uri=REDIRECT_URI,
    )
    assert "planted" not in repr(grant)
    with pytest.raises(GrantRefusedError) as refused:
        redeem_code(grant, scopes=SCOPES)
    assert "planted" not in str(refused.value)
    return str(refused.value)


@pytest.mark.parametrize(
    ("error", "says"),
    [
        ("invalid_code", "It has expired"),
        ("invalid_code", "It was used already"),
        ("invalid_code", "It is of another data centre"),
        ("invalid_client", "It was made in another data centre"),
        ("invalid_client", "copy both again"),
        ("invalid_client_secret", "by another secret"),
        ("invalid_redirect_uri", f"register {REDIRECT_URI} with the client"),
        ("general_error planted-code", "refused the grant code (general_error ***)"),
    ],
)
def test_each_refusal_says_what_to_do(answering_server: AnsweringServer, error: str, says: str) -> None:
    assert says in refusal(answering_server, error=error)


def test_an_answer_without_a_refresh_token_says_why(answering_server: AnsweringServer) -> None:
    assert "access_type=offline" in refusal(answering_server, access_token="1000.a")


@pytest.mark.parametrize("separator", [" ", ","])
def test_a_grant_that_covers_less_says_what_is_missing(answering_server: AnsweringServer, separator: str) -> None:
    granted = separator.join(["ZohoInvoice.settings.READ", "ZohoInvoice.items.READ"])

    told = refusal(answering_server, access_token="1000.a", refresh_token="1000.r", scope=granted)

    assert "The grant lacks a scope: ZohoInvoice.contacts.READ." in told
    assert told.endswith("ZohoInvoice.contacts.READ,ZohoInvoice.settings.READ")


@pytest.mark.parametrize("scope", ["", "ZohoInvoice.fullaccess.all"])
def test_full_access_covers_all_and_an_answer_that_says_nothing_is_believed(
    answering_server: AnsweringServer, scope: str
) -> None:
    body = {"access_token": "1000.a", "refresh_token": "1000.r", "scope": scope, "expires_in": 60}
    answering_server.answers = [Answer(200, json.dumps(body).encode())]
    grant = AuthorizationCodeGrant(
        token_url=answering_server.url("/t"), client_id="id", client_secret="secret", code="code"
    )

    granted = redeem_code(grant, scopes=SCOPES)

    assert (granted.refresh_token, granted.access_token.value) == ("1000.r", "1000.a")
    assert granted.access_token.lifetime_s == 60
    assert "1000" not in repr(granted)


def test_a_code_is_sent_once(answering_server: AnsweringServer) -> None:
    """Nobody knows whether a code whose answer was lost has been used."""
    answering_server.answers = [Answer(503)]
    grant = AuthorizationCodeGrant(
        token_url=answering_server.url("/t"), client_id="id", client_secret="secret", code="code"
    )

    with pytest.raises(TransientError):
        redeem_code(grant, scopes=SCOPES)

    assert len(answering_server.received) == 1


def test_the_request_for_consent_asks_for_offline_access_with_a_state_and_a_challenge() -> None:
    first, second = (
        AuthorizationRequest(
            token_url="https://accounts.zoho.eu/oauth/v2/token",
            client_id="id",
            redirect_uri=REDIRECT_URI,
            scopes=SCOPES,
        )
        for _ in range(2)
    )

    query = {name: values[0] for name, values in parse_qs(urlsplit(first.url).query).items()}

    assert first.url.startswith("https://accounts.zoho.eu/oauth/v2/auth?response_type=code&")
    assert query["scope"] == ",".join(SCOPES)
    assert (query["access_type"], query["prompt"], query["code_challenge_method"]) == ("offline", "consent", "S256")
    assert query["redirect_uri"] == REDIRECT_URI
    assert first.verifier not in first.url
    assert (first.state != second.state, first.verifier != second.verifier) == (True, True)
    assert first.state not in repr(first)
