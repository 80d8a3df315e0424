"""Secrets planted in a deployment, and a search for them in everything that its runs leave behind.

Where a secret may be: the environment of the processes, and what is sent to whom it belongs to.
"""

import os
import pickle
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest
from click.testing import CliRunner as ClickRunner
from dagster import DagsterInstance, build_sensor_context
from dagster._cli.definitions import definitions_validate_command
from dagster._core.remote_representation.external_data import RepositorySnap
from dagster_shared.serdes import serialize_value
from typer.testing import CliRunner

from invoice_assets.catalog import RESOURCES
from invoice_assets.cli import app
from invoice_assets.definitions import build_definitions
from invoice_assets.defs.alerting.resource import AlertsResource
from invoice_assets.defs.alerting.sensors import build_alert_sensors
from invoice_assets.defs.resources import InvoiceApiResource
from invoice_assets.settings import Settings
from invoice_assets_tests.alerts.receivers import Webhook
from invoice_assets_tests.postgres import Postgres
from invoice_assets_tests.processes import kill, start
from invoice_assets_tests.project import Project
from invoice_assets_tests.reliability.traces import PARQUET, find_traces, read_files
from invoice_assets_tests.runs import failures_of
from invoice_assets_tests.sandbox.server import Sandbox

DAGSTER = Path(sys.executable).with_name("dagster")
PLANTED = {
    "warehouse password": "warehouse-pa55word-of-nobody",
    "shared state password": "state-pa55word-of-nobody",
    "alert password": "alert-pa55word-of-nobody",
    "alert token": "alert-t0ken-of-nobody",
    "personal data key": "personal-data-key-0123456789-of-nobody",
    "short key": "sh0rt-key-of-nobody",
    "dead refresh token": "dead-t0ken-of-nobody",
}


@dataclass
class Deployment:
    """A project in folders of its own, whose every setting that can hold a secret holds one."""

    sandbox: Sandbox
    folder: Path
    webhook: Webhook
    arguments: set[str] = field(default_factory=set)
    """Command lines of all processes that were seen."""

    def __post_init__(self) -> None:
        for name in ("home", "tmp", "work"):
            (self.folder / name).mkdir()
        (self.folder / "home" / "dagster.yaml").write_text("telemetry: {enabled: false}\n")

    def environment(self) -> dict[str, str]:
        alerts = self.webhook.url.replace("json://", f"json://jules:{PLANTED['alert password']}@")
        return self.sandbox.environment() | {
            "DAGSTER_HOME": str(self.folder / "home"),
            "TMPDIR": str(self.folder / "tmp"),
            "INVOICE_API_MAX_RETRIES": "0",
            "INVOICE_STEP_RETRIES": "0",
            "INVOICE_PERSONAL_DATA": "hash",
            "INVOICE_PERSONAL_DATA_KEY": PLANTED["personal data key"],
            "INVOICE_ALERT_URLS": f"{alerts}?+X-Token={PLANTED['alert token']}",
        }

    def enter(self, environment: pytest.MonkeyPatch, **changes: str) -> None:
        """Make this process one of the deployment's; a warehouse whose address is given is a PostgreSQL."""
        if "DESTINATION__WAREHOUSE__CREDENTIALS" in changes:
            changes["DESTINATION__WAREHOUSE__DESTINATION_TYPE"] = "postgres"
        for name, value in (self.environment() | changes).items():
            environment.setenv(name, value)

    @property
    def log(self) -> Path:
        return self.folder / "output.log"

    @contextmanager
    def materializing(self, *resources: str, **changes: str) -> Iterator[subprocess.Popen[bytes]]:
        """Materialize these resources as a user does; what is left of it at the end of the block is killed."""
        selection = " or ".join(f'key:"invoicing/{name}"' for name in resources)
        process = start(
            [DAGSTER, "asset", "materialize", "-m", "invoice_assets.definitions", "--select", selection],
            environment=os.environ | self.environment() | changes,
            folder=self.folder / "work",
            log=self.log,
        )
        try:
            yield process
        finally:
            kill(process)

    def look_at(self, process: subprocess.Popen[bytes]) -> bool:
        """Note the command lines of the process and of those that it started; whether it is there a moment later."""
        with suppress(psutil.NoSuchProcess):
            running = psutil.Process(process.pid)
            self.arguments |= {" ".join(one.cmdline()) for one in [running, *running.children(recursive=True)]}
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=0.01)
        return process.returncode is None

    def secrets(self) -> dict[str, str]:
        tokens = self.sandbox.issued_access_tokens
        return PLANTED | {
            "client id": self.sandbox.client_id,
            "client secret": self.sandbox.client_secret,
            "refresh token": self.sandbox.refresh_token,
            **{f"access token {number}": token for number, token in enumerate(tokens)},
        }

    def find_traces(self, **more: bytes) -> list[str]:
        """Where any of the secrets stands, in files and process arguments and what else is handed in."""
        places = read_files(self.folder) | {"arguments": "\n".join(self.arguments).encode()} | more
        return find_traces(self.secrets(), places)


