"""The accounts server: grants, access tokens and their limits (docs/api.md, "Tokens").

It answers with HTTP statuses and plain bodies, refusals inside HTTP 200 included. Whether a user consents, and where
the browser goes then, is in `consent.py`; the routes, and their faults, are in `application.py`.
https://datatracker.ietf.org/doc/html/rfc6749#section-6
"""

from __future__ import annotations

import hashlib
import secrets
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field

from invoice_assets_tests.sandbox.clock import SandboxClock
from invoice_assets_tests.sandbox.consent import Consent, GrantCode, answers_challenge
from invoice_assets_tests.sandbox.endpoints import FULL_ACCESS_SCOPE
from invoice_assets_tests.sandbox.limits import Limits

EXPIRES_IN = 3600
THROTTLE_SECONDS = 600
GRANT_CODE_SECONDS = 600
REFRESH_TOKENS_PER_USER = 20
THROTTLED_BODY = {
    "error": "Access Denied",
    "error_description": "You have made too many requests continuously. Please try again after some time.",
}


@dataclass
class _RefreshToken:
    """A refresh token's scopes, and what the throttle remembers of it."""

    scopes: tuple[str, ...]
    issued_at: list[float] = field(default_factory=list)
    locked_until: float = 0.0


@dataclass(frozen=True)
class _AccessToken:
    scopes: tuple[str, ...]
    expires_at: float


@dataclass(frozen=True)
class TokenAnswer:
    """What the token URL answers."""

    status: int
    body: Mapping[str, object]


