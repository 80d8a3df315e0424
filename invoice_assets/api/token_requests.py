"""One request to the token URL: sent, and its answer read as far as all grants have it in common.

What is asked for, and what a refusal of it means, lives with the grants: `oauth.py`, `authorization_code.py`.
RFC 6749, section 5.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import requests

from invoice_assets.api.errors import TokenThrottledError
from invoice_assets.api.retries import (
    BROKEN_CONNECTIONS,
    LONGEST_BELIEVED_S,
    RETRIED_STATUSES,
    RetriableError,
    parse_retry_after,
)
from invoice_assets.api.transport import TIMEOUT_S, hide, require_trust
from invoice_assets.errors import PermanentError, TransientError

DEFAULT_LIFETIME_S = 3600.0
"""Used where an answer has no `expires_in` that makes sense; the API grants an hour (docs/api.md)."""


@dataclass(frozen=True, kw_only=True)
class TokenAnswer:
    """What the token URL answered. Its repr shows no token."""

    asked: str
    """The request in words, for errors."""
    status: int
    refusal: str
    """The error that the server named, without the secrets that it may have repeated; empty where it named none."""
    body: Mapping[str, Any] = field(repr=False)

    def find_text(self, name: str) -> str:
        """The text under that name; empty where there is none."""
        value = self.body.get(name)
        return value if isinstance(value, str) else ""

    @property
    def lifetime_s(self) -> float:
        """How long the access token lives."""
        try:
            lifetime_s = float(self.body["expires_in"])
        except (KeyError, TypeError, ValueError):
            return DEFAULT_LIFETIME_S
        return lifetime_s if 0 < lifetime_s < LONGEST_BELIEVED_S else DEFAULT_LIFETIME_S


def post_token_request(token_url: str, *, grant_type: str, secrets: Mapping[str, str]) -> TokenAnswer:
    """The answer to a request for tokens, which is either a success or has a `refusal`.

    All travels in the body: addresses end up in access logs.

    Raises:
        RetriableError: The accounts server could not be reached, or failed.
        TokenThrottledError: Too many tokens were asked for; the next minutes will not help.
        PermanentError: Whatever answers there is no accounts server.
    """
    asked = f"POST {token_url}"
    form = {"grant_type": grant_type, **secrets}
    try:
        response = requests.post(token_url, data=form, timeout=TIMEOUT_S, allow_redirects=False)
    except BROKEN_CONNECTIONS as error:
        require_trust(error, request=asked)
        outcome = TransientError(f"{asked} did not get through ({type(error).__name__}). Check the token URL.")
        raise RetriableError(outcome) from error
    body = _read_object(response)
    refusal = hide(str(body["error"] or "no reason"), *secrets.values())[:80] if "error" in body else ""
    if "access denied" in refusal.lower():
        raise TokenThrottledError(
            f"{asked} answered {response.status_code} ({refusal}): too many access tokens were asked for. "
            "Wait ten minutes before the next run; asking sooner extends the lock-out."
        )
    if response.status_code in RETRIED_STATUSES:
        raise RetriableError(
            TransientError(f"{asked} answered {response.status_code}. A later run can succeed."),
            retry_after_s=parse_retry_after(response.headers.get("Retry-After"), now=time.time()),
            reason=str(response.status_code),
        )
    if not refusal and response.status_code != 200:
        raise PermanentError(f"{asked} answered {response.status_code}. Check INVOICE_API_TOKEN_URL.")
    return TokenAnswer(asked=asked, status=response.status_code, refusal=refusal, body=body)


def _read_object(response: requests.Response) -> dict[str, Any]:
    try:
        answer = response.json()
    except requests.exceptions.JSONDecodeError:
        return {}
    return answer if isinstance(answer, dict) else {}
