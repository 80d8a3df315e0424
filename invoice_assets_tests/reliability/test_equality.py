"""After any history, the next full cycle leaves every table equal to the source.

The histories are in `histories.py`; the oracle of values, which reads no catalog, is in `wire_values.py`.
https://hypothesis.readthedocs.io
"""

import math
import os
import random
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from dagster import AssetCheckSeverity, DagsterInstance, ExecuteInProcessResult
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from invoice_assets.catalog import EXPENSES, INVOICES, RESOURCES
from invoice_assets.defs.partitions import build_partitions
from invoice_assets.resource_spec import Cadence, CheckName, ResourceSpec
from invoice_assets.settings import Settings
from invoice_assets_tests.equality import compare_rows, key_rows
from invoice_assets_tests.ingest.reading import read_resource
from invoice_assets_tests.project import Project
from invoice_assets_tests.reliability.histories import (
    ROWS,
    STAMPED,
    Change,
    Run,
    ScriptedFault,
    Source,
    Step,
    changes,
    histories,
)
from invoice_assets_tests.runs import failures_of
from invoice_assets_tests.sandbox.application import ServedPage
from invoice_assets_tests.sandbox.clock import SandboxClock
from invoice_assets_tests.sandbox.server import Sandbox

TRANSACTIONS = [name for name in ROWS if RESOURCES[name].cadence is Cadence.TRANSACTIONS]
PLAYED = settings(deadline=None, derandomize=True, database=None, phases=[Phase.generate])
"""The same histories every time. Without `Phase.shrink`: it plays hundreds, so let it work only on one that failed."""
Table = dict[str, dict[str, Any]]


@contextmanager
def open_project() -> Iterator[tuple[Source, Project]]:
    """A source and a project that has loaded nothing yet, one pair for each history."""
    source = Source()
    with (
        pytest.MonkeyPatch.context() as environment,
        TemporaryDirectory() as folder,
        source.sandbox as sandbox,
        DagsterInstance.ephemeral() as instance,
    ):
        project = Project(sandbox, Path(folder), environment, instance=instance)
        environment.setenv("INVOICE_DELETION_LIMIT", "1")
        yield source, project


def load(project: Project, *names: str, partitions: tuple[str, str] | None = None) -> ExecuteInProcessResult:
    """A run with a token of its own: between runs hours pass at the source and none here, where a minute takes one."""
    shutil.rmtree(Path(os.environ["INVOICE_SHARED_STATE"]), ignore_errors=True)
    return project.materialize(*names, partitions=partitions)


def play(steps: list[Step], source: Source, project: Project) -> None:
    """Let a history happen. A run without a fault must succeed; one with a fault may."""
    keys = partition_keys()
    for step in steps:
        if isinstance(step, Change):
            source.apply(step)
            continue
        source.expect(step)
        result = load(project, *step.resources, partitions=step.choose_partitions(keys))
        source.calm_down()
        assert result.success or step.fault, failures_of(result)
        assert errors_found_by_checks(result) == []


def errors_found_by_checks(result: ExecuteInProcessResult) -> list[str]:
    """What checks of the tables call an error; where these are as good as the loads, they must find none."""
    return [
        f"{check.asset_key.path[-1]}: {check.check_name}: {check.description}"
        for check in result.get_asset_check_evaluations()
        if not check.passed and check.severity is AssetCheckSeverity.ERROR and check.check_name != CheckName.IS_FRESH
    ]


def partition_keys() -> list[str]:
    partitions = build_partitions(Cadence.TRANSACTIONS, Settings.from_env())
    assert partitions is not None
    return list(partitions.get_partition_keys())


def read_table(project: Project, name: str) -> Table:
    """The rows of a table by key, none where there is no table yet; a key that comes twice is an error."""
    if not project.database.exists() or (name,) not in project.query(
        "SELECT table_name FROM information_schema.tables WHERE table_schema = 'invoicing'"
    ):
        return {}
    return key_rows(project.read_table(name), RESOURCES[name])


