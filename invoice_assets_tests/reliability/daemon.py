"""A real `dagster-daemon` for tests, with its code servers and runs, which can be killed at one blow.

What it is to do is the business of the code location that it is given.
"""

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from invoice_assets_tests.processes import kill, start, wait_until

COMMAND = Path(sys.executable).with_name("dagster-daemon")
PATIENCE_S = 240.0
"""Only what is broken waits for so long; on a busy machine a daemon takes a minute until it looks."""


class Daemon:
    """A daemon and its code servers, a process group of their own. `home` has its `dagster.yaml`."""

    def __init__(self, home: Path, module: str, *, environment: Mapping[str, str]) -> None:
        self._module = module
        self._log = home / "daemon.log"
        self._environment = {**os.environ, "DAGSTER_HOME": str(home), **environment}
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the processes; they need some seconds until they look."""
        self._process = start([COMMAND, "run", "-m", self._module], log=self._log, environment=self._environment)

    def kill(self) -> None:
        """Kill -9 all of them."""
        if self._process is not None:
            kill(self._process)

    def wait_for(self, condition: Callable[[], bool]) -> None:
        """Return once the condition holds; fail with what the daemon said where it takes too long."""
        wait_until(condition, patience_s=PATIENCE_S, read_log=lambda: self._log.read_text(errors="replace")[-5000:])
