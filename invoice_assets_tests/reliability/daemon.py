"""A real `dagster-daemon` for tests, with its code servers and runs, which can be killed at one blow.

What it is to do is the business of the code location that it is given.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

COMMAND = Path(sys.executable).with_name("dagster-daemon")
PATIENCE_S = 60.0


class Daemon:
    """A daemon and its code servers, a process group of their own. `home` has its `dagster.yaml`."""

    def __init__(self, home: Path, module: str, *, environment: Mapping[str, str]) -> None:
        self._module = module
        self._log = home / "daemon.log"
        self._environment = {**os.environ, "DAGSTER_HOME": str(home), **environment}
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the processes; they need some seconds until they look."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [str(COMMAND), "run", "-m", self._module],
                env=self._environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def kill(self) -> None:
        """Kill -9 all of them."""
        if self._process is not None and self._process.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def wait_for(self, condition: Callable[[], bool]) -> None:
        """Return once the condition holds; fail with what the daemon said where it takes too long."""
        deadline = time.monotonic() + PATIENCE_S
        while not condition():
            assert time.monotonic() < deadline, self._log.read_text()[-5000:]
            assert self._process is not None
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(timeout=0.1)
