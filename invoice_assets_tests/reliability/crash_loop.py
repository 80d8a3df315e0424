"""`python -m invoice_assets_tests.reliability.crash_loop`: loads killed with -9 at random moments, hundreds of times.

After each kill the source changes, another process loads everything, and every table must equal the source, with
nothing left where nothing should stay. The suite runs a short form. The loads that are killed: `crashed_loads.py`.
"""

from __future__ import annotations

import argparse
import random
import re
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from invoice_assets.catalog import RESOURCES
from invoice_assets.resource_spec import DELETED_AT
from invoice_assets_tests.equality import compare_rows, key_rows
from invoice_assets_tests.postgres import open_postgres
from invoice_assets_tests.project import Project
from invoice_assets_tests.reliability.crashed_loads import PATIENCE_S, prepare_processes, run_load, tell_stage
from invoice_assets_tests.reliability.histories import BRIEF_WAITS_S, Change, Kind, Source
from invoice_assets_tests.runs import failures_of

Table = dict[str, dict[str, Any]]

LOADED = ("invoices", "expenses", "taxes")
"""A keyset, a filter without a sort and a list by page number, each a little longer than a page."""

CHANGES: tuple[Kind, ...] = ("insert", "edit", "delete", "restore", "set_silently", "add_field")
CHANGES_AT_A_TIME = 4
START_UP_SHARE = 0.3
"""Of a load's time; nothing is at stake in it, so that one kill in five may fall into it."""

TIMED_EVERY = 25
"""Iterations after which an uninterrupted load is timed anew: other programs make the machine slower and faster."""

SLOT = re.compile(r"-\d\.lock$")
"""The number of one of the few slots for requests in flight, whose files come with the first use of each."""

STATE_LIMIT_BYTES = 5_000_000
"""What is shared for a minute's requests and a token takes a few hundred kB, write-ahead logs included."""


@dataclass(kw_only=True)
class Tally:
    """What a crash loop has seen."""

    kills: Counter[str] = field(default_factory=Counter)
    """Loads that were killed, by the stage that they were at."""
    survivors: int = 0
    """Loads that had come to their end just before."""
    rows_compared: int = 0
    slowest_s: float = 0.0
    """The longest that a load took after a kill."""
    faults: list[str] = field(default_factory=list)
    """Differences between tables and source, loads that failed, and what was left where nothing should stay."""

    def describe(self) -> str:
        """The figures, a line each."""
        stages = ", ".join(f"{stage} {count}" for stage, count in self.kills.most_common())
        return "\n".join(
            [
                f"kills: {self.kills.total()} ({stages}); loads that were over by then: {self.survivors}",
                f"rows compared: {self.rows_compared:,}; slowest load after a kill: {self.slowest_s:.1f} s",
                f"differences and leftovers: {len(self.faults)}",
                *self.faults,
            ]
        )