@pytest.fixture
def deployment(sandbox: Sandbox, tmp_path: Path) -> Iterator[Deployment]:
    folder = tmp_path / "deployment"
    folder.mkdir()
    with Webhook() as webhook:
        yield Deployment(sandbox, folder, webhook)


def plant(url: str, secret: str) -> str:
    """The URL of a database, whose server takes any password, with the planted one."""
    return url.replace(":unused@", f":{PLANTED[secret]}@")


def dump(url: str) -> bytes:
    """Every row of every table of a database, and what they are called, as text."""
    tables = Postgres.execute(
        "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables WHERE schemaname NOT IN "
        "('pg_catalog', 'information_schema')",
        url=url,
    )
    rows = [(name, row) for (name,) in tables for row in Postgres.execute(f"SELECT t::text FROM {name} t", url=url)]
    return repr(rows).encode()


def find_complete_tables(folder: Path) -> list[Path]:
    """The Parquet files in a folder that have their end, while a load adds files and folders to it and deletes them."""
    found = (Path(parent, name) for parent, _, names in os.walk(folder) for name in names if name.endswith(".parquet"))
    return [path for path in found if is_complete(path)]


def is_complete(path: Path) -> bool:
    """Whether the Parquet file has its end, and so can be read."""
    with suppress(FileNotFoundError):
        return path.read_bytes().endswith(PARQUET)
    return False


def test_a_run_leaves_no_secret_anywhere(deployment: Deployment, postgres: Postgres) -> None:
    warehouse, state = postgres.create_database(), postgres.create_database()
    with deployment.materializing(
        "users",
        "taxes",
        DESTINATION__WAREHOUSE__DESTINATION_TYPE="postgres",
        DESTINATION__WAREHOUSE__CREDENTIALS=plant(warehouse, "warehouse password"),
        INVOICE_SHARED_STATE=plant(state, "shared state password"),
    ) as process:
        while deployment.look_at(process):
            pass

    databases = {"warehouse": dump(warehouse), "shared state": dump(state)}
    assert process.returncode == 0, deployment.log.read_text()
    assert deployment.find_traces(**databases) == []
    assert b"_dlt_loads" in databases["warehouse"]
    assert b"invoice_assets_tokens" in databases["shared state"]
    assert any("asset materialize" in line for line in deployment.arguments)
    assert deployment.sandbox.tokens_issued == 1


def test_a_run_that_is_killed_leaves_no_secret_and_no_personal_value(deployment: Deployment) -> None:
    """Its working files stay: nobody is there to delete them."""
    files: list[Path] = []
    with deployment.materializing("users", INVOICE_SHARED_STATE=str(deployment.folder / "state")) as process:
        while not files and deployment.look_at(process):
            files = find_complete_tables(deployment.folder / "tmp")

    assert files, deployment.log.read_text()
    assert deployment.find_traces() == []
    people = {str(user["user_id"]): str(user["email"]) for user in deployment.sandbox.rows("users")}
    assert find_traces(people, read_files(deployment.folder)) == []


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[DagsterInstance]:
    with DagsterInstance.local_temp(str(tmp_path)) as running:
        yield running


