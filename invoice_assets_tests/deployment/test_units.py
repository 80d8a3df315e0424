"""`deploy/systemd`, `deploy/environment.example` and docs/deploy.md name only what there is.

The commands themselves are run by `test_deployment.py`.
"""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from string import Template

import pytest

from invoice_assets_tests.deployment.commands import find_misuse

CHECKOUT = Path(__file__).parents[2]
DEPLOY = CHECKOUT / "deploy"
UNITS = {path.name: path for path in sorted((DEPLOY / "systemd").glob("*.*")) if path.is_file()}
SERVICES = {name: path for name, path in UNITS.items() if path.suffix == ".service"}
GUIDE = CHECKOUT / "docs" / "deploy.md"
INSTALLED = "/opt/invoice_assets/"
COMMANDS_FOLDER = f"{INSTALLED}.venv/bin/"
OF_OTHER_PROGRAMS = {
    "DAGSTER_EVENT_BATCH_SIZE",
    "DAGSTER_HOME",
    "DAGSTER_WEBSERVER_HOST",
    "DAGSTER_WEBSERVER_PORT",
    "PYTHONWARNINGS",
}
OF_THE_DEPLOYMENT = {"DAGSTER_POSTGRES_URL", "INVOICE_CODE_SERVER_HOST", "INVOICE_CODE_SERVER_PORT"}
"""Variables that files of `deploy/` read and the project does not."""


def read_example() -> dict[str, str]:
    """What `environment.example` sets."""
    return dict(re.findall(r"^(\w+)=(.*)$", (DEPLOY / "environment.example").read_text(encoding="utf-8"), re.MULTILINE))


ENVIRONMENT = read_example()


def find_commands() -> Iterator[tuple[str, str]]:
    """Every command of the project that a unit or a block of the guide runs, each with the file that has it."""
    for path in (*SERVICES.values(), GUIDE):
        text = path.read_text(encoding="utf-8").replace("\\\n", " ").replace("%%", "%")
        for line in re.findall(rf"{re.escape(COMMANDS_FOLDER)}([^;>`\n]+)", text):
            yield path.name, line


def find_services(text: str) -> set[str]:
    """The files of the services that a text names, whatever their instance."""
    return {f"{name}.service" for name in re.findall(r"invoice-assets-[a-z][a-z-]*[a-z]@?", text)}


@pytest.mark.parametrize(("file", "command"), [*find_commands()])
def test_every_command_is_one_that_the_installed_packages_have(file: str, command: str) -> None:
    name, *arguments = shlex.split(Template(command.replace(INSTALLED, f"{CHECKOUT}/")).substitute(ENVIRONMENT))

    assert find_misuse(name, arguments) is None


def test_commands_are_found_in_every_service_and_in_the_guide() -> None:
    assert {file for file, _ in find_commands()} == {*SERVICES, GUIDE.name}


def test_an_option_that_a_worker_does_not_have_would_be_found() -> None:
    misuse = find_misuse("celery", shlex.split("--app invoice_assets.celery_app worker --concurency 2"))

    assert misuse == "No such options: ['--concurency']"


@pytest.mark.parametrize("path", [*UNITS.values(), DEPLOY / "workspace.yaml", DEPLOY / "dagster.yaml"], ids=str)
def test_every_variable_that_a_file_reads_is_in_the_example(path: Path) -> None:
    text = path.read_text(encoding="utf-8")

    assert {*re.findall(r"\$\{(\w+)\}", text), *re.findall(r"\benv: (\w+)", text)} <= ENVIRONMENT.keys()


def test_every_variable_of_the_example_is_one_that_something_reads() -> None:
    explained = set(
        re.findall(r"^(?:# )?(\w+)=", (CHECKOUT / ".env.example").read_text(encoding="utf-8"), re.MULTILINE)
    )
    organizations = (DEPLOY / "organizations.example.toml").read_text(encoding="utf-8")
    prefixes = re.findall(r'credentials = "env:(\w+)"', organizations)
    credentials = {
        f"{prefix}_{part}" for prefix in prefixes for part in ("CLIENT_ID", "CLIENT_SECRET", "REFRESH_TOKEN")
    }

    assert prefixes
    assert credentials <= ENVIRONMENT.keys()
    assert ENVIRONMENT.keys() - explained - credentials == OF_OTHER_PROGRAMS | OF_THE_DEPLOYMENT


def test_every_variable_of_the_deployment_is_read_by_a_file_of_it() -> None:
    text = "".join(path.read_text(encoding="utf-8") for path in (*SERVICES.values(), *DEPLOY.glob("*.yaml")))

    assert [name for name in sorted(OF_THE_DEPLOYMENT) if name not in text] == []


def test_the_services_belong_to_the_target_and_are_no_root() -> None:
    for path in SERVICES.values():
        text = path.read_text(encoding="utf-8")
        assert "\nUser=invoice_assets\n" in text, path.name
        assert text.endswith("\n[Install]\nWantedBy=invoice-assets.target\n"), path.name
    assert "\nPartOf=invoice-assets.target\n" in (
        DEPLOY / "systemd" / "invoice-assets-.service.d" / "all.conf"
    ).read_text(encoding="utf-8")


@pytest.mark.parametrize("path", [*UNITS.values(), GUIDE], ids=lambda path: path.name)
def test_every_file_and_unit_that_is_named_exists(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    files = {file for file in re.findall(rf"{INSTALLED}([\w./@-]*\w)", text) if not file.startswith(".venv/")}

    assert [file for file in sorted(files) if not (CHECKOUT / file).exists()] == []
    assert find_services(text) <= SERVICES.keys()
    assert {*re.findall(r"invoice-assets\.\w+", text)} <= UNITS.keys()
