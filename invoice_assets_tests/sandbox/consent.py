"""The authorisation page: a user who is asked for consent, and where the browser goes with the answer.

There is no page to click on: whether consent is given is said beforehand. What a grant code is exchanged for is in
`accounts.py`.
https://datatracker.ietf.org/doc/html/rfc6749#section-4.1 https://datatracker.ietf.org/doc/html/rfc7636
"""

from __future__ import annotations

import hashlib
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlencode

from invoice_assets_tests.sandbox.endpoints import ENDPOINTS, FULL_ACCESS_SCOPE

REDIRECTED_CODE_SECONDS = 120
REGISTERED_REDIRECT_URI = "http://127.0.0.1:8766/callback"
"""Registered with the client from the beginning, as its owner would have done in the vendor's console."""

KNOWN_SCOPES = frozenset({FULL_ACCESS_SCOPE, *(endpoint.scope for endpoint in ENDPOINTS)})


@dataclass(frozen=True, kw_only=True)
class GrantCode:
    """What a code was given for. A self client's has no redirect URI and no challenge, and is always offline."""

    scopes: tuple[str, ...]
    lifetime_s: float
    redirect_uri: str = ""
    is_offline: bool = True
    challenge: str = ""


class RefusedConsentError(Exception):
    """The request is not one that the user can be asked about; the browser shows why."""


@dataclass
class Consent:
    """The client as it is registered, and the user who is asked."""

    client_id: str
    accounts_server: str
    """The accounts server of the user's own data centre."""
    redirect_uris: set[str] = field(default_factory=lambda: {REGISTERED_REDIRECT_URI})
    is_given: bool = True

    def answer(self, parameters: Mapping[str, str], *, keep: Callable[[GrantCode], str]) -> str:
        """Return the redirect for a request; `keep` gives a grant its code.

        Raises:
            RefusedConsentError: The client or its redirect URI is unknown: nobody is sent there.
        """
        redirect_uri, state = parameters.get("redirect_uri", ""), parameters.get("state", "")
        if parameters.get("client_id") != self.client_id:
            raise RefusedConsentError("Invalid Client Id")
        if redirect_uri not in self.redirect_uris:
            raise RefusedConsentError("Invalid Redirect Uri")
        scopes = tuple(parameters.get("scope", "").split(","))
        if parameters.get("response_type") != "code" or not KNOWN_SCOPES.issuperset(scopes):
            error = "unsupported_response_type" if parameters.get("response_type") != "code" else "invalid_scope"
            return f"{redirect_uri}?{urlencode({'state': state, 'error': error})}"
        if not self.is_given:
            return f"{redirect_uri}?{urlencode({'state': state, 'error': 'access_denied'})}"
        code = keep(
            GrantCode(
                scopes=scopes,
                lifetime_s=REDIRECTED_CODE_SECONDS,
                redirect_uri=redirect_uri,
                is_offline=parameters.get("access_type") == "offline",
                challenge=parameters.get("code_challenge", ""),
            )
        )
        told = {"state": state, "code": code, "location": "us", "accounts-server": self.accounts_server}
        return f"{redirect_uri}?{urlencode(told)}"


def answers_challenge(grant: GrantCode, verifier: str) -> bool:
    """Return whether the verifier is the one that the challenge was made of (S256); true where there was none."""
    digest = hashlib.sha256(verifier.encode()).digest()
    return not grant.challenge or urlsafe_b64encode(digest).rstrip(b"=").decode() == grant.challenge
