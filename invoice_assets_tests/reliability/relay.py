"""A TCP relay that can be shut: what is behind it then refuses connections, and those that were open are gone.

What is sent through it is nobody's business here.
"""

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from threading import Thread
from urllib.parse import urlsplit

from invoice_assets_tests.sandbox.background import HOST, open_listener, port_of

CHUNK_BYTES = 1 << 16


class Relay:
    """Hands connections on to the server behind `url`, for as long as it is open; a `port` of 0 is any free one."""

    def __init__(self, url: str, *, port: int = 0) -> None:
        parts = urlsplit(url)
        self._target = (parts.hostname, parts.port)
        self._listener = open_listener(port)
        self._port = port_of(self._listener)
        self._ends: list[socket.socket] = []
        self._threads: list[Thread] = []
        self.url = parts._replace(netloc=f"{HOST}:{self._port}").geturl()
        self._run(self._accept)

    def shut(self) -> None:
        """Refuse connections from now on, and cut those that are open."""
        for end in (self._listener, *self._ends):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        for end in (self._listener, *self._ends):
            end.close()
        self._ends, self._threads = [], []

    @contextmanager
    def being_shut(self) -> Iterator[None]:
        """Refuse connections for as long as the context is open; then hand them on again, at the same address."""
        self.shut()
        try:
            yield
        finally:
            self._listener = open_listener(self._port)
            self._run(self._accept)

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                far = socket.create_connection(self._target)
                self._ends += [near, far]
                self._run(_pump, near, far)
                self._run(_pump, far, near)

    def _run(self, work: Callable[..., None], *ends: socket.socket) -> None:
        thread = Thread(target=work, args=ends, daemon=True)
        thread.start()
        self._threads.append(thread)


def _pump(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while chunk := source.recv(CHUNK_BYTES):
            target.sendall(chunk)
    with suppress(OSError):
        target.shutdown(socket.SHUT_RDWR)
