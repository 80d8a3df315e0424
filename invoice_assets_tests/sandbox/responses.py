"""Answers at the level of bytes and connections: JSON, HTML, and the ways in which a connection can fail.

Which request gets one of them is in `application.py` and `faults.py`.
https://asgi.readthedocs.io/en/latest/specs/www.html
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Mapping

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from invoice_assets_tests.sandbox.errors import ApiError
from invoice_assets_tests.sandbox.ledger import NO_ANSWER

TRANSPORT_KEY = "sandbox.transport"
"""Where `application.py` leaves the connection's transport in the ASGI scope."""
MILLISECONDS_BEFORE_RESET = 20
DRIP_PIECES = 20
HTML_PAGE = "<html><head><title>{title}</title></head><body><h1>{title}</h1><hr>nginx</body></html>"


def json_response(body: str, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Return an answer whose body is JSON text, sent as it is."""
    return Response(body, status_code=status, headers=headers, media_type="application/json;charset=UTF-8")


def error_response(error: ApiError, *, headers: Mapping[str, str] | None = None) -> Response:
    """Return the answer to a refused request."""
    return json_response(error.body(), status=error.status, headers=headers)


def html_response(title: str, *, status: int, headers: Mapping[str, str] | None = None) -> Response:
    """Return an answer such as a gateway in front of the API gives."""
    return Response(HTML_PAGE.format(title=title), status_code=status, headers=headers, media_type="text/html")


class DroppedConnection(Response):
    """Closes the connection instead of answering."""

    def __init__(self) -> None:
        """Have no status: nothing is sent."""
        super().__init__()
        self.status_code = NO_ANSWER

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Close the connection."""
        scope[TRANSPORT_KEY].abort()
        await _wait_for_disconnect(receive)


class ResetInMidBody(Response):
    """Promises a whole body, sends half of it and resets the connection."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send half, then reset."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        half = bytes(self.body)[: len(self.body) // 2]
        await send({"type": "http.response.body", "body": half, "more_body": True})
        await asyncio.sleep(MILLISECONDS_BEFORE_RESET / 1000)
        transport = scope[TRANSPORT_KEY]
        no_linger = struct.pack("ii", 1, 0)  # close() then sends RST rather than FIN
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, no_linger)
        transport.abort()
        await _wait_for_disconnect(receive)


class SlowDrip(Response):
    """Sends a whole, correct answer in small pieces, spread over `seconds`."""

    def __init__(self, body: str, *, seconds: float) -> None:
        """Prepare a JSON answer."""
        super().__init__(body, media_type="application/json;charset=UTF-8")
        self._seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the pieces."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        body = bytes(self.body)
        size = max(1, -(-len(body) // DRIP_PIECES))
        for start in range(0, len(body), size):
            await asyncio.sleep(self._seconds / DRIP_PIECES)
            await send({"type": "http.response.body", "body": body[start : start + size], "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _wait_for_disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
