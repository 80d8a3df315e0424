"""The redirect that ends an authorisation in the browser, received on this machine's loopback interface.

What the browser is sent to the accounts server with lives in `authorization_code.py`. RFC 8252, section 7.3.
"""

import hmac
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from html import escape
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import parse_qsl, urlsplit

from invoice_assets.errors import PermanentError

HOST, PATH = "127.0.0.1", "/callback"
SECONDS_OF_A_CONNECTION = 5.0
"""A browser opens connections ahead and sends nothing by them: none may keep the one that matters waiting."""

_PAGE = (
    "<!doctype html><html lang=en><meta charset=utf-8><title>{title}</title>"
    "<body style='font:1.1rem/1.5 system-ui,sans-serif;max-width:36rem;margin:15vh auto'>"
    "<h1 style='font-size:1.5rem'>{title}</h1><p>{text}</p></body></html>"
)
_HEADERS = {
    "Content-Type": "text/html; charset=utf-8",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'",
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "Connection": "close",
}
_REFUSALS = {
    "access_denied": (
        "Access was not granted: the consent page was answered with no. Run this again, log in as a user who may read "
        "the invoices, and accept."
    ),
    "invalid_scope": (
        "The accounts server does not know one of the scopes. Check that the client is of an account that has the "
        "invoicing application, and of the data centre that you chose."
    ),
}


class RedirectError(PermanentError):
    """The browser did not come back with a code; the message says why."""


@dataclass(frozen=True, kw_only=True)
class Redirect:
    """What the accounts server sent along. Its repr shows no secret."""

    code: str = field(repr=False)
    accounts_server: str
    """The accounts server of the user's own data centre, where it was told; empty else."""


class RedirectListener:
    """Waits for one redirect at `uri`, on the loopback interface alone."""

    def __init__(self, server: "_Server") -> None:
        self._server = server
        self.uri = f"http://{HOST}:{server.server_port}{PATH}"

    def wait(self, *, state: str, patience_s: float) -> Redirect:
        """The redirect that answers the request of this `state`.

        Raises:
            RedirectError: None came in time, it answers another request, or access was refused.
        """
        self._server.state = state
        deadline = time.monotonic() + patience_s
        while self._server.answer is None and (left_s := deadline - time.monotonic()) > 0:
            self._server.timeout = left_s
            self._server.handle_request()
        if self._server.answer is None:
            raise RedirectError(
                f"The browser did not come back within {patience_s / 60:g} minutes. If its page named an invalid "
                f"redirect URI, register {self.uri} with the client in the API console; if it named an invalid client, "
                "choose the data centre in which you see it. Then run this again."
            )
        return _judge(self._server.answer, state=state)


@contextmanager
def open_listener(port: int) -> Iterator[RedirectListener]:
    """A listener on that port, 0 for a free one, for as long as the context is open.

    Raises:
        RedirectError: The port is taken.
    """
    try:
        server = _Server((HOST, port), _Handler)
    except OSError as error:
        raise RedirectError(
            f"Port {port} of this machine cannot be used ({error.strerror}). Choose another by --redirect-port, and "
            f"register http://{HOST}:<port>{PATH} with the client."
        ) from error
    with server:
        yield RedirectListener(server)


def _judge(answer: dict[str, str], *, state: str) -> Redirect:
    if not _is_ours(answer, state):
        raise RedirectError(
            "The browser came back with the answer to another request (its state is not ours), which was dropped. "
            "Close older tabs of this login, then run this again."
        )
    if error := answer.get("error"):
        raise RedirectError(
            _REFUSALS.get(error)
            or f"The accounts server refused ({error[:80]!r}). Check the client in the API console."
        )
    if not answer.get("code"):
        raise RedirectError("The browser came back without a code. Check the client in the API console.")
    return Redirect(code=answer["code"], accounts_server=answer.get("accounts-server", ""))


def _is_ours(answer: dict[str, str], state: str) -> bool:
    return hmac.compare_digest(answer.get("state", "").encode(), state.encode())


class _Server(HTTPServer):
    """Remembers the first redirect that it gets."""

    state = ""
    answer: dict[str, str] | None = None

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of a browser that hangs up."""


class _Handler(BaseHTTPRequestHandler):
    timeout = SECONDS_OF_A_CONNECTION
    server: _Server

    def do_GET(self) -> None:
        """Take the redirect; whatever else a browser asks for is not there."""
        parts = urlsplit(self.path)
        if parts.path != PATH:
            self.send_error(404)
            return
        answer = self.server.answer = dict(parse_qsl(parts.query))
        if _is_ours(answer, self.server.state) and answer.get("code"):
            self._show("Almost done", "Close this page and go on in the terminal, which has the rest.")
        else:
            self._show("Access was not granted", "Nothing was kept. The terminal says what to do.")

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - the base class names it so
        """Stay silent: the address has the code in it."""

    def _show(self, title: str, text: str) -> None:
        body = _PAGE.format(title=escape(title), text=escape(text)).encode()
        self.send_response(200)
        for name, value in (_HEADERS | {"Content-Length": str(len(body))}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
