"""The processes of a deployment, started by the very commands of `deploy/systemd`, with the instance of `deploy/`.

Databases and the broker are somebody else's: their addresses come in the environment. Runs are launched as the UI does
it, by GraphQL. https://docs.dagster.io/api/graphql
"""

import os
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from configparser import ConfigParser
from contextlib import contextmanager, suppress
from pathlib import Path
from string import Template
from typing import Any

import requests
from dagster import DagsterInstance
from dagster._core.definitions.repository_definition import SINGLETON_REPOSITORY_NAME
from dagster._core.instance.ref import InstanceRef

from invoice_assets_tests.deployment.hosts import Host
from invoice_assets_tests.postgres import hold_free_port
from invoice_assets_tests.processes import kill, wait_until

CHECKOUT = Path(__file__).parents[2]
DEPLOY = CHECKOUT / "deploy"
INSTALLED = "/opt/invoice_assets"
CODE_SERVER, DAEMON, WEBSERVER, WORKER = "code-server", "daemon", "webserver", "worker@"
PATIENCE_S = 240.0
OTHER_SETTINGS = ("INVOICE_", "DESTINATION__", "DAGSTER_")
HURRIED = {
    "poll_interval_seconds: 30": "poll_interval_seconds: 2",
    "after_run_end_seconds: 30": "after_run_end_seconds: 2",
}

REPOSITORY = {"repositoryLocationName": "invoice_assets", "repositoryName": SINGLETON_REPOSITORY_NAME}
FIND = """
query Find($repository: RepositorySelector!) { repositoryOrError(repositorySelector: $repository) { __typename } }
"""
LAUNCH = """
mutation Launch($parameters: ExecutionParams!) {
  launchRun(executionParams: $parameters) {
    __typename
    ... on LaunchRunSuccess { run { runId } }
    ... on Error { message }
  }
}
"""


class Cluster:
    """A deployment whose files are in `folder`: code server, daemon and webserver on one host, workers on any."""

    def __init__(
        self,
        folder: Path,
        *,
        environment: Mapping[str, str],
        control: Host,
        webserver_port: int,
        code_server_port: int,
    ) -> None:
        self.folder = folder
        self._control = control
        self._webserver_port = webserver_port
        own = {name: value for name, value in os.environ.items() if not name.startswith(OTHER_SETTINGS)}
        self.environment = own | {
            "DAGSTER_HOME": str(folder),
            "DAGSTER_WEBSERVER_HOST": "127.0.0.1",
            "DAGSTER_WEBSERVER_PORT": str(self._webserver_port),
            "INVOICE_CODE_SERVER_HOST": "127.0.0.1",
            "INVOICE_CODE_SERVER_PORT": str(code_server_port),
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(CHECKOUT),
            "PYTHONWARNINGS": "ignore",
            "RUNTIME__DLTHUB_TELEMETRY": "false",
            **environment,
        }
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def prepare(self, *, hurried: bool = True) -> None:
        """The instance, which looks after its runs more often where it is hurried, set up before several use it."""
        configured = (DEPLOY / "dagster.yaml").read_text(encoding="utf-8")
        for patient, quick in HURRIED.items() if hurried else ():
            configured = configured.replace(patient, quick)
        (self.folder / "dagster.yaml").write_text(configured, encoding="utf-8")
        with self.open_instance() as instance:
            instance.get_runs_count()

    @contextmanager
    def open_instance(self) -> Iterator[DagsterInstance]:
        """The deployment's Dagster instance."""
        storage = {"postgres": {"postgres_url": self.environment["DAGSTER_POSTGRES_URL"]}}
        with DagsterInstance.from_ref(InstanceRef.from_dir(str(self.folder), overrides={"storage": storage})) as opened:
            yield opened

    def start(self, unit: str) -> None:
        """Start what a unit of `deploy/systemd` names, on the first host."""
        self._processes[unit] = self._start(unit, self._control)

    def start_worker(self, host: Host) -> None:
        """Start a worker on a host, whose name it has; it ends with its host."""
        self._start(WORKER, host)

    def kill(self, unit: str) -> None:
        """Kill -9 a process and all that it has started, on the first host."""
        kill(self._processes[unit])

    def wait_for_definitions(self) -> None:
        """Return once the webserver knows the definitions of the code server."""
        self.wait_for(self._knows_definitions)

    def launch(self, job: str, *, tags: Mapping[str, str] | None = None) -> str:
        """Launch a run of a job through the webserver; the run's id."""
        parameters = {
            "selector": {**REPOSITORY, "jobName": job},
            "executionMetadata": {"tags": [{"key": key, "value": value} for key, value in (tags or {}).items()]},
        }
        launched = self._ask(LAUNCH, {"parameters": parameters})["launchRun"]
        assert launched["__typename"] == "LaunchRunSuccess", launched
        return str(launched["run"]["runId"])

    def wait_for(self, condition: Callable[[], bool], *, patience_s: float = PATIENCE_S) -> None:
        """Return once the condition holds; fail with what the processes said last where it takes too long."""
        wait_until(condition, patience_s=patience_s, read_log=self.read_logs)

    def read_logs(self) -> str:
        """The end of what each process said."""
        ends = {path.name: path.read_text(errors="replace")[-2000:] for path in sorted(self.folder.glob("*.log"))}
        return "\n".join(f"== {name}\n{end}" for name, end in ends.items())

    def _knows_definitions(self) -> bool:
        with suppress(requests.RequestException):
            found = self._ask(FIND, {"repository": REPOSITORY})["repositoryOrError"]
            return bool(found["__typename"] == "Repository")
        return False

    def _ask(self, query: str, variables: Mapping[str, object]) -> Any:
        """What the webserver answers to a GraphQL query."""
        response = requests.post(
            f"http://127.0.0.1:{self._webserver_port}/graphql",
            json={"query": query, "variables": variables},
            timeout=PATIENCE_S,
        )
        response.raise_for_status()
        return response.json()["data"]

    def _start(self, unit: str, host: Host) -> "subprocess.Popen[bytes]":
        log = self.folder / f"{unit}{host.name}.log"
        command = self._read_command(unit, host.name)
        return host.start(command, environment=self.environment, folder=self.folder, log=log)

    def _read_command(self, unit: str, instance: str) -> list[str]:
        """The words of its ExecStart, with this checkout in the place of the installed one."""
        parser = ConfigParser(interpolation=None, strict=False)
        parser.read(DEPLOY / "systemd" / f"invoice-assets-{unit}.service", encoding="utf-8")
        command = parser["Service"]["ExecStart"].replace("%i", instance).replace("%%", "%")
        command = command.replace(f"{INSTALLED}/.venv/bin", str(Path(sys.executable).parent))
        command = command.replace(INSTALLED, str(CHECKOUT))
        return shlex.split(Template(command).substitute(self.environment))


@contextmanager
def open_cluster(folder: Path, *, environment: Mapping[str, str], control: Host) -> Iterator[Cluster]:
    """A deployment that nothing is started of yet, at ports of its own; this thread is on its first host meanwhile."""
    with control.entered(), hold_free_port() as webserver_port, hold_free_port() as code_server_port:
        yield Cluster(
            folder,
            environment=environment,
            control=control,
            webserver_port=webserver_port,
            code_server_port=code_server_port,
        )
