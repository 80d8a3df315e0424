"""Runs side by side, in an instance that limits no pool: each waits for whom it must, says so, and ends exact.

Real processes, the executor of a process per step and the project's `dagster.yaml` are in
`test_concurrent_processes.py`.
"""

import logging
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from threading import Event

import pytest
from dagster import ExecuteInProcessResult

from invoice_assets.catalog import RESOURCES
from invoice_assets.defs.partitions import build_partitions
from invoice_assets.resource_spec import Cadence
from invoice_assets.settings import Settings
from invoice_assets_tests.project import Project
from invoice_assets_tests.reliability.concurrency import a_person_reading, find_differences
from invoice_assets_tests.runs import failures_of
from invoice_assets_tests.sandbox.application import ServedPage
from invoice_assets_tests.sandbox.limits import Limits
from invoice_assets_tests.sandbox.server import Sandbox

PATIENCE_S = 60


class Waits(logging.Handler):
    """What the project's loggers say that they wait for; `noticed` is set when they say it first."""

    def __init__(self) -> None:
        super().__init__(level=logging.WARNING)
        self.noticed = Event()
        self.said: list[str] = []
        self.act: Callable[[], object] = self.noticed.set

    def emit(self, record: logging.LogRecord) -> None:
        if record.getMessage().startswith("waiting for "):
            self.said.append(record.getMessage())
            self.act()


@pytest.fixture
def waits() -> Iterator[Waits]:
    handler, logger = Waits(), logging.getLogger("invoice_assets")
    logger.addHandler(handler)
    yield handler
    logger.removeHandler(handler)


@pytest.fixture(params=["duckdb", "postgres"])
def warehouse_url(request: pytest.FixtureRequest) -> str | None:
    """The URL of an empty PostgreSQL, or None for a DuckDB file."""
    return request.getfixturevalue("postgres").create_database() if request.param == "postgres" else None


def test_of_two_runs_of_one_asset_what_was_read_first_does_not_land_last(
    warehouse_url: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, waits: Waits
) -> None:
    """On PostgreSQL the second run merged first, and the first brought the old row back."""
    seconds: list[Future[ExecuteInProcessResult]] = []

    def overtake(_page: ServedPage) -> None:
        """Once the first run has read the list: a row changes, and a second run either ends or waits."""
        if not seconds:
            sandbox.edit("taxes", key, tax_name="changed")
            seconds.append(pool.submit(project.materialize, "taxes"))
            seconds[0].add_done_callback(lambda _: waits.noticed.set())
            assert waits.noticed.wait(PATIENCE_S)

    with Sandbox(rows={"taxes": 3}, page_hook=overtake) as sandbox, ThreadPoolExecutor(1) as pool:
        # Without checks, which open a DuckDB file too: the first run's could meet the second's load.
        project = Project(sandbox, tmp_path, monkeypatch, postgres_url=warehouse_url, has_checks=False)
        key = next(sandbox.rows("taxes"))["tax_id"]

        first = project.materialize("taxes")

        assert (failures_of(first), failures_of(seconds[0].result(PATIENCE_S))) == ({}, {})
        assert find_differences(project, sandbox, "taxes") == {}
        assert len(waits.said) == 1


def test_first_runs_of_different_assets_side_by_side_share_a_token_and_the_quota_and_end_exact(
    warehouse_url: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = list(RESOURCES) if warehouse_url else ["invoices", "expenses", "taxes", "users"]
    with Sandbox(rows=3, limits=Limits.published()) as sandbox, ThreadPoolExecutor(len(names)) as pool:
        project = Project(sandbox, tmp_path, monkeypatch, postgres_url=warehouse_url)

        results = list(pool.map(project.materialize, names))

        assert [failures_of(result) for result in results] == [{}] * len(names)
        assert find_differences(project, sandbox, *names) == {}
        assert sandbox.tokens_issued == 1
        assert {entry.status for entry in sandbox.ledger.requests()} == {200}


def test_a_run_beside_a_backfill_of_the_same_asset_ends_exact(
    warehouse_url: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, waits: Waits
) -> None:

    def dawdle(_page: ServedPage) -> None:
        """The run that comes first reads on when the other has met it."""
        assert waits.noticed.wait(PATIENCE_S)

    with Sandbox(rows={"invoices": 450}, page_hook=dawdle) as sandbox, ThreadPoolExecutor(2) as pool:
        project = Project(sandbox, tmp_path, monkeypatch, postgres_url=warehouse_url)
        partitions = build_partitions(Cadence.TRANSACTIONS, Settings.from_env())
        assert partitions
        today = partitions.get_partition_keys()[-1]

        runs = [pool.submit(project.materialize, "invoices", partitions=days) for days in (None, (today, today))]

        assert [failures_of(run.result(PATIENCE_S)) for run in runs] == [{}, {}]
        assert find_differences(project, sandbox, "invoices") == {}
        assert waits.said


def test_a_run_waits_for_a_person_who_reads_the_file_and_says_for_whom(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, waits: Waits
) -> None:
    with Sandbox(rows={"taxes": 3}) as sandbox:
        project = Project(sandbox, tmp_path, monkeypatch)
        project.materialize("taxes")
        sandbox.insert("taxes")
        with a_person_reading(project.database) as person:
            waits.act = lambda: person.communicate("close\n")

            result = project.materialize("taxes")

        assert failures_of(result) == {}
        assert find_differences(project, sandbox, "taxes") == {}
        assert waits.said[0].endswith(f"(PID {person.pid})")


def test_a_run_beside_a_person_who_keeps_the_file_fails_with_the_name_of_the_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Sandbox(rows={"taxes": 3}) as sandbox:
        project = Project(sandbox, tmp_path, monkeypatch)
        project.materialize("taxes")
        monkeypatch.setenv("INVOICE_WAREHOUSE_PATIENCE", "0")
        with a_person_reading(project.database) as person:
            result = project.materialize("taxes")

        assert f"(PID {person.pid}), which did not let go within 0 s" in failures_of(result)["load_taxes"]
        assert find_differences(project, sandbox, "taxes") == {}
