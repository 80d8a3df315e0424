"""`make dev` in a folder of its own: webserver, daemon, code server and the sandbox API, for a browser to look at.

What is done with it is the business of the tests; `dev.py` itself is what a user starts.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Self

import psutil
import requests

from invoice_assets_tests.postgres import HOST, hold_free_port
from invoice_assets_tests.processes import start, wait_until

CHECKOUT = Path(__file__).parents[2]
PATIENCE_S = 240.0
"""Only what is broken waits for so long."""
GRACE_S = 15.0


class DagsterDev:
    """The processes, for a `with` statement; all that they write is below `folder`."""

    def __init__(self, folder: Path, *, environment: Mapping[str, str]) -> None:
        for name in ("dagster.yaml", "workspace.yaml"):
            shutil.copy(CHECKOUT / name, folder)
        self._folder, self._log = folder, folder / "dev.log"
        self._port = 0
        self._environment = {**os.environ, "DAGSTER_HOME": str(folder), "PYTHONPATH": str(CHECKOUT), **environment}
        self._started = ExitStack()

    def __enter__(self) -> Self:
        """Start them, and return once the webserver answers."""
        with ExitStack() as starting:
            self._port = starting.enter_context(hold_free_port())
            command = [sys.executable, "-m", "invoice_assets_tests.dev", "--host", HOST, "--port", str(self._port)]
            process = start(command, log=self._log, environment=self._environment, folder=self._folder)
            starting.callback(self._end, process)
            wait_until(self._answers, patience_s=PATIENCE_S, read_log=self.read_log)
            self._started = starting.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._started.close()

    @property
    def url(self) -> str:
        """Where the Dagster UI is."""
        return f"http://{HOST}:{self._port}"

    @property
    def database(self) -> Path:
        """The DuckDB file that it loads into."""
        return self._folder / "data" / "invoicing.duckdb"

    def read_log(self) -> str:
        """The end of what the processes said."""
        return self._log.read_text(errors="replace")[-5000:]

    def _answers(self) -> bool:
        with suppress(requests.RequestException):
            return requests.get(f"{self.url}/server_info", timeout=PATIENCE_S).ok
        return False

    @staticmethod
    def _end(process: "subprocess.Popen[bytes]") -> None:
        """As an interrupt does it; whoever is still there after a while is killed, wherever it has put itself."""
        family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(GRACE_S)
        for survivor in psutil.wait_procs(family, timeout=GRACE_S)[1]:
            survivor.kill()
        process.wait()
