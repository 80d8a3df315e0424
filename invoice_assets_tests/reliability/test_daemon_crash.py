"""A real daemon that is killed with its code server and the run that is under way, as when a machine goes down."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from dagster import DagsterInstance, DagsterRunStatus
from dagster._core.instance.ref import InstanceRef

from invoice_assets.catalog import RESOURCES
from invoice_assets_tests.equality import compare_rows, key_rows
from invoice_assets_tests.project import Project
from invoice_assets_tests.reliability.daemon import Daemon
from invoice_assets_tests.reliability.daemon_location import LOADED
from invoice_assets_tests.sandbox.application import ServedPage
from invoice_assets_tests.sandbox.server import Sandbox

CONFIGURATION = Path(__file__).parents[2] / "dagster.yaml"
ROWS = {"contacts": 210, "taxes": 3}


class Trap:
    """Kills whatever it is told to as soon as a page of contacts has been read, and before it is sent."""

    victim: Daemon | None = None

    def __call__(self, page: ServedPage) -> None:
        if self.victim and page.resource == "contacts":
            self.victim.kill()
            self.victim = None


@pytest.fixture
def trap() -> Trap:
    return Trap()


@pytest.fixture
def source(trap: Trap) -> Iterator[Sandbox]:
    with Sandbox(rows=ROWS, page_hook=trap) as running:
        yield running


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[DagsterInstance]:
    """The instance that the project's `dagster.yaml` describes, in a hurry and in a folder of its own."""
    configuration = CONFIGURATION.read_text(encoding="utf-8").replace(" data/", f" {tmp_path}/data/")
    hurried = re.sub(r"((poll_interval|free_slots_after_run_end)_seconds): \d+", r"\1: 1", configuration)
    (tmp_path / "dagster.yaml").write_text(hurried, encoding="utf-8")
    with DagsterInstance.from_ref(InstanceRef.from_dir(str(tmp_path))) as opened:
        opened.get_runs_count()
        yield opened


@pytest.fixture
def project(source: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    return Project(source, tmp_path, monkeypatch)


@pytest.fixture
def daemon(instance: DagsterInstance, project: Project, tmp_path: Path) -> Iterator[Daemon]:
    """A daemon in the project's environment."""
    running = Daemon(tmp_path, "invoice_assets_tests.reliability.daemon_location", environment={})
    yield running
    running.kill()


def statuses_of(instance: DagsterInstance) -> list[DagsterRunStatus]:
    """The status of each run, the first one first."""
    return [record.dagster_run.status for record in instance.get_run_records(ascending=True)]


def test_a_run_that_dies_with_its_machine_fails_and_is_retried_once_the_daemon_is_back(
    source: Sandbox, trap: Trap, instance: DagsterInstance, daemon: Daemon, project: Project
) -> None:
    """It counted as started for ever, and kept the pool that every later load waits for."""
    trap.victim = daemon
    daemon.start()
    daemon.wait_for(lambda: trap.victim is None)
    assert statuses_of(instance) == [DagsterRunStatus.STARTED]
    source.delete("contacts", next(source.rows("contacts"))["contact_id"])
    source.insert("taxes")

    daemon.start()
    daemon.wait_for(lambda: statuses_of(instance) == [DagsterRunStatus.FAILURE, DagsterRunStatus.SUCCESS])

    for name in LOADED:
        spec = RESOURCES[name]
        table, wire = key_rows(project.read_table(name), spec), key_rows(source.rows(name), spec)
        assert compare_rows(table, wire, spec) == {}
