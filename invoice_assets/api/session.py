"""The HTTP session for the API: paced, authorised, retried, counted.

All of it happens in a transport adapter, below `requests`: whatever sends through the session (dlt's RESTClient too)
gets it, and a token that dies while a retry waits is replaced before the next attempt. How a body is decoded, and what
it means, lives in `envelope.py`. https://requests.readthedocs.io/en/latest/user/advanced/#transport-adapters
"""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3.response import BaseHTTPResponse

from invoice_assets.api.envelope import Envelope, decode_envelope
from invoice_assets.api.errors import DAILY_QUOTA_USED_UP, InvalidResponseError, QuotaExceededError, error_from_answer
from invoice_assets.api.oauth import AccessTokenProvider
from invoice_assets.api.pacing import RequestPacer
from invoice_assets.api.retries import (
    BROKEN_CONNECTIONS,
    LONGEST_RETRY_AFTER_S,
    RETRIED_STATUSES,
    RetriableError,
    RetryPolicy,
    parse_retry_after,
)
from invoice_assets.api.token_store import AccessToken
from invoice_assets.api.transport import TIMEOUT_S, hide, require_protected_transport, require_trust
from invoice_assets.errors import InvoicingError, PermanentError, TransientError
from invoice_assets.telemetry.metrics import (
    BROKEN_ANSWER,
    NO_STATUS,
    QUOTA_REMAINING,
    QUOTA_WAIT,
    REQUEST_DURATION,
    REQUESTS,
    RETRIES,
)
from invoice_assets.telemetry.recorder import UNRECORDED, Recorder

ORGANIZATION_HEADER = "X-com-zoho-invoice-organizationid"
ORGANIZATION_PARAMETER = "organization_id"
CHUNK_BYTES = 1 << 20
"""More than a page: 200 rows of the widest resource come to some 400 kB."""

MAX_BODY_MB = 64
"""Megabytes of one answer's body, inflated: more than a hundred times a page."""


class BodyTooLargeError(PermanentError):
    """An answer's body went on beyond the limit; what was left of it has not been read."""


@dataclass(kw_only=True)
class ApiUsage:
    """What a session has cost so far: attempts sent and failed, bytes of body read, and the quota as last reported.

    `waited_s` are the seconds from sending requests to having their answers, waits for the quota not among them.
    """

    requests: int = 0
    failed_attempts: int = 0
    bytes: int = 0
    waited_s: float = 0.0
    quota_remaining: int | None = None

    def add(self, later: "ApiUsage") -> "ApiUsage":
        """The cost of this session and a later one together."""
        remaining = self.quota_remaining if later.quota_remaining is None else later.quota_remaining
        return ApiUsage(
            requests=self.requests + later.requests,
            failed_attempts=self.failed_attempts + later.failed_attempts,
            bytes=self.bytes + later.bytes,
            waited_s=self.waited_s + later.waited_s,
            quota_remaining=remaining,
        )


@dataclass(frozen=True, kw_only=True)
class ApiAccount:
    """Whose data is read, and how its requests are signed.

    Raises:
        ConfigurationError: The base URL is missing or would carry the token in clear.
    """

    base_url: str
    organization_id: str
    auth_scheme: str = "Zoho-oauthtoken"

    def __post_init__(self) -> None:
        require_protected_transport(self.base_url, variable="INVOICE_API_BASE_URL")

    @property
    def quota(self) -> str:
        """Whose quota requests are counted against: the organisation's, at its API."""
        return f"{self.origin}{self.organization_id}"

    @property
    def origin(self) -> str:
        """Scheme, host and port of the API, with a slash at the end."""
        parts = urlsplit(self.base_url)
        return f"{parts.scheme}://{parts.netloc}/"


