"""Real processes on one DuckDB file, in an instance with the project's `dagster.yaml`: who waits, for whom, and how.

Runs in threads of one process, without that file's pools, are in `test_concurrency.py`.
"""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import duckdb
import pytest
from dagster import DagsterInstance
from dagster._core.instance.ref import InstanceRef

from invoice_assets.catalog import RESOURCES
from invoice_assets.resource_spec import Cadence
from invoice_assets_tests.project import Project
from invoice_assets_tests.reliability.concurrency import a_person_reading, find_differences
from invoice_assets_tests.sandbox.limits import Limits
from invoice_assets_tests.sandbox.server import Sandbox

CHECKOUT = Path(__file__).parents[2]
DAGSTER = Path(sys.executable).with_name("dagster")
PATIENCE_S = 300
"""Only what is broken waits for so long."""


@pytest.fixture
def instance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[DagsterInstance]:
    """An instance with the project's `dagster.yaml`, set up by one process before several use it."""
    configured = (CHECKOUT / "dagster.yaml").read_text(encoding="utf-8")
    (tmp_path / "dagster.yaml").write_text(configured.replace("base_dir: data/", f"base_dir: {tmp_path}/data/"))
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    with DagsterInstance.from_ref(InstanceRef.from_dir(str(tmp_path))) as opened:
        opened.get_runs_count()
        yield opened


@contextmanager
def materialize(*names: str, executor: str = "in_process") -> Iterator["subprocess.Popen[bytes]"]:
    """`dagster asset materialize` in a process of its own, what it says in a file beside its instance."""
    selection = " or ".join(f'key:"invoicing/{name}"' for name in names)
    home = Path(os.environ["DAGSTER_HOME"])
    with (
        (home / f"{executor}.log").open("wb") as log,
        subprocess.Popen(
            [
                sys.executable,
                str(DAGSTER),
                "asset",
                "materialize",
                "-m",
                "invoice_assets.definitions",
                "--select",
                selection,
            ],
            stdout=log,
            stderr=log,
            cwd=home,
            env={
                **os.environ,
                "INVOICE_EXECUTOR": executor,
                "PYTHONPATH": str(CHECKOUT),
                "PYTHONWARNINGS": "ignore",
            },
        ) as process,
    ):
        try:
            yield process
        finally:
            process.kill()


def wait_for_log(instance: DagsterInstance, process: "subprocess.Popen[bytes]", *words: str) -> None:
    """Return once all of these words stand in one line of a run's log; fail where the process ends without."""
    deadline = time.monotonic() + PATIENCE_S
    while not any(all(word in line for word in words) for line in read_logs(instance)):
        assert time.monotonic() < deadline
        assert process.poll() is None, read_logs(instance)
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=1)


def read_logs(instance: DagsterInstance) -> list[str]:
    """All lines of the logs of all runs."""
    return [
        f"{entry.step_key}: {entry.user_message or entry.message}"
        for run in instance.get_runs()
        for entry in instance.all_logs(run.run_id)
    ]


def test_processes_that_need_one_file_wait_for_each_other_and_for_a_person_and_say_so(
    instance: DagsterInstance, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Sandbox(rows=3, limits=Limits.published()) as sandbox:
        project = Project(sandbox, tmp_path, monkeypatch)
        project.database.parent.mkdir()
        duckdb.connect(str(project.database)).close()
        with (
            a_person_reading(project.database) as person,
            materialize("taxes") as first,
        ):
            wait_for_log(instance, first, "load_taxes: waiting for", f"(PID {person.pid})")
            with materialize("users", executor="multiprocess") as second:
                wait_for_log(instance, second, "load_users: Step blocked by limit for pool invoicing")
                person.communicate("close\n")

                assert (first.wait(PATIENCE_S), second.wait(PATIENCE_S)) == (0, 0), read_logs(instance)

        assert find_differences(project, sandbox, "taxes", "users") == {}
        assert sandbox.tokens_issued == 1


def test_all_that_is_materialized_at_once_under_the_multiprocess_executor_ends_exact(
    instance: DagsterInstance, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process for each step, started side by side: they take turns at the file, and share the token."""
    names = [name for name, spec in RESOURCES.items() if spec.cadence is Cadence.REFERENCE]
    with Sandbox(rows=3, limits=Limits.published()) as sandbox:
        project = Project(sandbox, tmp_path, monkeypatch)
        with materialize(*names, executor="multiprocess") as run:
            assert run.wait(PATIENCE_S) == 0, read_logs(instance)

        assert find_differences(project, sandbox, *names) == {}
        assert sandbox.tokens_issued == 1
