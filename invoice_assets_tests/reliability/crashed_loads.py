"""Loads in processes that can be killed at any moment, and at which stage of its load a killed one was.

When they are killed, and what must hold afterwards, is the business of `crash_loop.py`.
"""

import multiprocessing
import os
import signal
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import forkserver
from pathlib import Path

from dagster import DagsterInstance

from invoice_assets_tests.project import materialize
from invoice_assets_tests.runs import failures_of

PATIENCE_S = 60.0
"""A load takes a second or two; one that takes so long waits for what a dead one holds."""

IMPORTED = (
    __name__,
    "duckdb",
    "invoice_assets.api.oauth",
    "invoice_assets.api.pacing",
    "invoice_assets.api.session",
    "invoice_assets.ingest.duckdb_destination",
    "invoice_assets.ingest.pipeline",
    "invoice_assets.ingest.reading",
)
"""What a load imports: two seconds that each of hundreds of processes is spared, forked from one that has done so."""

STAGES = (
    ("merge", "load/normalized/*/started_jobs/*.sql"),
    ("load", "load/normalized/*/*_jobs/*"),
    ("normalize", "load/new/*"),
    ("normalize", "normalize/extracted/*"),
    ("after the merge", "load/loaded/*"),
    ("after the merge", "trace.pickle"),
    ("read", "*"),
)
"""What a load leaves in its folder, the latest stage first where it can leave several."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a load ended: by itself, with or without an error, or killed; and after how many seconds."""

    is_killed: bool
    has_failed: bool
    seconds: float


def run_load(resources: tuple[str, ...], *, dagster_home: Path, kill_after_s: float = PATIENCE_S) -> Outcome:
    """Load resources whole in a process group of their own, killed with -9 where it takes longer than that.

    Its environment is this process's. Dagster's own files go to `dagster_home`, where nobody looks for what is left.
    """
    prepare_processes()
    process = multiprocessing.get_context("forkserver").Process(
        target=_load, args=(resources, dict(os.environ), dagster_home)
    )
    begun_at = time.monotonic()
    process.start()
    process.join(kill_after_s)
    if process.exitcode is None and process.pid:
        _kill_group(process.pid)
    process.join()
    seconds, exit_code = time.monotonic() - begun_at, process.exitcode
    process.close()
    return Outcome(is_killed=exit_code == -signal.SIGKILL, has_failed=exit_code not in (0, -9), seconds=seconds)


def prepare_processes() -> None:
    """Start the process that all loads are forked from, with its own files in the temporary folder of this moment."""
    forkserver.set_forkserver_preload(list(IMPORTED))
    forkserver.ensure_running()


def tell_stage(temporary_folder: Path) -> str:
    """At which stage of a load the process was that has left its working folders there."""
    pipelines = [path.parent.parent for path in temporary_folder.glob("*/*/*/schemas/..")]
    for stage, left in STAGES:
        if any(any(pipeline.glob(left)) for pipeline in pipelines):
            return stage
    return "between loads"


def _load(resources: tuple[str, ...], environment: dict[str, str], dagster_home: Path) -> None:
    os.setsid()
    os.environ.update(environment)
    tempfile.tempdir = None
    with DagsterInstance.ephemeral(tempdir=str(dagster_home)) as instance:
        failures = failures_of(materialize(*resources, instance=instance))
    if failures:
        sys.exit("\n".join(failures.values()))


def _kill_group(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)  # it may not have a group yet
    with suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)