def compare(table: Table, source: Source, spec: ResourceSpec) -> dict[str, object]:
    """What sets the live rows of a table apart from the source, by key."""
    return compare_rows(table, source.read(spec.name), spec)


@settings(PLAYED, max_examples=8)
@given(history=histories())
def test_after_any_history_the_next_full_cycle_leaves_every_table_equal_to_the_source(history: list[Step]) -> None:
    with open_project() as (source, project):
        play(history, source, project)
        before = {name: read_table(project, name) for name in ROWS}

        result = load(project, *ROWS)

        after = {name: read_table(project, name) for name in ROWS}
        assert failures_of(result) == {}
        assert errors_found_by_checks(result) == []
        assert {name: found for name in ROWS if (found := compare(after[name], source, RESOURCES[name]))} == {}
        for name in ROWS:
            marked = {key for key, row in after[name].items() if row["deleted_at"] is not None}
            assert marked <= set(source.gone[name])
            assert before[name].keys() <= after[name].keys()
            for key in marked & before[name].keys():
                assert before[name][key]["deleted_at"] in (None, after[name][key]["deleted_at"])


@settings(PLAYED, max_examples=3)
@given(data=st.data(), name=st.sampled_from(TRANSACTIONS), order=st.permutations(range(3)), again=st.integers(0, 2))
def test_partitions_loaded_one_by_one_in_any_order_bring_every_change_that_was_stamped(
    data: st.DataObject, name: str, order: list[int], again: int
) -> None:
    bursts = st.lists(changes([name], STAMPED), min_size=1, max_size=8)
    with open_project() as (source, project):
        play([*data.draw(bursts), Run((name,), 0, -1), *data.draw(bursts)], source, project)

        play([Run((name,), number, number) for number in (*order, again)], source, project)

        assert compare(read_table(project, name), source, RESOURCES[name]) == {}


def test_a_row_that_came_back_loses_its_mark_and_one_that_stays_away_keeps_its_first() -> None:
    with open_project() as (source, project):
        project.materialize("taxes")
        for _ in range(2):
            source.apply(Change("delete", "taxes", 0, 0))
        back, away = source.gone["taxes"]
        project.materialize("taxes")
        marked = read_table(project, "taxes")

        source.apply(Change("restore", "taxes", 0, 1))
        project.materialize("taxes")

        assert [marked[key]["deleted_at"] is None for key in (back, away)] == [False, False]
        assert read_table(project, "taxes")[back]["deleted_at"] is None
        assert read_table(project, "taxes")[away] == marked[away]


class Scan:
    """A complete read, through the dlt source, of a list that changes after each page; the clock stands between.

    `kept` are the rows that existed throughout, `read` those that came, `added_or_moved` counts what came to the end.
    """

    def __init__(self, spec: ResourceSpec, *, rows: int, sharing_one_stamp: int = 0) -> None:
        self.spec = spec
        self.clock = SandboxClock(datetime.now(UTC) - timedelta(hours=6), is_frozen=True)
        self.rows = rows
        self.sharing_one_stamp = sharing_one_stamp
        self.added_or_moved = 0

    def run(self, turn_page: Callable[["Scan", int], None]) -> None:
        """Read the list; `turn_page` gets this scan and the number of the request that was just read."""
        requests = 0

        def hook(_page: ServedPage) -> None:
            nonlocal requests
            requests += 1
            turn_page(self, requests)

        with Sandbox(rows={self.spec.name: self.rows}, clock=self.clock, page_hook=hook) as self.sandbox:
            self.first_keys = self.keys()
            for key in self.first_keys[: self.sharing_one_stamp]:
                self.sandbox.edit(self.spec.name, key)
            self.clock.advance(1)
            self.read = read_resource(self.sandbox, self.spec)[self.spec.primary_key].to_pylist()
            self.kept = set(self.first_keys) & set(self.keys())
            self.requests = requests

    def keys(self) -> list[str]:
        """The keys that the source has now, the oldest rows first."""
        return [row[self.spec.primary_key] for row in self.sandbox.rows(self.spec.name)]

    def missing(self) -> set[str]:
        """The rows that were there throughout and did not come."""
        return self.kept - set(self.read)

    def edit(self, *keys: str) -> None:
        """Edit rows, so that they move to the end of a list by its stamp."""
        for key in keys:
            self.sandbox.edit(self.spec.name, key)
            self.added_or_moved += 1

    def delete(self, *keys: str) -> None:
        """Delete rows."""
        for key in keys:
            self.sandbox.delete(self.spec.name, key)

    def insert(self, count: int) -> None:
        """Insert rows."""
        for _ in range(count):
            self.sandbox.insert(self.spec.name)
            self.added_or_moved += 1


