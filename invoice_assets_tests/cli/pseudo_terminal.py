"""A person at a terminal: a command in a pseudo-terminal of its own, what it prints, and what is typed.

What is typed and expected lives in the tests. https://docs.python.org/3/library/pty.html
"""

from __future__ import annotations

import codecs
import os
import pty
import select
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

PATIENCE_S = 120.0
"""Only what is broken waits for so long."""
CHUNK_BYTES = 65536


class Terminal:
    """`invoice-assets` with these arguments, in a folder; `screen` is all that was on the screen."""

    def __init__(self, *arguments: str, folder: Path, environment: Mapping[str, str]) -> None:
        """Start it."""
        self.screen = ""
        self._read_until = 0
        self._decode = codecs.getincrementaldecoder("utf-8")().decode  # a chunk may end within a character
        self._master, slave = pty.openpty()
        # Where a shell in the background has this process ignore interrupts, the child would for good.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "invoice_assets.cli", *arguments],
            cwd=folder,
            env={**os.environ, **environment, "COLUMNS": "200"},
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
        )
        os.close(slave)

    def __enter__(self) -> Self:
        """Be there."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End it where it has not ended."""
        self._process.kill()
        self._process.wait()
        os.close(self._master)

    def expect(self, text: str) -> str:
        """Read on until the text is on the screen; what was new there."""
        deadline = time.monotonic() + PATIENCE_S
        while text not in self.screen[self._read_until :]:
            assert self._read(deadline), f"{text!r} is not on the screen:\n{self.screen}"
        begin, self._read_until = self._read_until, self.screen.index(text, self._read_until) + len(text)
        return self.screen[begin : self._read_until]

    def type(self, text: str) -> None:
        """Type a line."""
        os.write(self._master, f"{text}\n".encode())

    def interrupt(self) -> None:
        """Press Ctrl+C."""
        self._process.send_signal(signal.SIGINT)

    def finish(self) -> int:
        """Read what is left; the exit status."""
        deadline = time.monotonic() + PATIENCE_S
        while self._read(deadline):
            pass
        return self._process.wait(timeout=PATIENCE_S)

    def _read(self, deadline: float) -> bool:
        """Whether there is more, or may be."""
        if not select.select([self._master], [], [], max(0.0, deadline - time.monotonic()))[0]:
            return False
        with suppress(OSError):  # what Linux says at the end
            chunk = os.read(self._master, CHUNK_BYTES)
            self.screen += self._decode(chunk)
            return bool(chunk)
        return False
