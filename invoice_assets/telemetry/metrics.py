"""The metrics of a deployment, each declared once: name, kind, unit, and the attributes it is split by.

Who takes measurements lives in `recorder.py`. The docs' table, the dashboard's queries and the alert rules are held
against this one. https://opentelemetry.io/docs/specs/semconv/general/metrics/
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """How measurements of a metric are put together."""

    COUNTER = "counter"
    HISTOGRAM = "histogram"
    GAUGE = "gauge"


@dataclass(frozen=True, kw_only=True)
class Metric:
    """One metric; a counter counts in its unit, seconds included."""

    name: str
    kind: Kind
    unit: str
    """As OpenTelemetry writes it: `s`, or a word in braces for things that are counted."""
    description: str
    attributes: tuple[str, ...]
    buckets: tuple[float, ...] = ()
    """Upper bounds of a histogram's buckets, in its unit."""


ATTRIBUTES: Mapping[str, str] = {
    "organization": "the slug of the organisation; absent where the deployment has one",
    "resource": "a resource of the catalog",
    "status": "the HTTP status of the API's answer; `none` where none came, or not all of it",
    "reason": "`no_answer`, `broken_answer`, or the HTTP status that was tried again",
    "stage": "`extract`, `normalize` or `load`",
    "outcome": "`success` or `failure`",
    "error": "the class of the error behind a failure; `other` where it is not one of this project's",
}
"""What each attribute may be: few values, none of them from the data, an address or a secret."""

NO_STATUS, NO_ANSWER, BROKEN_ANSWER = "none", "no_answer", "broken_answer"
SUCCESS, FAILURE, OTHER_ERROR = "success", "failure", "other"

REQUESTS = Metric(
    name="invoice_assets.requests",
    kind=Kind.COUNTER,
    unit="{request}",
    description="Requests for a list that were sent, retries among them.",
    attributes=("organization", "resource", "status"),
)
REQUEST_DURATION = Metric(
    name="invoice_assets.request.duration",
    kind=Kind.HISTOGRAM,
    unit="s",
    description="Seconds from sending a request to having its whole answer, waits for the quota not among them.",
    attributes=("organization", "resource"),
    buckets=(0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)
RETRIES = Metric(
    name="invoice_assets.retries",
    kind=Kind.COUNTER,
    unit="{retry}",
    description="Requests that were sent again, for access tokens (without a resource) too.",
    attributes=("organization", "resource", "reason"),
)
QUOTA_WAIT = Metric(
    name="invoice_assets.quota.wait",
    kind=Kind.COUNTER,
    unit="s",
    description="Seconds that requests were held back by the quota, of a minute and in flight.",
    attributes=("organization", "resource"),
)
QUOTA_REMAINING = Metric(
    name="invoice_assets.quota.remaining",
    kind=Kind.GAUGE,
    unit="{request}",
    description="Requests left of the organisation's day, as the API said last.",
    attributes=("organization",),
)
TOKENS = Metric(
    name="invoice_assets.tokens",
    kind=Kind.COUNTER,
    unit="{token}",
    description="Access tokens that the accounts server has granted.",
    attributes=("organization",),
)
TOKEN_WAIT = Metric(
    name="invoice_assets.token.wait",
    kind=Kind.COUNTER,
    unit="s",
    description="Seconds until an access token was there: asked for, or shared by the process that asked.",
    attributes=("organization",),
)
ROWS_LOADED = Metric(
    name="invoice_assets.rows.loaded",
    kind=Kind.COUNTER,
    unit="{row}",
    description="Rows that were merged into the table.",
    attributes=("organization", "resource"),
)
ROWS_DELETED = Metric(
    name="invoice_assets.rows.deleted",
    kind=Kind.COUNTER,
    unit="{row}",
    description="Rows that were marked as deleted.",
    attributes=("organization", "resource"),
)
STAGE_DURATION = Metric(
    name="invoice_assets.stage.duration",
    kind=Kind.COUNTER,
    unit="s",
    description="Seconds that dlt's stages of finished loads took.",
    attributes=("organization", "resource", "stage"),
)
LOADS = Metric(
    name="invoice_assets.loads",
    kind=Kind.COUNTER,
    unit="{load}",
    description="Loads that ended, each attempt for itself.",
    attributes=("organization", "resource", "outcome", "error"),
)

METRICS: tuple[Metric, ...] = (
    REQUESTS,
    REQUEST_DURATION,
    RETRIES,
    QUOTA_WAIT,
    QUOTA_REMAINING,
    TOKENS,
    TOKEN_WAIT,
    ROWS_LOADED,
    ROWS_DELETED,
    STAGE_DURATION,
    LOADS,
)
