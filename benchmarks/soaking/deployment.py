"""A deployment as a user has it, in a folder of its own: a daemon, a code server, a DuckDB file, shared state.

Its schedules are the project's, compressed: an hour is a minute. What its processes take is sampled in `vitals.py`.
https://docs.dagster.io/deployment/execution/dagster-daemon
"""

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import duckdb
import psutil
from dagster import DagsterInstance
from dagster._core.instance.ref import InstanceRef

from benchmarks.peers.environments import CHECKOUT
from invoice_assets_tests import processes

CRONS = {
    "INVOICE_CRON_TODAY": "* * * * *",
    "INVOICE_CRON_CATCH_UP": "*/4 * * * *",
    "INVOICE_CRON_SNAPSHOT": "*/3 * * * *",
    "INVOICE_CRON_RECONCILIATION": "*/5 * * * *",
    "INVOICE_CRON_CHECKS": "*/4 * * * *",
}
OTHER_SETTINGS = ("INVOICE_", "DESTINATION__", "DAGSTER_")
DAYS = 4
"""Partitions before today's."""

STOP_PATIENCE_S, FINISH_PATIENCE_S = 90.0, 300.0
DAEMON, CODE_SERVER = "daemon", "code server"


class Deployment:
    """The processes and the files of one deployment; `source` is the environment that names its API."""

    def __init__(self, folder: Path, *, source: Mapping[str, str]) -> None:
        self.folder = folder
        self.database = folder / "data" / "invoicing.duckdb"
        self.temp_folder, self.state_folder = folder / "tmp", folder / "data" / "state"
        self.event_logs = folder / "data" / "dagster" / "history" / "runs"
        self._first_day = (datetime.now(ZoneInfo(source["INVOICE_TIMEZONE"])).date() - timedelta(days=DAYS)).isoformat()
        own = {name: value for name, value in os.environ.items() if not name.startswith(OTHER_SETTINGS)}
        self._environment = (
            own
            | dict(source)
            | CRONS
            | {
                "DAGSTER_HOME": str(folder),
                "DESTINATION__WAREHOUSE__CREDENTIALS": str(self.database),
                "INVOICE_API_BACKOFF_FACTOR": "0.2",
                "INVOICE_AUTOMATION": "on",
                "INVOICE_DELETION_LIMIT": "1",
                "INVOICE_SHARED_STATE": str(self.state_folder),
                "INVOICE_START_DATE": self._first_day,
                "INVOICE_STEP_RETRY_DELAY": "2",
                "PYTHONPATH": str(CHECKOUT),
                "PYTHONWARNINGS": "ignore",
                "RUNTIME__DLTHUB_TELEMETRY": "false",
                "TMPDIR": str(self.temp_folder),
            }
        )
        self._residents: dict[str, subprocess.Popen[bytes]] = {}
        self._sessions: set[int] = set()

    def prepare(self) -> None:
        """Make the folders, and the instance that `dagster.yaml` describes, before several processes use it."""
        self.temp_folder.mkdir(parents=True)
        configured = (CHECKOUT / "dagster.yaml").read_text(encoding="utf-8")
        (self.folder / "dagster.yaml").write_text(
            configured.replace("base_dir: data/", f"base_dir: {self.folder}/data/"), encoding="utf-8"
        )
        with self.open_instance() as instance:
            instance.get_runs_count()

    @contextmanager
    def open_instance(self) -> Iterator[DagsterInstance]:
        """The deployment's Dagster instance."""
        with DagsterInstance.from_ref(InstanceRef.from_dir(str(self.folder))) as instance:
            yield instance

    def load_everything(self) -> None:
        """One complete read of every list, as docs/partitions_and_schedules.md has it for the first load.

        Raises:
            subprocess.CalledProcessError: A load failed; what it said is in `commands.log`.
        """
        today = datetime.now(ZoneInfo(self._environment["INVOICE_TIMEZONE"])).date()
        days = f"{self._first_day}...{today.isoformat()}"
        self._run_dagster("asset", "materialize", "--select", 'group:"transactions"', "--partition-range", days)
        self._run_dagster("asset", "materialize", "--select", 'group:"reference"')

    def start(self) -> None:
        """Start the code server, which starts the runs, and the daemon, which asks it to."""
        socket = str(self.folder / "code.socket")
        Path(socket).unlink(missing_ok=True)
        module = ("--module-name", "invoice_assets.definitions")
        self._start(CODE_SERVER, "dagster", "api", "grpc", "--socket", socket, *module)
        self._start(DAEMON, "dagster-daemon", "run", "--grpc-socket", socket)

    def stop(self) -> None:
        """Ask both to end, as a service manager does, and wait for them; runs go on."""
        for process in self._residents.values():
            process.terminate()
        for process in self._residents.values():
            with suppress(subprocess.TimeoutExpired):
                process.wait(STOP_PATIENCE_S)
            process.kill()
            process.wait()

    def kill_residents(self) -> None:
        """Kill -9 both; runs go on."""
        for process in self._residents.values():
            process.kill()
            process.wait()

    def kill_everything(self) -> None:
        """Kill -9 all processes at one blow, runs included, as a power cut does."""
        for process in processes.find_sessions(self._sessions):
            with suppress(psutil.NoSuchProcess):
                process.kill()
        self.kill_residents()

    def wait_until_idle(self) -> bool:
        """Whether all processes that were ever started came to their end in time; call it after `stop`."""
        deadline = time.monotonic() + FINISH_PATIENCE_S
        while (living := processes.find_sessions(self._sessions)) and time.monotonic() < deadline:
            time.sleep(0.5)
        return not living

    def find_residents(self) -> dict[str, psutil.Process]:
        """The processes that live long, by what they are."""
        living = {role: process.pid for role, process in self._residents.items() if process.poll() is None}
        return {role: psutil.Process(pid) for role, pid in living.items()}

    def read_table(self, name: str) -> list[dict[str, Any]]:
        """Every row of a table in the warehouse."""
        with duckdb.connect() as connection:
            connection.execute("SET TimeZone = 'UTC'")
            connection.execute(f"ATTACH '{self.database}' AS warehouse (READ_ONLY)")
            found = connection.execute(f"SELECT * FROM warehouse.invoicing.{name}")
            columns = [column[0] for column in found.description]
            return [dict(zip(columns, row, strict=True)) for row in found.fetchall()]

    def _start(self, role: str, script: str, *arguments: str) -> None:
        command = [*_name_script(script), *arguments]
        log = self.folder / f"{role.replace(' ', '_')}.log"
        process = processes.start(command, log=log, environment=self._environment, folder=self.folder)
        self._residents[role] = process
        self._sessions.add(process.pid)

    def _run_dagster(self, *arguments: str) -> None:
        with (self.folder / "commands.log").open("ab") as log:
            subprocess.run(
                [*_name_script("dagster"), *arguments, "-m", "invoice_assets.definitions"],
                cwd=self.folder,
                env=self._environment,
                stdout=log,
                stderr=log,
                check=True,
            )


def _name_script(name: str) -> list[str]:
    return [sys.executable, str(Path(sys.executable).with_name(name))]
