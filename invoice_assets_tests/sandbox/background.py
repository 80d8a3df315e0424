"""A uvicorn server in a thread of its own, started and stopped within milliseconds.

What it serves is in `application.py`; what a test holds in its hands is `Sandbox`, in `server.py`.
https://www.uvicorn.org/
"""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
from typing import Any

import uvicorn
from starlette.types import ASGIApp

HOST = "127.0.0.1"
KEEP_ALIVE_S = 300
TURNS_OF_A_CONNECTION = 5
"""Turns of the event loop in which a connection that was accepted last is sure to be known."""
DATE_HEADER_S = 1.0
START_TIMEOUT_S = 60.0


def open_listener(port: int, *, host: str = HOST) -> socket.socket:
    """Take a port of an address, a free one for 0, so that it is known before anything is served.

    Raises:
        OSError: The port is taken.
    """
    # Where the protocol is named, asyncio switches Nagle's algorithm off; otherwise every answer takes 40 ms.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen()
    except OSError:
        listener.close()
        raise
    return listener


def port_of(listener: socket.socket) -> int:
    """Return the port that a listener holds."""
    port: int = listener.getsockname()[1]
    return port


class BackgroundServer:
    """Serves an application on a listener until it is stopped."""

    def __init__(self, application: ASGIApp, listener: socket.socket) -> None:
        """Prepare to serve; nothing is accepted before `start`."""
        self._socket = listener
        config = uvicorn.Config(
            application,
            http="h11",
            ws="none",
            lifespan="off",
            log_config=None,
            log_level=logging.ERROR,
            access_log=False,
            timeout_keep_alive=KEEP_ALIVE_S,
            date_header=False,  # the date is the sandbox's own clock's
            loop="asyncio",
        )
        self._server = _StoppableServer(config)
        self._thread = threading.Thread(target=self._run, name=f"sandbox-{port_of(listener)}", daemon=True)

    def start(self) -> None:
        """Start serving and return as soon as requests are accepted."""
        self._thread.start()
        if not self._server.is_ready.wait(START_TIMEOUT_S):
            raise RuntimeError(f"the sandbox did not start within {START_TIMEOUT_S:g} s")

    def stop(self) -> None:
        """Cut every connection and end the thread."""
        self._server.stop()
        self._thread.join()
        self._socket.close()

    def _run(self) -> None:
        with asyncio.Runner() as runner:
            runner.run(self._server.serve(sockets=[self._socket]))


class _StoppableServer(uvicorn.Server):
    """A uvicorn server that waits for a signal instead of polling, and does not wait for its clients to leave."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.is_ready = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopped = asyncio.Event()

    def stop(self) -> None:
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._stopped.set)

    async def main_loop(self) -> None:
        self._loop = asyncio.get_running_loop()
        await self.on_tick(0)
        self.is_ready.set()
        while not self._stopped.is_set():
            try:
                await asyncio.wait_for(self._stopped.wait(), DATE_HEADER_S)
            except TimeoutError:
                await self.on_tick(0)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for listener in sockets or ():
            asyncio.get_running_loop().remove_reader(listener)
        for _ in range(TURNS_OF_A_CONNECTION):
            connections: set[Any] = set(self.server_state.connections)
            for connection in connections:
                connection.transport.abort()
            await asyncio.sleep(0)  # lets connections learn that they are closed, and others that they are open
        for server in self.servers:  # Last: from Python 3.12 on, one that is closed forgets what it has just accepted.
            server.close()
        tasks = list(self.server_state.tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