class CrashLoop:
    """A project whose loads are killed; `folder` holds everything that they write."""

    def __init__(self, source: Source, folder: Path, project: Project, *, seed: int) -> None:
        self._source = source
        self._project = project
        self._random = random.Random(seed)
        self._temporary, self._state = folder / "temporary", folder / "state"
        self._dagster_home = folder / "dagster"
        for made in (self._temporary, self._dagster_home):
            made.mkdir()
        self._seconds = 0.0
        self._at_rest: set[str] = set()
        self.tally = Tally()

    def run(self, iterations: int) -> Tally:
        """Kill as many loads, each followed by a whole one and a comparison; what was seen."""
        for number in range(iterations):
            if number % TIMED_EVERY == 0:
                self._time_a_load()
            self._change_source()
            before = {name: self._read(name) for name in LOADED}
            stage = self._crash()
            found = [*self._find_torn(before)]
            self._change_source()
            self._load_whole()
            found += [*self._compare(), *self._find_left()]
            self.tally.faults += [f"{number} ({stage}): {fault}" for fault in found]
        return self.tally

    def _time_a_load(self) -> None:
        outcome = run_load(LOADED, dagster_home=self._dagster_home)
        if outcome.is_killed or outcome.has_failed:
            self.tally.faults.append(f"a load that nobody disturbed: {outcome}")
        self._seconds = outcome.seconds
        self._at_rest = self._at_rest or self._list_what_stays()

    def _crash(self) -> str:
        """Kill a load at some moment; at which stage it was."""
        start_up_s = self._random.choices((0, START_UP_SHARE * self._seconds), weights=(1, 4))[0]
        moment_s = self._random.uniform(start_up_s, self._seconds)
        outcome = run_load(LOADED, dagster_home=self._dagster_home, kill_after_s=moment_s)
        if outcome.has_failed:
            self.tally.faults.append(f"a load that was to be killed has failed: {outcome}")
        if not outcome.is_killed:
            self.tally.survivors += 1
            self._seconds = outcome.seconds
            return "over"
        stage = tell_stage(self._temporary)
        self.tally.kills[stage] += 1
        return stage

    def _change_source(self) -> None:
        for _ in range(self._random.randint(1, CHANGES_AT_A_TIME)):
            self._source.apply(
                Change(
                    kind=self._random.choice(CHANGES),
                    resource=self._random.choice(LOADED),
                    pick=self._random.randint(-3, 199),
                    wait_s=self._random.choice(BRIEF_WAITS_S),
                )
            )

    def _load_whole(self) -> None:
        begun_at = time.monotonic()
        failures = failures_of(self._project.materialize(*LOADED))
        seconds = time.monotonic() - begun_at
        self.tally.slowest_s = max(self.tally.slowest_s, seconds)
        self.tally.faults += [f"the load after a kill: {name} failed: {text}" for name, text in failures.items()]
        if seconds > PATIENCE_S:
            self.tally.faults.append(f"the load after a kill took {seconds:.0f} s: it waited for a dead one")

    def _find_torn(self, before: Mapping[str, Table]) -> Iterator[str]:
        """The tables that a killed load has left neither as they were nor with all that the source had."""
        for name in LOADED:
            if _list_values(self._read(name)) != _list_values(before[name]):
                lacks = {key: found for key, found in self._find_differences(name) if found != "is not in the source"}
                yield from (f"{name} is torn, {key}: {found}" for key, found in lacks.items())

    def _compare(self) -> Iterator[str]:
        """What sets the tables apart from the source."""
        for name in LOADED:
            self.tally.rows_compared += len(self._source.read(name))
            yield from (f"{name} {key}: {found}" for key, found in self._find_differences(name))

    def _find_differences(self, name: str) -> Iterable[tuple[str, object]]:
        return compare_rows(self._read(name), self._source.read(name), RESOURCES[name]).items()

    def _read(self, name: str) -> Table:
        return key_rows(self._project.read_table(name), RESOURCES[name])

    def _find_left(self) -> Iterator[str]:
        """What is there that was not when the first load had come to its end."""
        yield from (f"{path} is left" for path in sorted(self._list_what_stays() - self._at_rest))
        size = sum(path.stat().st_size for path in self._state.iterdir())
        if size > STATE_LIMIT_BYTES:
            yield f"the shared state has grown to {size:,} bytes"

    def _list_what_stays(self) -> set[str]:
        """The files of the temporary folder, of the shared state and beside the warehouse, and the tables in it."""
        folders = (self._temporary, self._state, self._project.database.parent)
        paths = [str(path.relative_to(self._state.parent)) for folder in folders for path in folder.rglob("*")]
        files = {SLOT.sub("", path) for path in paths}
        tables = self._project.query(
            "SELECT table_schema, table_name FROM information_schema.tables WHERE table_schema LIKE 'invoicing%'"
        )
        return files | {".".join(table) for table in tables}


def _list_values(table: Table) -> dict[str, dict[str, Any]]:
    """The values of each row, but for its mark; a load that was killed may have added columns without any."""
    return {
        key: {name: value for name, value in row.items() if value is not None and name != DELETED_AT}
        for key, row in table.items()
    }


@contextmanager
def open_crash_loop(*, seed: int, postgres_url: str | None = None) -> Iterator[CrashLoop]:
    """A crash loop on DuckDB, or on the PostgreSQL of that URL, with a sandbox and a folder of its own."""
    source = Source()
    prepare_processes()
    with (
        pytest.MonkeyPatch.context() as environment,
        TemporaryDirectory(prefix="crash-loop-") as folder,
        source.sandbox as sandbox,
    ):
        project = Project(sandbox, Path(folder), environment, postgres_url=postgres_url)
        environment.setenv("INVOICE_DELETION_LIMIT", "1")
        environment.setenv("INVOICE_API_REQUESTS_PER_MINUTE", "6000")
        environment.setenv("TMPDIR", f"{folder}/temporary")
        environment.setattr("tempfile.tempdir", f"{folder}/temporary")
        yield CrashLoop(source, Path(folder), project, seed=seed)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the loop, or until it is interrupted, and print what it has seen; the exit status: 0 where all was well."""
    parser = argparse.ArgumentParser(
        prog="python -m invoice_assets_tests.reliability.crash_loop", description="Kill loads, and compare."
    )
    parser.add_argument("--iterations", type=int, default=300, help="kills, each followed by a whole load")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6), help="of the moments and of the changes")
    parser.add_argument("--postgres", action="store_true", help="load into a PostgreSQL instead of DuckDB")
    options = parser.parse_args(arguments)
    print(f"seed {options.seed}, {options.iterations} iterations", flush=True)
    begun_at = time.monotonic()
    with ExitStack() as stack:
        url = stack.enter_context(open_postgres()).create_database() if options.postgres else None
        loop = stack.enter_context(open_crash_loop(seed=options.seed, postgres_url=url))
        with suppress(KeyboardInterrupt):  # what it has seen until then counts
            loop.run(options.iterations)
    print(f"{loop.tally.describe()}\n{(time.monotonic() - begun_at) / 60:.1f} minutes", flush=True)
    return 1 if loop.tally.faults else 0


if __name__ == "__main__":
    sys.exit(main())