NOWHERE = "127.0.0.1:9/database"
WAREHOUSE = f"postgresql://loader:{PLANTED['warehouse password']}@"
STATE = f"postgresql://loader:{PLANTED['shared state password']}@"


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"INVOICE_API_REFRESH_TOKEN": PLANTED["dead refresh token"]}, id="dead-refresh-token"),
        pytest.param({"INVOICE_API_BASE_URL": "http://127.0.0.1:9/"}, id="api-down"),
        pytest.param({"DESTINATION__WAREHOUSE__CREDENTIALS": WAREHOUSE + NOWHERE}, id="warehouse-down"),
        pytest.param({"DESTINATION__WAREHOUSE__CREDENTIALS": WAREHOUSE[11:] + NOWHERE}, id="warehouse-no-address"),
        pytest.param({"INVOICE_SHARED_STATE": STATE + NOWHERE}, id="shared-state-down"),
        pytest.param({"INVOICE_SHARED_STATE": f"{STATE}host:port/x"}, id="shared-state-no-port"),
        pytest.param({"INVOICE_PERSONAL_DATA_KEY": PLANTED["short key"]}, id="short-key"),
    ],
)
def test_a_run_that_fails_tells_no_secret(
    deployment: Deployment,
    instance: DagsterInstance,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    changes: dict[str, str],
) -> None:
    project = Project(deployment.sandbox, tmp_path, monkeypatch, instance=instance)
    deployment.enter(monkeypatch, **changes)

    failures = failures_of(project.materialize("users"))

    said = capfd.readouterr()
    outputs = {"errors": failures["load_users"], "output": said.out, "log": said.err}
    assert deployment.find_traces(**{name: text.encode() for name, text in outputs.items()}) == []
    assert find_traces(deployment.secrets(), read_files(tmp_path)) == []


def test_alerts_of_a_failure_and_the_status_tell_no_secret(
    deployment: Deployment, instance: DagsterInstance, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = Project(deployment.sandbox, tmp_path, monkeypatch, instance=instance)
    deployment.enter(monkeypatch, INVOICE_API_REFRESH_TOKEN=PLANTED["dead refresh token"])
    (tmp_path / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    tick(instance)
    project.materialize("users")

    tick(instance)
    status = CliRunner().invoke(app, ["status"]).output

    alerts = repr([request.body for request in deployment.webhook.requests])
    assert "invalid_code" in alerts
    assert "users" in status
    assert deployment.find_traces(alerts=alerts.encode(), status=status.encode()) == []


@pytest.mark.filterwarnings("ignore:Property `ScheduleDefinition.environment_vars`:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:Function `definitions_validate_command`:FutureWarning")
def test_what_the_ui_is_told_of_the_code_location_holds_no_secret(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All that the webserver ever gets of it: resources, their configuration, what the launchpad fills in."""
    addresses = {"DESTINATION__WAREHOUSE__CREDENTIALS": WAREHOUSE + NOWHERE, "INVOICE_SHARED_STATE": STATE + NOWHERE}
    deployment.enter(monkeypatch, **addresses)

    definitions = build_definitions(Settings.from_env())
    told = serialize_value(RepositorySnap.from_def(definitions.get_repository_def()))
    validation = ClickRunner().invoke(definitions_validate_command, ["-m", "invoice_assets.definitions"])

    assert "INVOICE_API_CLIENT_SECRET" in told
    assert validation.exit_code == 0
    assert deployment.find_traces(snapshot=told.encode(), validation=validation.output.encode()) == []


def test_settings_and_resources_hold_no_secret_of_the_environment(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever prints or pickles them prints the names of variables."""
    deployment.enter(monkeypatch, INVOICE_SHARED_STATE=STATE + NOWHERE)
    settings = Settings.from_env()
    api, alerts = InvoiceApiResource.from_settings(settings), AlertsResource.from_settings(settings)

    fields = repr([api.model_dump(), alerts.model_dump(), api, alerts])

    assert "INVOICE_API_CLIENT_SECRET" in fields
    assert deployment.find_traces(fields=fields.encode(), settings=pickle.dumps(settings)) == []


def tick(instance: DagsterInstance) -> None:
    """Let the sensor that tells of runs look, as the daemon does every half minute."""
    settings = Settings.from_env()
    sensor = next(one for one in build_alert_sensors(settings, resources=RESOURCES) if "run" in one.name)
    with build_sensor_context(
        instance=instance,
        repository_def=build_definitions(settings).get_repository_def(),
        resources={"alerts": AlertsResource.from_settings(settings)},
        sensor_name=sensor.name,
    ) as context:
        sensor(context)
