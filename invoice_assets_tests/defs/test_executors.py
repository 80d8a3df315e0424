import subprocess
import sys

import pytest
from dagster import ExecutorDefinition

from invoice_assets.definitions import build_definitions
from invoice_assets.defs.executors import choose_executor, configure_celery
from invoice_assets.settings import Executor, Settings
from invoice_assets.variables import SettingsError

POSTGRES = {"DESTINATION__WAREHOUSE__DESTINATION_TYPE": "postgres"}
BROKER = {"INVOICE_CELERY_BROKER": "redis://:hidden@127.0.0.1:1/0"}
WITHOUT_PACKAGE = """
import sys
sys.modules[sys.argv[1]] = None
from invoice_assets.defs.executors import choose_executor
from invoice_assets.settings import Settings
from invoice_assets.variables import SettingsError
try:
    choose_executor(Settings.from_env())
except SettingsError as error:
    print(error)
"""


def choose(**variables: str) -> ExecutorDefinition:
    return choose_executor(Settings.from_env(variables))


@pytest.mark.parametrize("name", [Executor.IN_PROCESS, Executor.MULTIPROCESS])
def test_an_executor_of_one_machine_serves_every_destination(name: Executor) -> None:
    assert choose(INVOICE_EXECUTOR=name).name == name
    assert choose(INVOICE_EXECUTOR=name, **POSTGRES).name == name


def test_steps_work_in_the_process_of_their_run_unless_a_setting_says_otherwise() -> None:
    assert choose().name == "in_process"


def test_celery_serves_a_server_database_and_shows_its_broker_to_nobody() -> None:
    settings = Settings.from_env({"INVOICE_EXECUTOR": "celery", **POSTGRES, **BROKER})

    definitions = build_definitions(settings)

    job = definitions.resolve_implicit_global_asset_job_def()
    assert job.executor_def.name == "celery"
    assert configure_celery(settings)["broker"] == {"env": "INVOICE_CELERY_BROKER"}
    assert "hidden" not in repr(configure_celery(settings))


def test_results_stay_in_the_broker_unless_they_have_a_place_of_their_own() -> None:
    results = {"INVOICE_CELERY_BACKEND": "redis://127.0.0.1:2/0"}

    assert configure_celery(Settings.from_env(BROKER))["backend"] == {"env": "INVOICE_CELERY_BROKER"}
    assert configure_celery(Settings.from_env(BROKER | results))["backend"] == {"env": "INVOICE_CELERY_BACKEND"}


@pytest.mark.parametrize("name", [Executor.CELERY, Executor.K8S])
def test_a_duckdb_file_is_refused_where_steps_work_on_other_machines(name: Executor) -> None:
    with pytest.raises(SettingsError, match=f"INVOICE_EXECUTOR is {name}.* name a server in DESTINATION__WAREHOUSE"):
        choose(INVOICE_EXECUTOR=name, **BROKER)


def test_celery_without_a_broker_says_what_to_set() -> None:
    with pytest.raises(SettingsError, match="set INVOICE_CELERY_BROKER to the broker, such as redis://"):
        choose(INVOICE_EXECUTOR="celery", **POSTGRES)


@pytest.mark.parametrize(
    ("name", "package", "extra"), [("celery", "dagster_celery", "celery"), ("k8s", "dagster_k8s", "kubernetes")]
)
def test_a_package_that_is_not_installed_is_named_by_its_extra(name: str, package: str, extra: str) -> None:
    said = subprocess.run(
        [sys.executable, "-c", WITHOUT_PACKAGE, package],
        env={"INVOICE_EXECUTOR": name, **POSTGRES, **BROKER},
        capture_output=True,
        text=True,
        check=True,
    ).stdout

    assert said == f'INVOICE_EXECUTOR is {name}: pip install "invoice-assets[{extra}]".\n'
