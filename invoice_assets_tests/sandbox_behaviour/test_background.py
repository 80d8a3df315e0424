"""The server that the sandbox runs on: what it leaves behind when it stops."""

from __future__ import annotations

import socket
import threading

from starlette.types import Receive, Scope, Send

from invoice_assets_tests.sandbox.background import HOST, BackgroundServer, open_listener, port_of

PATIENCE_S = 10.0
HEAD_START_S = 0.05
"""What the stop gets, so that the server learns of both at once; a connection that is accepted before is cut, too."""


def test_a_connection_that_arrives_in_the_moment_of_the_stop_is_cut() -> None:
    """From Python 3.12 on it stayed open, and failed the test in which the garbage was collected."""
    is_busy, may_go_on = threading.Event(), threading.Event()

    async def keep_busy(scope: Scope, receive: Receive, send: Send) -> None:
        is_busy.set()
        may_go_on.wait(PATIENCE_S)

    listener = open_listener(0)
    address = (HOST, port_of(listener))
    server = BackgroundServer(keep_busy, listener)
    server.start()
    with socket.create_connection(address) as first:
        first.sendall(b"GET / HTTP/1.1\r\nHost: sandbox\r\n\r\n")
        assert is_busy.wait(PATIENCE_S)
        with socket.create_connection(address, timeout=PATIENCE_S) as last:
            stop = threading.Thread(target=server.stop)
            stop.start()
            stop.join(HEAD_START_S)
            may_go_on.set()
            stop.join()

            assert is_cut(last)


def is_cut(connection: socket.socket) -> bool:
    """Whether the server has closed it; one that it forgot times out."""
    try:
        return connection.recv(1) == b""
    except ConnectionResetError:
        return True