class ApiResponse(requests.Response):
    """A successful answer of the API; its body is decoded once, however often it is asked for."""

    max_body_mb: int = MAX_BODY_MB
    _envelope: Envelope | None = None

    def iter_content(self, chunk_size: int | None = 1, decode_unicode: bool = False) -> Iterator[Any]:
        """The body in pieces of `CHUNK_BYTES`: requests reads ten kilobytes at a time, dozens of times a page.

        A piece is measured as it arrives, inflated: urllib3 inflates no more than what is asked for.

        Raises:
            BodyTooLargeError: The body goes on beyond `max_body_mb`.
        """
        left = self.max_body_mb * 1_000_000
        for chunk in super().iter_content(max(chunk_size or 0, CHUNK_BYTES), decode_unicode):
            left -= len(chunk)
            if left < 0:
                # Left in the pool, the connection would give its rest to the next request.
                self.close()
                raise BodyTooLargeError(
                    f"{describe(self.request)} was answered with more than {self.max_body_mb} MB. If that is what "
                    "the API sends, set INVOICE_API_MAX_BODY_MB to more, then run again."
                )
            yield chunk

    def json(self, **kwargs: Any) -> Envelope:
        """The decoded body. Raises `InvalidResponseError` where it is no JSON object."""
        if self._envelope is None:
            self._envelope = decode_envelope(self.content, request=describe(self.request))
        return self._envelope


class ApiSession(requests.Session):
    """A session that speaks to one organisation; `usage` counts what it sends.

    dlt copies its configuration deeply; a session is a connection pool with a token and stays itself.
    """

    def __init__(
        self,
        account: ApiAccount,
        *,
        tokens: AccessTokenProvider,
        pacer: RequestPacer,
        policy: RetryPolicy | None = None,
        max_body_mb: int = MAX_BODY_MB,
        recorder: Recorder = UNRECORDED,
        renews_token: bool = True,
    ) -> None:
        """`renews_token=False` leaves it to the caller what comes of a 401: no request is sent twice."""
        super().__init__()
        self.account = account
        self.tokens = tokens
        self.usage = ApiUsage()
        self._environment: Mapping[str, Any] | None = None
        adapter = _ApiAdapter(
            account,
            tokens=tokens,
            pacer=pacer,
            policy=policy or RetryPolicy(),
            usage=self.usage,
            max_body_mb=max_body_mb,
            recorder=recorder,
            renews_token=renews_token,
        )
        self.auth = _leave_to_the_adapter
        # The only adapter there is: a token goes to the API's own host, and no request goes anywhere else.
        self.adapters.clear()
        self.mount(account.origin, adapter)
        if account.organization_id:
            self.headers[ORGANIZATION_HEADER] = account.organization_id
            self.params = {ORGANIZATION_PARAMETER: account.organization_id}

    def merge_environment_settings(self, *arguments: Any, **kwargs: Any) -> Any:
        """What the environment says of proxies and certificates, asked once: there is one host."""
        if self._environment is None:
            self._environment = super().merge_environment_settings(*arguments, **kwargs)
        return dict(self._environment)

    def __deepcopy__(self, memo: dict[int, Any]) -> "ApiSession":
        return self