@pytest.mark.parametrize("seed", [1, 2], ids=["one order of changes", "another"])
def test_a_keyset_scan_of_3000_rows_that_change_at_every_page_skips_none_and_costs_little_more(seed: int) -> None:
    chance = random.Random(seed)

    def change_everywhere(scan: Scan, _request: int) -> None:
        scan.clock.advance(1)
        scan.delete(*chance.sample(scan.keys(), 10))
        scan.edit(*chance.sample(scan.keys(), 10))
        scan.insert(5)

    scan = Scan(INVOICES, rows=3_000)
    scan.run(change_everywhere)

    assert scan.missing() == set()
    assert len(scan.kept) > 2_700
    assert scan.requests <= math.ceil(3_000 / 199) + 1 + math.ceil(scan.added_or_moved / 199)


def test_a_keyset_scan_brings_450_rows_of_one_stamp_while_others_change() -> None:
    def change_the_others(scan: Scan, _request: int) -> None:
        scan.delete(scan.keys()[-1])
        scan.edit(scan.keys()[-1])
        scan.insert(1)

    scan = Scan(INVOICES, rows=1_000, sharing_one_stamp=450)
    scan.run(change_the_others)

    assert scan.missing() == set()
    assert scan.requests <= math.ceil(1_000 / 199) + 1 + math.ceil(scan.added_or_moved / 199)


@pytest.mark.parametrize("leave", [pytest.param(Scan.delete, id="deleted"), pytest.param(Scan.edit, id="edited")])
@pytest.mark.parametrize("leaving", [1, 5], ids=["one row", "five rows"])
def test_a_keyset_scan_skips_none_of_many_rows_of_one_stamp_where_some_leave_it(
    leave: Callable[..., None], leaving: int
) -> None:
    """Within one stamp pages are asked for by number: rows that left page 1 pulled others out of page 2's reach."""

    def leave_page_1(scan: Scan, request: int) -> None:
        if request == 1:
            leave(scan, *scan.first_keys[:leaving])

    scan = Scan(INVOICES, rows=230, sharing_one_stamp=230)
    scan.run(leave_page_1)

    assert scan.missing() == set()


def test_a_row_that_a_drifting_page_hid_arrives_with_the_next_complete_read() -> None:
    """Lists without a stamp to sort by are read by page number: no request tells that a deletion shifted the pages."""
    with open_project() as (source, project):
        drifting = Run(("expenses",), 0, -1, meanwhile=((Change("delete", "expenses", 0, 0),),))
        play([drifting], source, project)

        project.materialize("expenses")

        assert compare(read_table(project, "expenses"), source, EXPENSES) == {}


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(None, id="and all goes well"),
        pytest.param(ScriptedFault("internal_error_1000", after=2, times=None), id="and the third request fails"),
    ],
)
def test_a_reconciliation_marks_no_row_that_exists_where_another_is_deleted_meanwhile(
    fault: ScriptedFault | None,
) -> None:
    """The row that a drifting page hid was marked as deleted, though the source had it all the while."""
    with open_project() as (source, project):
        project.materialize("expenses")
        meanwhile = ((Change("delete", "expenses", 0, 0),),)

        play([Run(("expenses",), 0, -1, meanwhile=meanwhile, fault=fault)], source, project)

        marked = {key for key, row in read_table(project, "expenses").items() if row["deleted_at"] is not None}
        assert marked & source.read("expenses").keys() == set()
