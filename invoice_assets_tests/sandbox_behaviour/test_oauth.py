"""The token URL: docs/api.md, "Tokens"."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from hashlib import sha256
from urllib.parse import parse_qsl, urlsplit

import pytest
import requests

from invoice_assets_tests.sandbox.limits import Limits
from invoice_assets_tests.sandbox.server import DEFAULT_SCOPES
from invoice_assets_tests.sandbox_behaviour.client import TIMEOUT_S, Client
from invoice_assets_tests.sandbox_behaviour.conftest import OpenSandbox


def _query_form(client: Client) -> dict[str, str]:
    sandbox = client.sandbox
    return {
        "grant_type": "refresh_token",
        "client_id": sandbox.client_id,
        "client_secret": sandbox.client_secret,
        "refresh_token": sandbox.refresh_token,
    }


def _statuses(client: Client, requests_made: int) -> list[int]:
    return [client.request_token().status_code for _ in range(requests_made)]


def test_a_refresh_gives_a_token_for_an_hour_and_no_new_refresh_token(open_sandbox: OpenSandbox) -> None:
    answer = open_sandbox(0).request_token()

    assert answer.status_code == 200
    assert answer.json()["expires_in"] == 3600
    assert answer.json()["token_type"] == "Bearer"
    assert answer.json()["access_token"].startswith("1000.")
    assert answer.json()["scope"] == " ".join(DEFAULT_SCOPES)
    assert "api_domain" in answer.json()
    assert "refresh_token" not in answer.json()


def test_the_parameters_may_come_in_the_query_string(open_sandbox: OpenSandbox) -> None:
    client = open_sandbox(0)

    answer = client.session.post(client.sandbox.token_url, params=_query_form(client), timeout=TIMEOUT_S)

    assert "access_token" in answer.json()


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        pytest.param({"refresh_token": "1000.mistyped"}, "invalid_code", id="mistyped-refresh-token"),
        pytest.param({"client_secret": "wrong"}, "invalid_client", id="wrong-secret"),
        pytest.param({"client_id": "wrong"}, "invalid_client", id="wrong-client"),
        pytest.param({"grant_type": "password"}, "unsupported_grant_type", id="unknown-grant"),
        pytest.param({"grant_type": "authorization_code", "code": "1000.none"}, "invalid_code", id="unknown-code"),
    ],
)
def test_a_refused_grant_is_an_error_inside_http_200(
    open_sandbox: OpenSandbox, changes: dict[str, str], error: str
) -> None:
    answer = open_sandbox(0).request_token(**changes)

    assert (answer.status_code, answer.json()) == (200, {"error": error})


def test_a_trailing_newline_makes_a_refresh_token_invalid(open_sandbox: OpenSandbox) -> None:
    client = open_sandbox(0)

    assert client.request_token(refresh_token=client.sandbox.refresh_token + "\n").json() == {"error": "invalid_code"}


def test_a_revoked_refresh_token_is_refused(open_sandbox: OpenSandbox) -> None:
    client = open_sandbox(0)
    client.sandbox.revoke_refresh_token()

    assert client.request_token().json() == {"error": "invalid_code"}


def test_the_eleventh_token_in_ten_minutes_is_throttled(open_sandbox: OpenSandbox) -> None:
    client = open_sandbox(0, limits=Limits.published())

    assert _statuses(client, 11) == [200] * 10 + [400]
    assert client.request_token().json()["error"] == "Access Denied"


def test_the_throttle_opens_after_ten_minutes(open_sandbox: OpenSandbox) -> None:
    client = open_sandbox(0, limits=Limits.published())
    _statuses(client, 11)
    client.sandbox.clock.advance(601)

    assert client.request_token().status_code == 200


def test_asking_while_throttled_keeps_the_throttle_shut(open_sandbox: OpenSandbox) -> None:
    client = open_sandbox(0, limits=Limits.published())
    _statuses(client, 11)
    client.sandbox.clock.advance(500)
    client.request_token()
    client.sandbox.clock.advance(101)

    assert client.request_token().status_code == 400


def test_the_thirty_first_live_token_kills_the_oldest(open_sandbox: OpenSandbox) -> None:
    client = open_sandbox(0, limits=Limits.published())
    client.get("items")
    for _ in range(3):
        client.sandbox.clock.advance(601)
        assert _statuses(client, 10) == [200] * 10

    assert client.get("items").json()["code"] == 57
    assert client.sandbox.tokens_issued == 31


def test_a_grant_code_gives_both_tokens_once(open_sandbox: OpenSandbox) -> None:
    client = open_sandbox(0)
    code = client.sandbox.create_grant_code()

    first = client.request_token(grant_type="authorization_code", code=code).json()
    second = client.request_token(grant_type="authorization_code", code=code).json()

    assert {"access_token", "refresh_token"} <= first.keys()
    assert second == {"error": "invalid_code"}
    assert "access_token" in client.request_token(refresh_token=first["refresh_token"]).json()


def test_a_grant_code_dies_after_ten_minutes(open_sandbox: OpenSandbox) -> None:
    client = open_sandbox(0)
    code = client.sandbox.create_grant_code()
    client.sandbox.clock.advance(601)

    assert client.request_token(grant_type="authorization_code", code=code).json() == {"error": "invalid_code"}


def test_the_twenty_first_refresh_token_deletes_the_oldest(open_sandbox: OpenSandbox) -> None:
    client = open_sandbox(0)
    oldest = client.sandbox.refresh_token
    for _ in range(20):
        client.request_token(grant_type="authorization_code", code=client.sandbox.create_grant_code())

    assert client.request_token(refresh_token=oldest).json() == {"error": "invalid_code"}


def test_a_rotated_refresh_token_replaces_the_old_one(open_sandbox: OpenSandbox) -> None:
    client = open_sandbox(0)
    old = client.sandbox.refresh_token
    client.sandbox.rotate_refresh_tokens(True)

    new = client.request_token().json()["refresh_token"]

    assert client.sandbox.refresh_token == new
    assert client.request_token(refresh_token=old).json() == {"error": "invalid_code"}
    assert "access_token" in client.request_token(refresh_token=new).json()


def test_an_access_token_dies_after_an_hour(open_sandbox: OpenSandbox) -> None:
    client = open_sandbox(0)
    assert client.get("items").status_code == 200
    client.sandbox.clock.advance(3601)

    assert (client.get("items").status_code, client.get("items").json()["code"]) == (401, 57)


def test_a_revoked_access_token_is_dead(open_sandbox: OpenSandbox) -> None:
    client = open_sandbox(0)
    client.get("items")
    client.sandbox.revoke_access_tokens()

    assert client.get("items").json()["code"] == 57


@pytest.mark.parametrize("scheme", ["Zoho-oauthtoken", "Bearer"])
def test_both_authorization_schemes_are_accepted(reader: Client, scheme: str) -> None:
    assert reader.get("items", headers={"Authorization": f"{scheme} {reader.token}"}).status_code == 200


@pytest.mark.parametrize(
    ("header", "code"),
    [
        pytest.param(None, 14, id="no-header"),
        pytest.param("Basic abc", 14, id="another-scheme"),
        pytest.param("Bearer", 14, id="no-token"),
        pytest.param("Bearer None", 57, id="not-a-token"),
    ],
)
def test_a_request_without_a_live_token_is_401(reader: Client, header: str | None, code: int) -> None:
    answer = reader.get("items", headers={"Authorization": header})

    assert (answer.status_code, answer.json()["code"]) == (401, code)


SCOPES = {
    "items": "ZohoInvoice.settings.READ",
    "users": "ZohoInvoice.settings.READ",
    "contacts": "ZohoInvoice.contacts.READ",
    "invoices": "ZohoInvoice.invoices.READ",
    "recurring_invoices": "ZohoInvoice.invoices.READ",
    "customer_payments": "ZohoInvoice.customerpayments.READ",
    "credit_notes": "ZohoInvoice.creditnotes.READ",
    "expenses": "ZohoInvoice.expenses.READ",
    "taxes": "ZohoInvoice.settings.READ",
}


def test_each_scope_opens_its_own_resources_and_no_others(open_sandbox: OpenSandbox) -> None:
    for scope in DEFAULT_SCOPES:
        client = open_sandbox(0, scopes=(scope,))

        opened = {name for name in SCOPES if client.get(name).status_code == 200}

        assert opened == {name for name, needed in SCOPES.items() if needed == scope}
        assert {client.get(name).json()["code"] for name in SCOPES.keys() - opened} == {57}


def test_full_access_opens_everything(open_sandbox: OpenSandbox) -> None:
    client = open_sandbox(0, scopes=("ZohoInvoice.fullaccess.all",))

    assert {client.get(name).status_code for name in SCOPES} == {200}


def test_every_issued_token_is_listed(open_sandbox: OpenSandbox) -> None:
    client = open_sandbox(0)
    tokens = [client.request_token().json()["access_token"] for _ in range(3)]

    assert client.sandbox.issued_access_tokens == tokens
    assert (client.sandbox.tokens_issued, client.sandbox.token_requests) == (3, 3)


def test_the_token_url_takes_only_post(open_sandbox: OpenSandbox) -> None:
    assert requests.get(open_sandbox(0).sandbox.token_url, timeout=TIMEOUT_S).status_code == 404


REDIRECT_URI = "http://127.0.0.1:8766/callback"
VERIFIER = "a-verifier-of-at-least-forty-three-characters"


def _authorize(client: Client, **changes: str) -> requests.Response:
    query = {
        "response_type": "code",
        "client_id": client.sandbox.client_id,
        "redirect_uri": REDIRECT_URI,
        "scope": ",".join(DEFAULT_SCOPES),
        "access_type": "offline",
        "state": "a state",
        **changes,
    }
    address = f"{client.sandbox.base_url}/oauth/v2/auth"
    return client.session.get(address, params=query, timeout=TIMEOUT_S, allow_redirects=False)


def _told(answer: requests.Response) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(answer.headers["Location"]).query))


def test_consent_sends_the_browser_back_with_a_code_and_the_state(open_sandbox: OpenSandbox) -> None:
    client = open_sandbox(0)

    answer = _authorize(client)

    assert answer.status_code == 302
    assert answer.headers["Location"].startswith(f"{REDIRECT_URI}?")
    assert _told(answer)["state"] == "a state"
    assert _told(answer)["accounts-server"] == client.sandbox.base_url
    form = {"grant_type": "authorization_code", "code": _told(answer)["code"], "redirect_uri": REDIRECT_URI}
    assert "refresh_token" in client.request_token(**form).json()


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        pytest.param({"scope": "ZohoInvoice.nothing.READ"}, "invalid_scope", id="unknown-scope"),
        pytest.param({"response_type": "token"}, "unsupported_response_type", id="response-type"),
    ],
)
def test_a_request_that_cannot_be_granted_comes_back_as_an_error(
    open_sandbox: OpenSandbox, changes: dict[str, str], error: str
) -> None:
    assert _told(_authorize(open_sandbox(0), **changes)) == {"state": "a state", "error": error}


def test_a_user_who_does_not_consent_is_sent_back(open_sandbox: OpenSandbox) -> None:
    client = open_sandbox(0)
    client.sandbox.consent.is_given = False

    assert _told(_authorize(client)) == {"state": "a state", "error": "access_denied"}


@pytest.mark.parametrize("changes", [{"client_id": "nobody"}, {"redirect_uri": "http://127.0.0.1:1/"}], ids=str)
def test_the_browser_is_never_sent_to_an_address_that_is_not_registered(
    open_sandbox: OpenSandbox, changes: dict[str, str]
) -> None:
    answer = _authorize(open_sandbox(0), **changes)

    assert (answer.status_code, "Location" in answer.headers) == (400, False)


@pytest.mark.parametrize(
    ("asked", "sent", "error"),
    [
        pytest.param({}, {"redirect_uri": "http://127.0.0.1:1/"}, "invalid_redirect_uri", id="redirect-mismatch"),
        pytest.param({}, {}, "invalid_redirect_uri", id="no-redirect-uri"),
        pytest.param(
            {"code_challenge": "of-another", "code_challenge_method": "S256"},
            {"redirect_uri": REDIRECT_URI, "code_verifier": VERIFIER},
            "invalid_code",
            id="another-verifier",
        ),
    ],
)
def test_a_code_is_good_only_for_who_asked_for_it(
    open_sandbox: OpenSandbox, asked: dict[str, str], sent: dict[str, str], error: str
) -> None:
    client = open_sandbox(0)
    code = _told(_authorize(client, **asked))["code"]

    assert client.request_token(grant_type="authorization_code", code=code, **sent).json() == {"error": error}


def test_the_verifier_of_the_challenge_is_accepted(open_sandbox: OpenSandbox) -> None:
    client = open_sandbox(0)
    digest = urlsafe_b64encode(sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
    code = _told(_authorize(client, code_challenge=digest, code_challenge_method="S256"))["code"]

    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": REDIRECT_URI, "code_verifier": VERIFIER}

    assert "access_token" in client.request_token(**form).json()


def test_online_access_brings_no_refresh_token(open_sandbox: OpenSandbox) -> None:
    client = open_sandbox(0)
    code = _told(_authorize(client, access_type="online"))["code"]

    answer = client.request_token(grant_type="authorization_code", code=code, redirect_uri=REDIRECT_URI).json()

    assert ("access_token" in answer, "refresh_token" in answer) == (True, False)


def test_a_code_carries_the_scopes_that_it_was_asked_for(open_sandbox: OpenSandbox) -> None:
    client = open_sandbox(0)
    code = client.sandbox.create_grant_code((DEFAULT_SCOPES[0],))

    answer = client.request_token(grant_type="authorization_code", code=code).json()

    assert answer["scope"] == DEFAULT_SCOPES[0]
