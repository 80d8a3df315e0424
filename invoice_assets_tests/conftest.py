"""Fixtures shared by all tests: an environment that is nobody's own, a sandbox, and sessions that read from it.

What only one package of tests needs lives in that package's own conftest.
https://docs.pytest.org/en/stable/reference/fixtures.html
"""

from __future__ import annotations

import os
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Protocol

import hypothesis
import pytest

from invoice_assets.api.oauth import AccessTokenProvider, RefreshTokenGrant
from invoice_assets.api.pacing import RequestPacer
from invoice_assets.api.retries import RetryPolicy
from invoice_assets.api.session import MAX_BODY_MB, ApiAccount, ApiSession
from invoice_assets_tests.postgres import Postgres, open_postgres
from invoice_assets_tests.sandbox.server import Sandbox

OWN_VARIABLES = ("INVOICE_", "DESTINATION__", "DAGSTER_HOME", "OTEL_")
ROWS = 3

hypothesis.settings.register_profile("thorough", max_examples=5_000)


@pytest.fixture(scope="session", autouse=True)
def environment_of_nobody() -> Iterator[None]:
    """Keep the developer's own API, warehouse and Dagster instance out of every test, and dlt from reporting usage."""
    with pytest.MonkeyPatch.context() as environment:
        for name in [name for name in os.environ if name.startswith(OWN_VARIABLES)]:
            environment.delenv(name)
        environment.setenv("RUNTIME__DLTHUB_TELEMETRY", "false")
        yield


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """A sandbox with three rows of every resource."""
    with Sandbox(rows=ROWS) as running:
        yield running


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL server; each test makes a database of its own."""
    with open_postgres() as running:
        yield running


def build_grant(sandbox: Sandbox) -> RefreshTokenGrant:
    """The grant that a sandbox accepts."""
    return RefreshTokenGrant(
        token_url=sandbox.token_url,
        client_id=sandbox.client_id,
        client_secret=sandbox.client_secret,
        refresh_token=sandbox.refresh_token,
    )


@pytest.fixture
def grant(sandbox: Sandbox) -> RefreshTokenGrant:
    """The grant that the test's sandbox accepts."""
    return build_grant(sandbox)


@pytest.fixture
def waits() -> list[float]:
    """The seconds that retries have waited, without having slept."""
    return []


@pytest.fixture
def policy(waits: list[float]) -> RetryPolicy:
    """The project's default retry policy, its waits recorded instead of slept."""
    return RetryPolicy(sleep=waits.append)


class OpenSession(Protocol):
    """How tests open a session: on their sandbox, with retries that do not sleep, unpaced, unless told otherwise."""

    def __call__(
        self,
        *,
        to: Sandbox = ...,
        base_url: str = ...,
        organization_id: str | None = ...,
        auth_scheme: str = ...,
        policy: RetryPolicy = ...,
        pacer: RequestPacer = ...,
        clock: Callable[[], float] = ...,
        max_body_mb: int = ...,
    ) -> ApiSession:
        """A session with an access token of its own."""


@pytest.fixture
def open_session(sandbox: Sandbox, policy: RetryPolicy) -> Iterator[OpenSession]:
    """A function that opens sessions; they are closed when the test ends."""
    default_policy, unpaced = policy, RequestPacer(requests_per_minute=0)
    with ExitStack() as stack:

        def open_one(
            *,
            to: Sandbox = sandbox,
            base_url: str = "",
            organization_id: str | None = None,
            auth_scheme: str = "Zoho-oauthtoken",
            policy: RetryPolicy = default_policy,
            pacer: RequestPacer = unpaced,
            clock: Callable[[], float] = time.time,
            max_body_mb: int = MAX_BODY_MB,
        ) -> ApiSession:
            account = ApiAccount(
                base_url=base_url or to.api_base_url,
                organization_id=to.organization_id if organization_id is None else organization_id,
                auth_scheme=auth_scheme,
            )
            tokens = AccessTokenProvider(build_grant(to), policy=policy, clock=clock)
            return stack.enter_context(
                ApiSession(account, tokens=tokens, pacer=pacer, policy=policy, max_body_mb=max_body_mb)
            )

        yield open_one


@pytest.fixture
def session(open_session: OpenSession) -> ApiSession:
    """A session on the sandbox, as a load opens one."""
    return open_session()


@dataclass(frozen=True)
class Answer:
    """One HTTP answer, exactly as it is sent; an endless one sends its body until the client hangs up."""

    status: int
    body: bytes = b"{}"
    headers: Mapping[str, str] = field(default_factory=dict)
    is_endless: bool = False

    def send(self, handler: BaseHTTPRequestHandler) -> None:
        """Send it."""
        length = {} if self.is_endless else {"Content-Length": str(len(self.body))}
        handler.send_response(self.status)
        for name, value in {**self.headers, **length}.items():
            handler.send_header(name, value)
        handler.end_headers()
        with suppress(ConnectionError):
            handler.wfile.write(self.body)
            while self.is_endless:
                handler.wfile.write(self.body)


class _QuietServer(HTTPServer):
    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of clients that hang up, as they are meant to where the certificate is nobody's."""


class AnsweringServer:
    """Gives the answers it was told, the last one for ever.

    For what the API was never seen to send, so that the sandbox does not either.
    `received` has the method and the path of every request.
    """

    def __init__(self, *, tls: ssl.SSLContext | None = None) -> None:
        self.answers: list[Answer] = []
        self.received: list[str] = []
        self._server = _QuietServer(("127.0.0.1", 0), self._handler())
        self._scheme = "https" if tls else "http"
        if tls:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.005})

    def __enter__(self) -> AnsweringServer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def url(self, path: str) -> str:
        """The full URL of a path."""
        return f"{self._scheme}://127.0.0.1:{self._server.server_port}{path}"

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length") or 0))
                server.received.append(f"{self.command} {self.path}")
                (server.answers.pop(0) if len(server.answers) > 1 else server.answers[0]).send(self)

            do_POST = do_GET  # noqa: N815 - the name is http.server's

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it so
                """Stay silent."""

        return Handler


@pytest.fixture
def answering_server() -> Iterator[AnsweringServer]:
    """A server that gives whatever answers a test hands it."""
    with AnsweringServer() as running:
        yield running