class AccountsServer:
    """Issues tokens to one client; safe to use from several threads."""

    def __init__(
        self, seed: int, *, scopes: tuple[str, ...], limits: Limits, clock: SandboxClock, api_domain: str
    ) -> None:
        """Give out one refresh token. Credentials follow from the seed, so that a .env once written stays good."""
        self.client_id = _credential("client-id", seed)
        self.client_secret = _credential("client-secret", seed)
        self.issued_access_tokens: list[str] = []
        self.token_requests = 0
        self.rotates_refresh_tokens = False
        self._scopes = scopes
        self._limits = limits
        self._clock = clock
        self._api_domain = api_domain
        self._lock = threading.Lock()
        self._refresh_tokens = {_credential("refresh-token", seed): _RefreshToken(scopes)}
        self._newest_refresh_token = next(iter(self._refresh_tokens))
        self._access_tokens: dict[str, _AccessToken] = {}
        self._grant_codes: dict[str, tuple[GrantCode, float]] = {}
        self.consent = Consent(client_id=self.client_id, accounts_server=api_domain)

    @property
    def refresh_token(self) -> str:
        """The refresh token that was given out last."""
        return self._newest_refresh_token

    def create_grant_code(self, scopes: tuple[str, ...] | None = None) -> str:
        """Return a new grant code of a self client: single use, good for ten minutes."""
        return self._keep(GrantCode(scopes=self._scopes if scopes is None else scopes, lifetime_s=GRANT_CODE_SECONDS))

    def authorize(self, parameters: Mapping[str, str]) -> str:
        """Return where the browser is sent for an authorisation request, given its query.

        Raises:
            RefusedConsentError: The user is shown an error, and the browser stays.
        """
        return self.consent.answer(parameters, keep=self._keep)

    def _keep(self, grant: GrantCode) -> str:
        code = f"1000.sandbox-grant-code-{secrets.token_hex(16)}"
        with self._lock:
            self._grant_codes[code] = (grant, self._clock.now() + grant.lifetime_s)
        return code

    def revoke_access_tokens(self) -> None:
        """Make every access token dead at once."""
        with self._lock:
            self._access_tokens.clear()

    def revoke_refresh_token(self) -> None:
        """Make every refresh token dead; access tokens live on until they expire."""
        with self._lock:
            self._refresh_tokens.clear()

    def scopes_of(self, access_token: str) -> tuple[str, ...] | None:
        """Return the scopes of a live access token, or None for a dead or unknown one."""
        with self._lock:
            token = self._access_tokens.get(access_token)
            return token.scopes if token is not None and token.expires_at > self._clock.now() else None

    def answer(self, parameters: Mapping[str, str]) -> TokenAnswer:
        """Answer a token request, given its form fields and query parameters together."""
        with self._lock:
            # Only invalid_client is documented, so a wrong secret gets it as well as a wrong id (chosen).
            if (parameters.get("client_id"), parameters.get("client_secret")) != (self.client_id, self.client_secret):
                return _refuse("invalid_client")
            grant_type = parameters.get("grant_type")
            if grant_type == "refresh_token":
                return self._refresh(parameters.get("refresh_token", ""))
            if grant_type == "authorization_code":
                return self._redeem(parameters.get("code", ""), parameters)
            return _refuse("unsupported_grant_type")

    def _refresh(self, text: str) -> TokenAnswer:
        refresh_token = self._refresh_tokens.get(text)
        if refresh_token is None:
            return _refuse("invalid_code")
        if self._is_throttled(refresh_token):
            return TokenAnswer(400, THROTTLED_BODY)
        body = self._issue(refresh_token)
        if self.rotates_refresh_tokens:
            del self._refresh_tokens[text]
            body["refresh_token"] = self._give_refresh_token(refresh_token)
        return TokenAnswer(200, body)

    def _redeem(self, code: str, parameters: Mapping[str, str]) -> TokenAnswer:
        grant, expires_at = self._grant_codes.pop(code, (None, 0.0))
        if grant is None or expires_at <= self._clock.now():
            return _refuse("invalid_code")
        if grant.redirect_uri != parameters.get("redirect_uri", ""):
            return _refuse("invalid_redirect_uri")
        if not answers_challenge(grant, parameters.get("code_verifier", "")):
            return _refuse("invalid_code")  # no word for it is documented (chosen)
        refresh_token = _RefreshToken(grant.scopes)
        body = self._issue(refresh_token)
        if grant.is_offline:
            body["refresh_token"] = self._give_refresh_token(refresh_token)
        return TokenAnswer(200, body)

    def _is_throttled(self, refresh_token: _RefreshToken) -> bool:
        """Return whether the throttle is shut; asking while it is shut keeps it shut for longer."""
        limit, now = self._limits.tokens_per_ten_minutes, self._clock.now()
        if limit is None:
            return False
        recent = [issued_at for issued_at in refresh_token.issued_at if issued_at > now - THROTTLE_SECONDS]
        refresh_token.issued_at = recent
        if now >= refresh_token.locked_until and len(recent) < limit:
            return False
        refresh_token.locked_until = now + THROTTLE_SECONDS
        return True

    def _issue(self, refresh_token: _RefreshToken) -> dict[str, object]:
        now = self._clock.now()
        refresh_token.issued_at.append(now)
        self._access_tokens = {text: token for text, token in self._access_tokens.items() if token.expires_at > now}
        limit = self._limits.live_access_tokens
        while limit is not None and len(self._access_tokens) >= limit:
            del self._access_tokens[next(iter(self._access_tokens))]
        text = f"1000.{secrets.token_hex(16)}.{secrets.token_hex(16)}"
        self._access_tokens[text] = _AccessToken(refresh_token.scopes, now + EXPIRES_IN)
        self.issued_access_tokens.append(text)
        return {
            "access_token": text,
            "scope": " ".join(refresh_token.scopes),
            "api_domain": self._api_domain,
            "token_type": "Bearer",
            "expires_in": EXPIRES_IN,
        }

    def _give_refresh_token(self, refresh_token: _RefreshToken) -> str:
        while len(self._refresh_tokens) >= REFRESH_TOKENS_PER_USER:
            del self._refresh_tokens[next(iter(self._refresh_tokens))]
        text = f"1000.sandbox-refresh-token-{secrets.token_hex(16)}"
        self._refresh_tokens[text] = refresh_token
        self._newest_refresh_token = text
        return text


def grants(scopes: tuple[str, ...], required: str) -> bool:
    """Return whether a token with these scopes may do what needs the required one."""
    return required in scopes or FULL_ACCESS_SCOPE in scopes


def _refuse(error: str) -> TokenAnswer:
    """Return a refusal, which this accounts server sends with HTTP 200."""
    return TokenAnswer(200, {"error": error})


def _credential(kind: str, seed: int) -> str:
    digest = hashlib.sha256(f"{kind} {seed}".encode()).hexdigest()
    return f"sandbox-{kind}-{digest[:40]}"
