"""An API that is a sandbox but for one list, whose every answer is what a test says, to the byte.

What is answered, and what has to come of it, is the business of the tests.
"""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self
from urllib.parse import parse_qs, urlsplit

import requests

from invoice_assets_tests.conftest import Answer
from invoice_assets_tests.sandbox.server import Sandbox

RELAYED = ("Authorization", "X-com-zoho-invoice-organizationid")


class OddApi:
    """The lists of a sandbox, all but the one at `path`: its pages are `answers`."""

    def __init__(self, sandbox: Sandbox, *, path: str) -> None:
        self.answers: tuple[Answer, ...] = ()
        self._sandbox = sandbox
        self._path = urlsplit(sandbox.api_base_url).path + path
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.005})

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def base_url(self) -> str:
        """The base URL of the lists, with a slash at its end."""
        return f"http://127.0.0.1:{self._server.server_port}{urlsplit(self._sandbox.api_base_url).path}"

    def answer(self, path: str, headers: dict[str, str]) -> Answer:
        """What is answered to a request."""
        parts = urlsplit(path)
        if parts.path != self._path:
            return self._relay(path, headers)
        return self.answers[int(parse_qs(parts.query)["page"][0]) - 1]

    def _relay(self, path: str, headers: dict[str, str]) -> Answer:
        answered = requests.get(f"{self._sandbox.base_url}{path}", headers=headers, timeout=10)
        return Answer(answered.status_code, answered.content)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        api = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                api.answer(self.path, {name: self.headers[name] for name in RELAYED}).send(self)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it so
                """Stay silent."""

        return Handler
