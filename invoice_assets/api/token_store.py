"""The tokens of a grant, kept for all processes of a deployment: sealed, and changed by one of them at a time.

When a token is used or replaced is decided in `oauth.py`; where the rows stand, in `shared_state.py`.
https://cryptography.io/en/latest/fernet/
"""

import hmac
import logging
from base64 import urlsafe_b64encode
from collections.abc import Callable
from typing import Protocol

import msgspec
from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from sqlalchemy import Column, ColumnElement, Connection, LargeBinary, MetaData, String, Table

from invoice_assets.api.shared_state import SharedState

_log = logging.getLogger(__name__)


class AccessToken(msgspec.Struct, frozen=True, kw_only=True):
    """An access token, the epoch second at which it expires, and how long it lives in all. Its repr shows no secret."""

    value: str
    expires_at: float
    lifetime_s: float = 3600.0

    def __repr__(self) -> str:
        return f"AccessToken(expires_at={self.expires_at!r})"


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """Why the accounts server gave no token, and until which epoch second it is not asked again."""

    message: str
    until: float
    is_throttle: bool


class SharedTokens(msgspec.Struct, frozen=True, kw_only=True):
    """What the processes know together of a grant. Its repr shows no secret.

    `granted_at` are the epoch seconds of the latest tokens, `renewed_at` that of the latest which took the place of a
    refused one; `refresh_token` is one that the server gave in the place of the configured one.
    """

    token: AccessToken | None = None
    refresh_token: str = ""
    granted_at: tuple[float, ...] = ()
    renewed_at: float | None = None
    refusal: Refusal | None = None

    def __repr__(self) -> str:
        return f"SharedTokens(token={self.token!r})"


class TokenStore(Protocol):
    """Where the tokens of one grant are kept."""

    def read(self) -> SharedTokens:
        """What is known; it may change at any moment."""

    def update(self, change: Callable[[SharedTokens], SharedTokens]) -> SharedTokens:
        """Replace what is known by what `change` makes of it, while nobody else does; returns what is known then."""


class ProcessTokenStore:
    """Tokens that no other process knows, for one thread at a time."""

    def __init__(self) -> None:
        self._tokens = SharedTokens()

    def read(self) -> SharedTokens:
        """What is known."""
        return self._tokens

    def update(self, change: Callable[[SharedTokens], SharedTokens]) -> SharedTokens:
        """Replace what is known."""
        self._tokens = change(self._tokens)
        return self._tokens


_TABLES = MetaData()
_TOKENS = Table(
    "invoice_assets_tokens",
    _TABLES,
    Column("grant_id", String(64), primary_key=True),
    Column("sealed", LargeBinary, nullable=False),
)


class SharedTokenStore:
    """Tokens of a grant in the deployment's shared state, sealed under a key that follows from the client secret.

    Whoever changes the grant's client or refresh token in the settings starts with a row of their own.
    """

    def __init__(self, state: SharedState, *, identity: str, secret: str) -> None:
        self._grant_id = hmac.digest(secret.encode(), identity.encode(), "sha256").hex()
        key = HKDF(SHA256(), length=32, salt=self._grant_id.encode(), info=b"invoice_assets tokens")
        self._fernet = Fernet(urlsafe_b64encode(key.derive(secret.encode())))
        self._tables = state.open_tables(f"tokens-{self._grant_id[:16]}", _TABLES)

    def read(self) -> SharedTokens:
        """What is known; it may change at any moment."""
        with self._tables.connect() as connection:
            return self._load(connection)

    def update(self, change: Callable[[SharedTokens], SharedTokens]) -> SharedTokens:
        """Replace what is known, while no other thread or process can.

        Raises:
            SharedStateUnavailableError: Another process does not come to an end with it.
        """
        with self._tables.exclusive() as connection:
            known = self._load(connection)
            changed = change(known)
            if changed != known:
                self._save(connection, changed)
        return changed

    def _load(self, connection: Connection) -> SharedTokens:
        sealed = connection.scalar(_TOKENS.select().with_only_columns(_TOKENS.c.sealed).where(self._is_ours))
        if sealed is None:
            return SharedTokens()
        try:
            return msgspec.json.decode(self._fernet.decrypt(sealed), type=SharedTokens)
        except (InvalidToken, msgspec.DecodeError):
            _log.warning("The access token that was kept cannot be read and is replaced by a new one.")
            return SharedTokens()

    def _save(self, connection: Connection, tokens: SharedTokens) -> None:
        sealed = self._fernet.encrypt(msgspec.json.encode(tokens))
        if connection.execute(_TOKENS.update().where(self._is_ours).values(sealed=sealed)).rowcount == 0:
            connection.execute(_TOKENS.insert().values(grant_id=self._grant_id, sealed=sealed))

    @property
    def _is_ours(self) -> ColumnElement[bool]:
        return _TOKENS.c.grant_id == self._grant_id
