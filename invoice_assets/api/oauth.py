"""OAuth 2.0: the refresh_token grant, and one access token shared by everything in the process.

The HTTP session that carries the token lives in `session.py`. RFC 6749, section 6.
"""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import requests

from invoice_assets.api.errors import (
    ConfigurationError,
    InvalidResponseError,
    TokenRejectedError,
    TokenThrottledError,
)
from invoice_assets.api.retries import (
    BROKEN_CONNECTIONS,
    RETRIED_STATUSES,
    RetriableError,
    RetryPolicy,
    parse_retry_after,
)
from invoice_assets.api.transport import TIMEOUT_S, require_protected_transport
from invoice_assets.errors import PermanentError, TransientError

LEEWAY_S = 60.0
"""An access token is replaced this long before it expires, so that none dies between check and use."""
LOCK_OUT_S = 600.0
"""The window of the accounts server's throttle: ten access tokens in ten minutes (docs/api.md, "Tokens")."""
DEFAULT_LIFETIME_S = 3600.0
"""Used where an answer has no `expires_in`; the API grants an hour (docs/api.md)."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class RefreshTokenGrant:
    """What is exchanged for access tokens. Its repr shows no secret.

    Raises:
        ConfigurationError: A part is missing, is a placeholder, or would travel unprotected.
    """

    token_url: str
    client_id: str = field(repr=False)
    client_secret: str = field(repr=False)
    refresh_token: str = field(repr=False)

    def __post_init__(self) -> None:
        require_protected_transport(self.token_url, variable="INVOICE_API_TOKEN_URL")
        for name in ("client_id", "client_secret", "refresh_token"):
            if not str(getattr(self, name)).strip("* \t\r\n"):
                raise ConfigurationError(
                    f"No {name} to ask for an access token with. Set INVOICE_API_{name.upper()}, "
                    f"or {name if name.startswith('client') else f'client_{name}'} in dlt's secrets.toml."
                )


@dataclass(frozen=True, kw_only=True)
class AccessToken:
    """An access token and the epoch second at which it expires. Its repr shows no secret."""

    value: str = field(repr=False)
    expires_at: float


def request_access_token(
    grant: RefreshTokenGrant, *, now: float, policy: RetryPolicy
) -> tuple[AccessToken, RefreshTokenGrant]:
    """Exchange the refresh token for an access token (RFC 6749, section 6).

    `now` and the token's `expires_at` are epoch seconds. The second part is the grant to use next time: the server may
    rotate the refresh token.

    Raises:
        TokenRejectedError: The server refused the grant; a rerun will not help.
        TokenThrottledError: Too many tokens were asked for; the next minutes will not help.
        TransientError: The accounts server could not be reached or failed.
    """
    answer = policy.run(lambda: _post(grant))
    value = answer.get("access_token")
    if not isinstance(value, str) or not value:
        raise InvalidResponseError(f"POST {grant.token_url} answered 200 without an access token. Run again later.")
    token = AccessToken(value=value, expires_at=now + _lifetime_s(answer))
    rotated = answer.get("refresh_token")
    return token, replace(grant, refresh_token=rotated) if isinstance(rotated, str) and rotated else grant


class AccessTokenProvider:
    """One access token for all threads of the process: fetched on first use, renewed early, one request at a time.

    A refusal is remembered for as long as the throttle lasts: nine loads that ask nine times would extend it.
    """

    def __init__(
        self, grant: RefreshTokenGrant, *, policy: RetryPolicy | None = None, clock: Callable[[], float] = time.time
    ) -> None:
        self._grant = grant
        self._policy = policy or RetryPolicy()
        self._clock = clock
        self._lock = threading.Lock()
        self._token: AccessToken | None = None
        self._refusal: TokenRejectedError | TokenThrottledError | None = None
        self._refused_until = 0.0
        self._renewed_at: float | None = None

    def __repr__(self) -> str:
        return f"AccessTokenProvider({self._grant!r})"

    def current(self) -> AccessToken:
        """A token that is good for another minute at least."""
        with self._lock:
            if self._token is None or self._token.expires_at - LEEWAY_S <= self._clock():
                self._token = self._request()
            return self._token

    def renew(self, rejected: AccessToken) -> AccessToken:
        """The token to use after the API refused `rejected`: the one another thread has fetched since, or a new one."""
        with self._lock:
            if self._token is None or (self._token == rejected and not self._is_just_renewed()):
                self._token = self._request()
                self._renewed_at = self._clock()
            return self._token

    def _is_just_renewed(self) -> bool:
        """Whether the token is itself an answer to a refusal: another would be refused as well, and costs a token."""
        return self._renewed_at is not None and 0 <= self._clock() - self._renewed_at < LEEWAY_S

    def _request(self) -> AccessToken:
        if self._refusal is not None and self._clock() < self._refused_until:
            raise self._refusal
        try:
            token, grant = request_access_token(self._grant, now=self._clock(), policy=self._policy)
        except (TokenRejectedError, TokenThrottledError) as refusal:
            self._refusal, self._refused_until = refusal, self._clock() + LOCK_OUT_S
            raise
        if grant != self._grant:
            _log.warning(
                "The accounts server replaced the refresh token. This process uses the new one, but does not keep it: "
                "if the old one stops working, obtain another and set INVOICE_API_REFRESH_TOKEN."
            )
        self._grant = grant
        return token


def _post(grant: RefreshTokenGrant) -> dict[str, Any]:
    form = {
        "grant_type": "refresh_token",
        "client_id": grant.client_id,
        "client_secret": grant.client_secret,
        "refresh_token": grant.refresh_token,
    }
    asked = f"POST {grant.token_url}"
    try:
        response = requests.post(grant.token_url, data=form, timeout=TIMEOUT_S, allow_redirects=False)
    except BROKEN_CONNECTIONS as error:
        outcome = TransientError(f"{asked} did not get through ({type(error).__name__}). Check the token URL.")
        raise RetriableError(outcome) from error
    answer = _read_object(response)
    if "access denied" in _reason(answer).lower():
        raise TokenThrottledError(
            f"{asked} answered {response.status_code} ({_reason(answer)}): too many access tokens were asked for. "
            "Wait ten minutes before the next run; asking sooner extends the lock-out."
        )
    if response.status_code in RETRIED_STATUSES:
        raise RetriableError(
            TransientError(f"{asked} answered {response.status_code}. A later run can succeed."),
            retry_after_s=parse_retry_after(response.headers.get("Retry-After"), now=time.time()),
        )
    if "error" in answer:
        raise TokenRejectedError(
            f"{asked} answered {response.status_code} ({_reason(answer)}). Check that INVOICE_API_TOKEN_URL is of "
            "your data centre, and the client id, client secret and refresh token; a revoked one needs a new grant."
        )
    if response.status_code != 200:
        raise PermanentError(f"{asked} answered {response.status_code}. Check INVOICE_API_TOKEN_URL.")
    return answer


def _read_object(response: requests.Response) -> dict[str, Any]:
    try:
        answer = response.json()
    except requests.exceptions.JSONDecodeError:
        return {}
    return answer if isinstance(answer, dict) else {}


def _reason(answer: dict[str, Any]) -> str:
    return str(answer.get("error") or "")[:80]


def _lifetime_s(answer: dict[str, Any]) -> float:
    try:
        return float(answer["expires_in"])
    except (KeyError, TypeError, ValueError):
        return DEFAULT_LIFETIME_S
