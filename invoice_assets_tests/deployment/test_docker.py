"""The image and the Compose file, as far as they can be judged without Docker: docs/kubernetes.md says what was built.

The commands themselves are run by `test_deployment.py`.
"""

import re
import shlex
import subprocess
from collections.abc import Iterator, Mapping
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from invoice_assets_tests.deployment.commands import find_misuse

CHECKOUT = Path(__file__).parents[2]
DOCKER = CHECKOUT / "deploy" / "docker"


def read_instructions() -> list[tuple[str, str]]:
    """The Dockerfile's instructions in order: word and rest."""
    lines = (DOCKER / "Dockerfile").read_text(encoding="utf-8").splitlines()
    text = "\n".join(line for line in lines if not line.startswith("#")).replace("\\\n", " ")
    return [(word, rest.strip()) for word, _, rest in (line.partition(" ") for line in text.splitlines()) if word]


def read_compose() -> dict[str, Any]:
    """The Compose file, without values for its variables."""
    compose: dict[str, Any] = yaml.safe_load((DOCKER / "compose.yaml").read_text(encoding="utf-8"))
    return compose


INSTRUCTIONS, COMPOSE = read_instructions(), read_compose()
SERVICES: Mapping[str, dict[str, Any]] = COMPOSE["services"]
ROLES = {name: service for name, service in SERVICES.items() if "build" in service}


def find_copies() -> Iterator[tuple[str, str]]:
    """What is copied from the checkout, each with its place in the image."""
    for word, rest in INSTRUCTIONS:
        if word == "COPY" and not rest.startswith("--from"):
            *sources, target = rest.split()
            yield from ((source, target) for source in sources)


COPIED = {source: target.replace("${DAGSTER_HOME}", "/opt/dagster/dagster_home") for source, target in find_copies()}


def find_own_commands() -> list[list[str]]:
    """What each image runs where it is not told otherwise."""
    return [yaml.safe_load(rest) for word, rest in INSTRUCTIONS if word == "CMD"]


def find_commands() -> Iterator[tuple[str, list[str]]]:
    """All that is run in the images: their own commands, and the command and the health check of each role."""
    yield from zip(("role", "one-container"), find_own_commands(), strict=True)
    for name, service in ROLES.items():
        if "command" in service:
            yield name, service["command"]
        if "healthcheck" in service:
            kind, *command = service["healthcheck"]["test"]
            assert kind == "CMD"
            yield f"{name}-healthcheck", command


def is_sent_to_docker(path: str) -> bool:
    """Whether .dockerignore lets a file of the checkout through: the last pattern that fits decides."""
    sent = True
    for pattern in (CHECKOUT / ".dockerignore").read_text(encoding="utf-8").split("\n"):
        if pattern and not pattern.startswith("#"):
            bare = pattern.removeprefix("!").removeprefix("**/")
            places = [path, *map(str, Path(path).parents)]
            if any(fnmatch(place, bare) or ("**/" in pattern and Path(place).name == bare) for place in places):
                sent = pattern.startswith("!")
    return sent


@pytest.mark.parametrize("source", COPIED)
def test_what_the_image_copies_is_there_and_sent_to_docker(source: str) -> None:
    assert (CHECKOUT / source).exists()
    assert is_sent_to_docker(source)


def test_nothing_but_what_the_image_copies_is_sent_to_docker() -> None:
    """No .env, no warehouse, no history: a layer of an image is for everybody who has the image."""
    listed = subprocess.run(["git", "ls-files"], cwd=CHECKOUT, capture_output=True, text=True, check=True).stdout
    private = [".env", "data/invoicing.duckdb", ".git/config", "deploy/docker/.env", "invoice_assets/__pycache__/a.pyc"]

    sent = [path for path in [*listed.split("\n"), *private] if path and is_sent_to_docker(path)]

    assert [
        path for path in sent if not any(path == source or Path(source) in Path(path).parents for source in COPIED)
    ] == []
    assert "invoice_assets/definitions.py" in sent


