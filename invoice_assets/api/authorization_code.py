"""OAuth 2.0: the authorization_code grant, by which a refresh token is obtained once.

A code is shown by the vendor's console (a self client), or comes with the browser; how it arrives then lives in
`loopback_redirect.py`. What the refresh token is used for lives in `oauth.py`. RFC 6749, section 4.1; RFC 7636.
"""

import hashlib
import secrets
import time
from base64 import urlsafe_b64encode
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from urllib.parse import quote, urlencode, urlsplit

from invoice_assets.api.oauth import AccessTokenProvider, RefreshTokenGrant, read_access_token
from invoice_assets.api.pacing import RequestPacer
from invoice_assets.api.retries import RetryPolicy
from invoice_assets.api.session import ApiAccount, ApiSession
from invoice_assets.api.token_requests import TokenAnswer, post_token_request
from invoice_assets.api.token_store import AccessToken, ProcessTokenStore, SharedTokens
from invoice_assets.errors import PermanentError

FULL_ACCESS_SCOPE = "ZohoInvoice.fullaccess.all"
"""Covers every other scope (docs/api.md, "Tokens")."""

_GENERATE = "generate a new code and paste it at once"
_REFUSALS: Mapping[str, str] = {
    "invalid_code": (
        "{host} refused the grant code (invalid_code), for one of three reasons:\n"
        "- It has expired: a code lives for the minutes that were chosen, ten at most, and one that came with the "
        f"browser for two; {_GENERATE}.\n"
        f"- It was used already: a code works once; {_GENERATE}.\n"
        "- It is of another data centre: run this again with the --data-center in which you see the client."
    ),
    "invalid_client": (
        "{host} refused the client (invalid_client), for one of two reasons:\n"
        "- It was made in another data centre: run this again with the --data-center in which you see it.\n"
        "- The client id or the client secret is not what the API console shows: copy both again."
    ),
    "invalid_client_secret": (
        "{host} knows the client, but by another secret (invalid_client_secret): copy the client secret from the API "
        "console again."
    ),
    "invalid_redirect_uri": (
        "{host} gave the code for another redirect URI (invalid_redirect_uri): register {redirect_uri} with the client "
        "in the API console, to the letter, then run this again."
    ),
}
"""By the server's word for it, which stands inside HTTP 200 (docs/api.md, "Tokens")."""


class GrantRefusedError(PermanentError):
    """The accounts server gave no refresh token that the loads could live on; the message says why."""


@dataclass(frozen=True, kw_only=True)
class AuthorizationRequest:
    """What the browser is sent to the accounts server with. Its repr shows no secret.

    The challenge is sent to every server: one that does not have PKCE ignores it (RFC 6749, section 3.1).
    """

    token_url: str
    client_id: str = field(repr=False)
    redirect_uri: str
    scopes: Collection[str]
    state: str = field(repr=False, default_factory=lambda: secrets.token_urlsafe(24))
    verifier: str = field(repr=False, default_factory=lambda: secrets.token_urlsafe(48))

    @property
    def url(self) -> str:
        """The page on which the user is asked for consent."""
        challenge = urlsafe_b64encode(hashlib.sha256(self.verifier.encode()).digest()).rstrip(b"=").decode()
        query = {
            "response_type": "code",
            "client_id": self.client_id,
            "scope": ",".join(self.scopes),
            "redirect_uri": self.redirect_uri,
            "access_type": "offline",
            "prompt": "consent",
            "state": self.state,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        return f"{self.token_url.rpartition('/')[0]}/auth?{urlencode(query, quote_via=quote)}"


@dataclass(frozen=True, kw_only=True)
class AuthorizationCodeGrant:
    """What is exchanged for a refresh token, once. Its repr shows no secret. A self client's has no redirect URI."""

    token_url: str
    client_id: str = field(repr=False)
    client_secret: str = field(repr=False)
    code: str = field(repr=False)
    redirect_uri: str = ""
    verifier: str = field(repr=False, default="")

    @property
    def secrets(self) -> dict[str, str]:
        """The fields of the request, as OAuth names them."""
        fields = {
            "client_id": self.client_id,
            "client_secret": self.client_secret,
            "code": self.code,
            "redirect_uri": self.redirect_uri,
            "code_verifier": self.verifier,
        }
        return {name: value for name, value in fields.items() if value}


@dataclass(frozen=True, kw_only=True)
class Granted:
    """What a code was exchanged for. Its repr shows no secret."""

    refresh_token: str = field(repr=False)
    access_token: AccessToken


def redeem_code(grant: AuthorizationCodeGrant, *, scopes: Collection[str]) -> Granted:
    """Exchange the code for a refresh token that covers the scopes (RFC 6749, section 4.1.3).

    It is sent once: whether a code whose answer was lost has been used nobody knows.

    Raises:
        GrantRefusedError: There is no refresh token, or one that is not enough.
        TokenThrottledError: Too many tokens were asked for; the next minutes will not help.
        TransientError: The accounts server could not be reached or failed.
    """
    answer = RetryPolicy(max_retries=0).run(
        lambda: post_token_request(grant.token_url, grant_type="authorization_code", secrets=grant.secrets)
    )
    if answer.refusal:
        raise GrantRefusedError(_explain_refusal(answer, grant))
    access_token, refresh_token = read_access_token(answer, now=time.time()), answer.find_text("refresh_token")
    if not refresh_token:
        raise GrantRefusedError(
            f"{_host(grant)} gave an access token and no refresh token: the code was asked for without "
            "access_type=offline. Generate one by a self client, or let this command ask for it (--redirect)."
        )
    _require_scopes(answer, scopes)
    return Granted(refresh_token=refresh_token, access_token=access_token)


def open_granted_session(granted: Granted, grant: AuthorizationCodeGrant, *, base_url: str) -> ApiSession:
    """A session on the API with the access token that came along, of no organisation yet; close it afterwards."""
    refresh = RefreshTokenGrant(
        token_url=grant.token_url,
        client_id=grant.client_id,
        client_secret=grant.client_secret,
        refresh_token=granted.refresh_token,
    )
    store = ProcessTokenStore()
    store.update(lambda _: SharedTokens(token=granted.access_token))
    return ApiSession(
        ApiAccount(base_url=base_url, organization_id=""),
        tokens=AccessTokenProvider(refresh, store=store),
        pacer=RequestPacer(requests_per_minute=0),
        policy=RetryPolicy(max_retries=1),
        renews_token=False,
    )


def _explain_refusal(answer: TokenAnswer, grant: AuthorizationCodeGrant) -> str:
    known = _REFUSALS.get(answer.refusal)
    if known:
        return known.format(host=_host(grant), redirect_uri=grant.redirect_uri or "the redirect URI")
    return (
        f"{_host(grant)} refused the grant code ({answer.refusal}). Check the client in the API console; {_GENERATE}."
    )


def _require_scopes(answer: TokenAnswer, wanted: Collection[str]) -> None:
    """Where the answer says what the grant covers, as newer ones do, hold it to that."""
    granted = set(answer.find_text("scope").replace(",", " ").split())
    missing = sorted(set(wanted) - granted)
    if granted and missing and FULL_ACCESS_SCOPE not in granted:
        raise GrantRefusedError(
            f"The grant lacks {'a scope' if len(missing) == 1 else 'scopes'}: {', '.join(missing)}. Generate a new "
            f"code for all of these: {','.join(sorted(wanted))}"
        )


def _host(grant: AuthorizationCodeGrant) -> str:
    return urlsplit(grant.token_url).netloc
