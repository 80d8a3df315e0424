"""OAuth 2.0: the refresh_token grant, and one access token for everything in the deployment.

How a request is sent lives in `token_requests.py`, where the token is kept in `token_store.py`, the HTTP session that
carries it in `session.py`, how the first refresh token is obtained in `authorization_code.py`. RFC 6749, section 6.
"""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import cast

from msgspec import structs

from invoice_assets.api.errors import (
    ConfigurationError,
    InvalidResponseError,
    TokenRejectedError,
    TokenThrottledError,
)
from invoice_assets.api.retries import RetryPolicy
from invoice_assets.api.shared_state import SharedState
from invoice_assets.api.token_requests import TokenAnswer, post_token_request
from invoice_assets.api.token_store import (
    AccessToken,
    ProcessTokenStore,
    Refusal,
    SharedTokens,
    SharedTokenStore,
    TokenStore,
)
from invoice_assets.api.transport import require_protected_transport
from invoice_assets.errors import InvoicingError
from invoice_assets.telemetry.metrics import RETRIES, TOKEN_WAIT, TOKENS
from invoice_assets.telemetry.recorder import UNRECORDED, Recorder

LEEWAY_S = 60.0
"""An access token is replaced this long before it expires, so that none dies between check and use."""
LOCK_OUT_S = 600.0
"""The window of the accounts server's throttle: ten access tokens in ten minutes (docs/api.md, "Tokens")."""
TOKENS_PER_LOCK_OUT = 9
"""The last of the ten is never asked for: a lock-out would be for every application of the client."""
_SPARED = (
    f"{TOKENS_PER_LOCK_OUT} access tokens were asked for within ten minutes, and all of them died early. Another "
    "application may be using up the client's tokens (30 live ones at a time); give this project a client of its own. "
    "The next token is asked for when ten minutes have passed."
)

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
    credentials: str = "env:INVOICE_API"
    """Where they come from, for the one who has to mend them."""

    def __post_init__(self) -> None:
        require_protected_transport(self.token_url, variable="INVOICE_API_TOKEN_URL")
        for name in ("client_id", "client_secret", "refresh_token"):
            if not str(getattr(self, name)).strip("* \t\r\n"):
                raise ConfigurationError(f"No {name} to ask for an access token with. {self._advise(name)}")

    def _advise(self, name: str) -> str:
        kind, _, where = self.credentials.partition(":")
        secret = name if name.startswith("client") else f"client_{name}"
        if kind == "dlt":
            return f"Set {where}.{secret} in dlt's secrets.toml."
        either = f", or {secret} in dlt's secrets.toml" if self.credentials == type(self).credentials else ""
        return f"Set {where}_{name.upper()}{either}; `invoice-assets authorize` obtains it."

    @property
    def secrets(self) -> dict[str, str]:
        """The fields of the request, as OAuth names them."""
        return {
            "client_id": self.client_id,
            "client_secret": self.client_secret,
            "refresh_token": self.refresh_token,
        }

    def open_store(self, state: SharedState) -> SharedTokenStore:
        """Where the deployment keeps the tokens of this very grant."""
        identity = f"{self.token_url} {self.client_id} {self.refresh_token}"
        return SharedTokenStore(state, identity=identity, secret=self.client_secret)


def request_access_token(
    grant: RefreshTokenGrant, *, now: float, policy: RetryPolicy, recorder: Recorder = UNRECORDED
) -> tuple[AccessToken, RefreshTokenGrant]:
    """Exchange the refresh token for an access token (RFC 6749, section 6).

    `now` and the token's `expires_at` are epoch seconds. The second part is the grant to use next time: the server may
    rotate the refresh token.

    Raises:
        TokenRejectedError: The server refused the grant; a rerun will not help.
        TokenThrottledError: Too many tokens were asked for; the next minutes will not help.
        TransientError: The accounts server could not be reached or failed.
    """
    answer = policy.run(
        lambda: post_token_request(grant.token_url, grant_type="refresh_token", secrets=grant.secrets),
        on_retry=lambda reason: recorder.record(RETRIES, reason=reason),
    )
    if answer.refusal:
        raise TokenRejectedError(
            f"{answer.asked} answered {answer.status} ({answer.refusal}). Check that INVOICE_API_TOKEN_URL is of "
            "your data centre, and the client id, client secret and refresh token; where one is revoked, "
            "`invoice-assets authorize` obtains a new grant."
        )
    rotated = answer.find_text("refresh_token")
    return read_access_token(answer, now=now), replace(grant, refresh_token=rotated) if rotated else grant


def read_access_token(answer: TokenAnswer, *, now: float) -> AccessToken:
    """The access token of an answer that is no refusal; `now` is in epoch seconds.

    Raises:
        InvalidResponseError: There is none.
    """
    value = answer.find_text("access_token")
    if not value:
        raise InvalidResponseError(f"{answer.asked} answered 200 without an access token. Run again later.")
    return AccessToken(value=value, expires_at=now + answer.lifetime_s, lifetime_s=answer.lifetime_s)


