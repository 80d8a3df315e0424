"""What can go wrong between this project and the API, as exceptions that say what to do next.

What the classes promise about a rerun lives in `invoice_assets/errors.py`. The meaning of the API's status and error
codes is one table here (docs/api.md, "Errors"); which answers are sent again within a request is the business of
`retries.py`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from invoice_assets.errors import InvoicingError, PermanentError, TransientError

MESSAGE_LIMIT = 200
"""Characters of the server's own message that an error may quote: enough for every message of the API."""


class ConfigurationError(PermanentError):
    """A setting is missing or unusable; nothing was sent."""


class UntrustedServerError(PermanentError):
    """Whoever answers at the address cannot prove to be it; nothing was sent."""


class TokenRejectedError(PermanentError):
    """The accounts server refused the refresh token or the client."""


class TokenThrottledError(TransientError):
    """The accounts server refuses further access tokens for a while; asking again extends the lock-out."""

    def __init__(self, message: str, *, resume_at: datetime | None = None) -> None:
        super().__init__(message)
        self.resume_at = resume_at


class PermissionDeniedError(PermanentError):
    """A fresh access token was refused: a scope or a permission is missing."""


class QuotaExceededError(TransientError):
    """The API refuses requests until `resume_at` (an instant, or None where the server gave none)."""

    def __init__(self, message: str, *, resume_at: datetime | None) -> None:
        super().__init__(message)
        self.resume_at = resume_at


class InvalidResponseError(TransientError):
    """The answer is not what the API documents: no JSON, no wrapper key, a wrong page."""


@dataclass(frozen=True)
class _Meaning:
    error_class: type[InvoicingError]
    advice: str


DAILY_QUOTA_USED_UP = 45
_RERUN_LATER = "A later run can succeed."
_MEANINGS: Mapping[int, _Meaning] = {
    2: _Meaning(PermanentError, "A parameter was refused and a rerun sends the same; see docs/api.md."),
    4: _Meaning(PermanentError, "A parameter was refused and a rerun sends the same; see docs/api.md."),
    5: _Meaning(PermanentError, "Check INVOICE_API_BASE_URL: it ends in /invoice/v3/."),
    14: _Meaning(PermissionDeniedError, "The Authorization header was not understood; check INVOICE_API_AUTH_SCHEME."),
    43: _Meaning(QuotaExceededError, "The organisation is blocked after a burst of requests."),
    44: _Meaning(QuotaExceededError, "Too many requests within a minute; lower INVOICE_API_REQUESTS_PER_MINUTE."),
    DAILY_QUOTA_USED_UP: _Meaning(QuotaExceededError, "The organisation's daily quota is used up."),
    57: _Meaning(
        PermissionDeniedError,
        "A scope of the client, or a permission of its user, is missing: `invoice-assets authorize` obtains a grant "
        "with all scopes.",
    ),
    1000: _Meaning(TransientError, _RERUN_LATER),
    1070: _Meaning(QuotaExceededError, "Too many requests in flight; other applications share this limit."),
    6041: _Meaning(PermanentError, "Check INVOICE_API_ORGANIZATION_ID: the user does not belong to it."),
    9017: _Meaning(PermanentError, "Set INVOICE_API_ORGANIZATION_ID: the user belongs to several organisations."),
}


def error_from_answer(
    request: str, *, status: int, code: int | None, message: str, resume_at: datetime | None = None
) -> InvoicingError:
    """The exception for an answer that is no success.

    `request` says what was asked ("GET invoices, page 3"); `code` and `message` come from the body, where it had any.
    A code decides before the status does, because a code also comes inside a 200.
    """
    meaning = _MEANINGS.get(code or 0) or _meaning_of_status(status)
    said = f' "{message[:MESSAGE_LIMIT]}"' if message else ""
    coded = f" (code {code})" if code is not None else ""
    text = f"{request} answered {status}{said}{coded}. {meaning.advice}"
    if resume_at is not None:
        text += f" Run again after {resume_at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC; sooner runs are refused too."
    if meaning.error_class is QuotaExceededError:
        return QuotaExceededError(text if resume_at else f"{text} {_RERUN_LATER}", resume_at=resume_at)
    return meaning.error_class(text)


def _meaning_of_status(status: int) -> _Meaning:
    if status in (401, 403):
        return _Meaning(PermissionDeniedError, "Check the client's scopes and the user's permissions.")
    if status == 429:
        return _Meaning(QuotaExceededError, "The server asks for fewer requests.")
    if 300 <= status < 400:
        return _Meaning(PermanentError, "Redirects are not followed; check INVOICE_API_BASE_URL.")
    if status >= 500 or status == 408:
        return _Meaning(TransientError, _RERUN_LATER)
    return _Meaning(PermanentError, "A rerun sends the same request; see docs/api.md.")