def test_every_role_is_the_image_of_roles() -> None:
    stages = [rest.partition(" AS ")[2] for word, rest in INSTRUCTIONS if word == "FROM"]

    assert {service["build"]["target"] for service in ROLES.values()} <= {*stages} == {"build", "role", ""}


def test_the_image_runs_as_a_user_who_is_not_root() -> None:
    user = dict(INSTRUCTIONS)["USER"]

    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", user), "Kubernetes can tell by a number alone that it is not root"


def test_every_package_of_the_image_is_checked_against_the_lock() -> None:
    installs = [
        part for word, rest in INSTRUCTIONS if word == "RUN" for part in rest.split("&&") if " install --" in part
    ]

    assert len(installs) == 3  # the third makes folders
    assert "--require-hashes --requirement uv.txt" in installs[0]
    assert "--constraints requirements.lock --build-constraints requirements.lock" in installs[1]
    assert "install --directory" in installs[2]


@pytest.mark.parametrize(
    ("role", "command"), [*find_commands()], ids=lambda value: value if isinstance(value, str) else ""
)
def test_every_command_is_one_that_the_installed_packages_have(role: str, command: list[str]) -> None:
    name, *arguments = command
    of_the_checkout = {target: str(CHECKOUT / source) for source, target in COPIED.items()}

    if name == "python":
        compile(arguments[1], role, "exec")
        return

    assert find_misuse(name, [of_the_checkout.get(argument, argument) for argument in arguments]) is None


def test_a_command_with_an_option_that_is_none_would_be_found() -> None:
    misuse = find_misuse("dagster", shlex.split("api grpc --modul-name invoice_assets.definitions"))

    assert misuse
    assert "--modul-name" in misuse


def test_what_services_refer_to_is_in_the_compose_file() -> None:
    needed = {name for service in SERVICES.values() for name in service.get("depends_on", {})}
    volumes = {volume.split(":")[0] for service in SERVICES.values() for volume in service.get("volumes", [])}
    hosts = re.findall(r"(?:@|redis://)(\w+)[/:]", str([service.get("environment") for service in ROLES.values()]))

    assert needed <= SERVICES.keys()
    assert all("healthcheck" in SERVICES[name] for name in needed)
    assert {volume for volume in volumes if not volume.startswith("./")} == COMPOSE["volumes"].keys()
    assert {*hosts} == {"postgres", "redis"}
    assert ROLES["webserver"]["environment"]["INVOICE_CODE_SERVER_HOST"] in SERVICES
    assert (DOCKER / "databases.sql").exists()


def test_the_databases_that_the_roles_name_are_made() -> None:
    made = re.findall(r"CREATE DATABASE (\w+);", (DOCKER / "databases.sql").read_text(encoding="utf-8"))
    environment = SERVICES["postgres"]["environment"]

    named = re.findall(r"@postgres/(\w+)", str(ROLES["daemon"]["environment"]))

    assert {*named} == {*made, environment["POSTGRES_DB"]}


def test_the_ui_is_published_on_loopback_alone() -> None:
    published = [port for service in SERVICES.values() for port in service.get("ports", [])]

    assert published == ["127.0.0.1:3000:3000"]


def test_every_variable_of_the_compose_file_is_explained() -> None:
    own = (DOCKER / ".env.example").read_text(encoding="utf-8")
    documented = "\n".join(
        path.read_text(encoding="utf-8")
        for path in (CHECKOUT / ".env.example", CHECKOUT / "deploy" / "environment.example")
    )
    asked = set(re.findall(r"\$\{(\w+)", (DOCKER / "compose.yaml").read_text(encoding="utf-8")))
    given = set(re.findall(r"^(\w+)=", own, re.MULTILINE))
    names = (given - {"POSTGRES_PASSWORD", "WORKERS"}) | ROLES["daemon"]["environment"].keys()

    assert asked - given == {"INVOICE_ASSETS_TAG"}
    assert [name for name in sorted(names) if not re.search(rf"^(?:# )?{name}=", documented, re.MULTILINE)] == []