class AccessTokenProvider:
    """One access token for all who share the store: fetched on first use, renewed early, one request at a time.

    A refusal is remembered for as long as the throttle lasts: nine loads that ask nine times would extend it.
    """

    def __init__(
        self,
        grant: RefreshTokenGrant,
        *,
        store: TokenStore | None = None,
        policy: RetryPolicy | None = None,
        clock: Callable[[], float] = time.time,
        recorder: Recorder = UNRECORDED,
    ) -> None:
        self._grant = grant
        self._recorder = recorder
        self._store = store or ProcessTokenStore()
        self._policy = policy or RetryPolicy()
        self._clock = clock
        self._lock = threading.Lock()
        self._token: AccessToken | None = None

    def __repr__(self) -> str:
        return f"AccessTokenProvider({self._grant!r})"

    def current(self) -> AccessToken:
        """A token that is good for another minute at least."""
        with self._lock:
            if not self._is_fresh(self._token):
                self._token = self._obtain(lambda shared: self._is_fresh(shared.token))
            return cast(AccessToken, self._token)

    def renew(self, rejected: AccessToken) -> AccessToken:
        """The token to use after the API refused `rejected`: the one that somebody has fetched since, or a new one."""
        with self._lock:
            if self._token is None or self._token == rejected:
                self._token = self._obtain(
                    lambda shared: (
                        shared.token not in (None, rejected)
                        or (shared.token is not None and self._is_just_renewed(shared))
                    ),
                    renewed_at=self._clock(),
                )
            return self._token

    def _obtain(self, is_good: Callable[[SharedTokens], bool], *, renewed_at: float | None = None) -> AccessToken:
        """The shared token, or one that is asked for while nobody else can."""
        asked_at = time.monotonic()
        shared = self._store.read()
        if not is_good(shared):
            shared = self._store.update(
                lambda known: known if is_good(known) else self._request(known, renewed_at=renewed_at)
            )
        self._recorder.record(TOKEN_WAIT, time.monotonic() - asked_at)
        if refusal := self._find_refusal(shared):
            until = datetime.fromtimestamp(refusal.until, UTC)
            if not refusal.is_throttle:
                raise TokenRejectedError(
                    f"{refusal.message} These credentials are not sent again before {until:%Y-%m-%d %H:%M:%S} UTC."
                )
            raise TokenThrottledError(refusal.message, resume_at=until)
        return cast(AccessToken, shared.token)

    def _request(self, known: SharedTokens, *, renewed_at: float | None) -> SharedTokens:
        if self._find_refusal(known):
            return known
        now = self._clock()
        recent = tuple(instant for instant in known.granted_at if 0 <= now - instant < LOCK_OUT_S)
        grant = replace(self._grant, refresh_token=known.refresh_token or self._grant.refresh_token)
        if len(recent) >= TOKENS_PER_LOCK_OUT:
            return _refuse(known, TokenThrottledError(_SPARED), until=recent[0] + LOCK_OUT_S)
        try:
            token, next_grant = request_access_token(grant, now=now, policy=self._policy, recorder=self._recorder)
        except (TokenRejectedError, TokenThrottledError) as error:
            return _refuse(known, error, until=now + LOCK_OUT_S)
        self._recorder.record(TOKENS)
        if next_grant != grant:
            _log.warning("The accounts server replaced the refresh token; the new one is kept with the access token.")
        return SharedTokens(
            token=token,
            refresh_token=next_grant.refresh_token if next_grant != self._grant else "",
            granted_at=(*recent, now),
            renewed_at=renewed_at,
        )

    def _is_fresh(self, token: AccessToken | None) -> bool:
        """Whether the token lives on for its leeway: a minute, or half of a life that is shorter than two."""
        return token is not None and token.expires_at - min(LEEWAY_S, token.lifetime_s / 2) > self._clock()

    def _is_just_renewed(self, shared: SharedTokens) -> bool:
        """Whether the token is itself an answer to a refusal: another would be refused as well, and costs a token."""
        return shared.renewed_at is not None and 0 <= self._clock() - shared.renewed_at < LEEWAY_S

    def _find_refusal(self, shared: SharedTokens) -> Refusal | None:
        """The refusal that still holds; one that would hold for longer than any was written by a clock that jumped."""
        refusal = shared.refusal
        return refusal if refusal and 0 < refusal.until - self._clock() <= LOCK_OUT_S else None


def _refuse(known: SharedTokens, error: InvoicingError, *, until: float) -> SharedTokens:
    """What is known from now on: why there is no token, for all who would ask."""
    refusal = Refusal(message=str(error), until=until, is_throttle=error.transient)
    return structs.replace(known, token=None, refusal=refusal)