class _ApiAdapter(HTTPAdapter):
    def __init__(
        self,
        account: ApiAccount,
        *,
        tokens: AccessTokenProvider,
        pacer: RequestPacer,
        policy: RetryPolicy,
        usage: ApiUsage,
        max_body_mb: int,
        recorder: Recorder,
        renews_token: bool,
    ) -> None:
        super().__init__()
        self._account = account
        self._tokens = tokens
        self._pacer = pacer
        self._policy = policy
        self._usage = usage
        self._max_body_mb = max_body_mb
        self._recorder = recorder
        self._renews_token = renews_token

    def send(  # type: ignore[override]  # the base class spells out keyword arguments that are only passed on
        self, request: requests.PreparedRequest, **kwargs: Any
    ) -> requests.Response:
        """The first successful answer, its body read. Raises `InvoicingError` where there is none."""
        kwargs["timeout"] = kwargs.get("timeout") or TIMEOUT_S
        kwargs["stream"] = False
        return self._policy.run(
            lambda: self._attempt(request, **kwargs),
            on_retry=lambda reason: self._recorder.record(RETRIES, reason=reason),
        )

    def build_response(self, req: requests.PreparedRequest, resp: BaseHTTPResponse) -> ApiResponse:
        """The answer as an `ApiResponse`."""
        response = ApiResponse()
        response.__dict__.update(super().build_response(req, resp).__dict__)
        response.max_body_mb = self._max_body_mb
        return response

    def _attempt(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:
        token = self._tokens.current()
        response = self._exchange(request, token, **kwargs)
        if response.status_code == 401 and self._renews_token:
            response = self._exchange(request, self._tokens.renew(token), **kwargs)
        if response.status_code == 200:
            _refuse_half_an_answer(response)
            return response
        error, retry_after_s = _read_failure(request, response)
        if isinstance(error, QuotaExceededError) and (retry_after_s or 0) > LONGEST_RETRY_AFTER_S:
            self._pacer.note_block(error)
        if response.status_code in RETRIED_STATUSES:
            raise RetriableError(error, retry_after_s=retry_after_s, reason=str(response.status_code))
        raise error

    def _exchange(self, request: requests.PreparedRequest, token: AccessToken, **kwargs: Any) -> requests.Response:
        request.headers["Authorization"] = f"{self._account.auth_scheme} {token.value}"
        asked_at = time.monotonic()
        try:
            with self._pacer.turn():
                self._recorder.record(QUOTA_WAIT, time.monotonic() - asked_at)
                response = self._send_now(request, **kwargs)
        except BROKEN_CONNECTIONS as error:
            self._usage.failed_attempts += 1
            require_trust(error, request=describe(request))
            outcome = TransientError(
                f"{describe(request)} did not get through ({type(error).__name__}). "
                "Check INVOICE_API_BASE_URL and the network; a later run can succeed."
            )
            raise RetriableError(outcome) from error
        self._note_quota(response)
        return response

    def _send_now(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:
        """The answer, its body read."""
        self._usage.requests += 1
        sent_at, status = time.monotonic(), NO_STATUS
        try:
            response = super().send(request, **kwargs)
            self._usage.bytes += len(response.content)
            status = str(response.status_code)
        finally:
            self._recorder.record(REQUESTS, status=status)
        waited_s = time.monotonic() - sent_at
        self._recorder.record(REQUEST_DURATION, waited_s)
        self._usage.waited_s += waited_s
        self._usage.failed_attempts += response.status_code != 200
        return response

    def _note_quota(self, response: requests.Response) -> None:
        remaining = _integer(response.headers, "X-Rate-Limit-Remaining")
        if remaining is None:
            return
        self._usage.quota_remaining = remaining
        self._recorder.record(QUOTA_REMAINING, remaining)
        resets_in_s = parse_retry_after(response.headers.get("X-Rate-Limit-Reset"), now=time.time())
        resets_at = None if resets_in_s is None else datetime.now(UTC) + timedelta(seconds=resets_in_s)
        self._pacer.note_quota(remaining=remaining, resets_at=resets_at)


def _leave_to_the_adapter(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """The request as it is: where a session has no `auth`, requests looks for a netrc file before each of them."""
    return request


def describe(request: requests.PreparedRequest) -> str:
    """The request in words for an error: method, path and page; no host, no organisation, no secret."""
    parts = urlsplit(request.url or "")
    page = parse_qs(str(parts.query)).get("page")
    return f"{request.method} {parts.path!s}" + (f", page {page[0]}," if page else "")


def _refuse_half_an_answer(response: requests.Response) -> None:
    """A JSON body that breaks off is a broken connection, whatever the server said of its length."""
    try:
        response.json()
    except InvalidResponseError as error:
        if response.content.lstrip()[:1] == b"{":
            raise RetriableError(error, reason=BROKEN_ANSWER) from error
        raise


def _read_failure(
    request: requests.PreparedRequest, response: requests.Response
) -> tuple[InvoicingError, float | None]:
    now = time.time()
    retry_after_s = parse_retry_after(response.headers.get("Retry-After"), now=now)
    code, message = _read_error_body(response)
    if retry_after_s is None and code == DAILY_QUOTA_USED_UP:
        retry_after_s = parse_retry_after(response.headers.get("X-Rate-Limit-Reset"), now=now)
    error = error_from_answer(
        describe(request),
        status=response.status_code,
        code=code,
        message=hide(message, *str(request.headers.get("Authorization", "")).split()[-1:]),
        resume_at=None if retry_after_s is None else datetime.fromtimestamp(now + retry_after_s, UTC),
    )
    return error, retry_after_s


def _read_error_body(response: requests.Response) -> tuple[int | None, str]:
    try:
        body = response.json()
    except InvalidResponseError:
        return None, ""
    code = body.get("code")
    return (code if isinstance(code, int) else None), str(body.get("message") or "")


def _integer(headers: Mapping[str, str], name: str) -> int | None:
    try:
        return int(headers[name])
    except (KeyError, ValueError):
        return None
