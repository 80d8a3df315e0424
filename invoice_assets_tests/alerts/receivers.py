"""What alerts arrive at in tests: a webhook and a mail server, on loopback, that remember what they were sent.

Both can be taken down and brought up again at the same address, as a service that has an outage.
"""

from __future__ import annotations

import asyncio
import json
import threading
from dataclasses import dataclass
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

LOOPBACK = "127.0.0.1"


class _Server(ThreadingHTTPServer):
    daemon_threads = True


@dataclass(frozen=True)
class Request:
    """One request, as it arrived."""

    method: str
    path: str
    headers: dict[str, str]
    body: Any
    """Decoded from JSON."""


class Webhook:
    """An HTTP server that takes JSON by POST and answers `status`.

    `messages` has the decoded bodies that it accepted, `requests` everything that arrived.
    """

    def __init__(self, path: str = "/alerts") -> None:
        self.status = 200
        self.location: str | None = None
        """Where a `status` of redirection points to."""
        self.requests: list[Request] = []
        self.messages: list[Any] = []
        self._path, self._port = path, 0
        self._server: _Server | None = None
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Webhook:
        self.up()
        return self

    def __exit__(self, *_: object) -> None:
        self.down()

    @property
    def url(self) -> str:
        """The address, as Apprise spells that of a webhook that takes JSON."""
        return f"json://{LOOPBACK}:{self._port}{self._path}"

    @property
    def base_url(self) -> str:
        """The address, for whatever speaks HTTP to it."""
        return f"http://{LOOPBACK}:{self._port}"

    def up(self) -> None:
        """Start to listen: where it listened before, if it did."""
        self._server = _Server((LOOPBACK, self._port), self._handler())
        self._port = self._server.server_port
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.005})
        self._thread.start()

    def down(self) -> None:
        """Stop to listen: connections are refused."""
        if self._server is not None and self._thread is not None:
            self._server.shutdown()
            self._thread.join()
            self._server.server_close()
            self._server = self._thread = None

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        webhook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                text = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                body = json.loads(text) if text else None
                webhook.requests.append(Request(self.command, self.path, dict(self.headers), body))
                if webhook.status < 300:
                    webhook.messages.append(body)
                self.send_response(webhook.status)
                if webhook.location:
                    self.send_header("Location", webhook.location)
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"ok")

            do_GET = do_POST  # noqa: N815 - the name is http.server's

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it so
                """Stay silent."""

        return Handler


class MailServer:
    """An SMTP server that wants a login; `messages` has the mails that it accepted. With `rejects` it accepts none."""

    def __init__(self, *, user: str = "alerts", password: str = "unused") -> None:
        self.rejects = False
        self.messages: list[EmailMessage] = []
        self._user, self._password = user, password
        self._port = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._server: asyncio.Server | None = None
        self._thread: threading.Thread | None = None

    def __enter__(self) -> MailServer:
        self.up()
        return self

    def __exit__(self, *_: object) -> None:
        self.down()

    @property
    def url(self) -> str:
        """The address, as Apprise spells that of a mail to somebody."""
        login = f"{self._user}:{self._password}"
        people = "from=alerts@example.org&to=oncall@example.org"
        return f"mailto://{login}@{LOOPBACK}:{self._port}?{people}&mode=insecure"

    def up(self) -> None:
        """Start to listen: where it listened before, if it did."""
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        listening = self._loop.create_server(self._build_session, LOOPBACK, self._port)
        self._server = asyncio.run_coroutine_threadsafe(listening, self._loop).result()
        self._port = self._server.sockets[0].getsockname()[1]

    def down(self) -> None:
        """Stop to listen: connections are refused."""
        if self._loop is not None and self._thread is not None and self._server is not None:
            self._loop.call_soon_threadsafe(self._server.close)
            asyncio.run_coroutine_threadsafe(self._server.wait_closed(), self._loop).result()
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()
            self._loop = self._thread = self._server = None

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's
        """Take a mail, or refuse it."""
        if self.rejects:
            return "554 5.7.1 Message rejected"
        assert isinstance(envelope.content, bytes)
        mail = message_from_bytes(envelope.content, policy=policy.default)
        assert isinstance(mail, EmailMessage)
        self.messages.append(mail)
        return "250 OK"

    def _build_session(self) -> SMTP:
        return SMTP(self, authenticator=self._log_in, auth_require_tls=False, hostname="localhost")

    def _log_in(self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, login: Any) -> AuthResult:
        expected = LoginPassword(self._user.encode(), self._password.encode())
        return AuthResult(success=login == expected, handled=False)
