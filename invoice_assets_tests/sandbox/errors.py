"""The API's refusals: HTTP status, code and message of each, as docs/api.md, "Errors", lists them.

When one is due is decided in `listing.py`, `limits.py` and `application.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from invoice_assets_tests.sandbox.wire import encode


@dataclass(frozen=True)
class ApiError:
    """One error of the API, as it is answered."""

    status: int
    code: int
    message: str

    def body(self) -> str:
        """Return the flat JSON body."""
        return encode({"code": self.code, "message": self.message})


@dataclass
class RefusedRequestError(Exception):
    """A request that is answered with an error instead of rows."""

    error: ApiError
    headers: Mapping[str, str] = field(default_factory=dict)


UNAUTHORIZED = ApiError(401, 14, "Invalid value passed for authtoken.")
NOT_AUTHORIZED = ApiError(401, 57, "You are not authorized to perform this operation")
WRONG_ORGANIZATION = ApiError(
    400, 6041, "This user is not associated with the CompanyID/CompanyName:Unknown organization."
)
MISSING_ORGANIZATION = ApiError(400, 9017, "Please specify the organization: this user belongs to several.")
INVALID_URL = ApiError(404, 5, "Invalid URL Passed")
TOO_MANY_REQUESTS = ApiError(429, 44, "For security reasons you have been blocked: too many requests within a minute.")
BLOCKED = ApiError(429, 43, "For security reasons you have been blocked for some time: maximum exceeded.")
DAILY_QUOTA_USED_UP = ApiError(429, 45, "You have exceeded the maximum number of API calls of this organization today.")
TOO_MANY_IN_FLIGHT = ApiError(429, 1070, "The maximum number of in process requests for this organization is reached.")
INTERNAL_ERROR = ApiError(500, 1000, "Internal Error")


def invalid_value(parameter: str, *, code: int = 2) -> ApiError:
    """Return the refusal of a parameter's value."""
    return ApiError(400, code, f"Invalid value passed for {parameter}")
