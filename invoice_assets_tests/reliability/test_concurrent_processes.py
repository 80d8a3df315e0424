"""Real processes on one DuckDB file, in an instance with the project's `dagster.yaml`: who waits, for whom, and how.

Runs in threads of one process, without that file's pools, are in `test_concurrency.py`.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pytest
from dagster import DagsterInstance
from dagster._core.instance.ref import InstanceRef

from invoice_assets_tests.project import Project
from invoice_assets_tests.reliability.concurrency import a_person_reading, find_differences
from invoice_assets_tests.sandbox.limits import Limits
from invoice_assets_tests.sandbox.server import Sandbox

CHECKOUT = Path(__file__).parents[2]
DAGSTER = Path(sys.executable).with_name("dagster")
PATIENCE_S = 120


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A DAGSTER_HOME with the project's `dagster.yaml`, set up by one process before several use it."""
    configured = (CHECKOUT / "dagster.yaml").read_text(encoding="utf-8")
    (tmp_path / "dagster.yaml").write_text(configured.replace("base_dir: data/", f"base_dir: {tmp_path}/data/"))
    with DagsterInstance.from_ref(InstanceRef.from_dir(str(tmp_path))) as instance:
        instance.get_runs_count()
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    monkeypatch.setenv("PYTHONWARNINGS", "ignore")
    return tmp_path


class Materialization:
    """`dagster asset materialize` in a process of its own."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process
        self.said: list[str] = []

    def wait_for(self, *words: str) -> str:
        """The next line of its log in which all of these words stand."""
        assert self._process.stderr
        for line in self._process.stderr:
            self.said.append(line)
            if all(word in line for word in words):
                return line
        pytest.fail("".join(self.said)[-5000:])

    def finish(self) -> int:
        """Its exit status."""
        _, said = self._process.communicate(timeout=PATIENCE_S)
        self.said.append(said)
        return self._process.returncode


@contextmanager
def materialize(module: str, *names: str) -> Iterator[Materialization]:
    selection = " or ".join(f'key:"invoicing/{name}"' for name in names)
    with subprocess.Popen(
        [sys.executable, str(DAGSTER), "asset", "materialize", "-m", module, "--select", selection],
        stderr=subprocess.PIPE,
        text=True,
        cwd=os.environ["DAGSTER_HOME"],
        env={**os.environ, "PYTHONPATH": str(CHECKOUT)},
    ) as process:
        try:
            yield Materialization(process)
        finally:
            process.kill()


def test_processes_that_need_one_file_wait_for_each_other_and_for_a_person_and_say_so(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Sandbox(rows=3, limits=Limits.published()) as sandbox:
        project = Project(sandbox, home, monkeypatch)
        project.database.parent.mkdir()
        duckdb.connect(str(project.database)).close()
        with (
            a_person_reading(project.database) as person,
            materialize("invoice_assets.definitions", "taxes", "users") as first,
        ):
            first.wait_for("load_taxes - waiting for", f"(PID {person.pid})")
            with materialize("invoice_assets_tests.reliability.multiprocess_location", "items", "taxes") as second:
                second.wait_for("blocked by limit for pool invoicing")
                person.communicate("close\n")

                assert (first.finish(), second.finish()) == (0, 0), (*first.said, *second.said)

        assert find_differences(project, sandbox, "taxes", "users", "items") == {}
        assert sandbox.tokens_issued == 1
