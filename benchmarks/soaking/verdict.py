"""What a soak has found: tables against the source, growth against its bounds, runs that never ended.

Figures are taken in `vitals.py`; where the report goes is the business of `benchmarks/soak.py`.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dagster import DagsterRunStatus, RunRecord
from dagster._core.storage.dagster_run import IN_PROGRESS_RUN_STATUSES
from dagster._core.storage.tags import SCHEDULE_NAME_TAG

from benchmarks.outcome import Outcome, Table, Target
from benchmarks.soaking.deployment import CODE_SERVER, DAEMON, Deployment
from benchmarks.soaking.source import RestlessSource
from benchmarks.soaking.vitals import Growth, Vitals, find_floors, measure_growth
from invoice_assets.catalog import RESOURCES
from invoice_assets_tests.equality import compare_rows, key_rows

GROWTH_BOUND = 0.1
"""Of memory and of event logs, from the first sample to the last, as a share of its mean."""

FILES_BOUND = 10
"""Open files by which a process may grow: a run under way has several; one that stays from each would be more."""

STATE_BOUND = 6_000_000
"""SQLite's write-ahead log begins anew after 1,000 pages of 4 KB; the rest is a token and a minute's requests."""

LEAST_SAMPLES, LEAST_RUNS = 5, 6
"""Below these a line says nothing."""


@dataclass(frozen=True, kw_only=True)
class Soak:
    """What took part, and what was done to it."""

    minutes: float
    seed: int
    source: RestlessSource
    deployment: Deployment
    vitals: Vitals
    blows: Mapping[str, int]
    ended_idle: bool
    bytes_left: int
    """In the working folder, after the last load."""
    last_load_succeeded: bool

    @property
    def lifetimes(self) -> int:
        """How many access tokens the time needs, each good for an hour and renewed early."""
        return 2 + int(self.minutes // 50)


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """All tables beside the source."""

    rows: int
    differences: Sequence[str]


def judge(soak: Soak) -> Outcome:
    """The report of a soak that is over."""
    compared = _compare_tables(soak)
    with soak.deployment.open_instance() as instance:
        runs = instance.get_run_records()
    roles = (DAEMON, CODE_SERVER)
    growth = {f"memory, MB, of the {role}": measure_growth(soak.vitals.follow(role, "memory_mb")) for role in roles}
    growth |= {
        f"bytes of an event log, {schedule}": found for schedule, found in _measure_event_logs(runs, soak).items()
    }
    files = {
        f"open files, at their fewest, of the {role}": measure_growth(
            find_floors(soak.vitals.follow(role, "open_files"))
        )
        for role in roles
    }
    return Outcome(
        title="Soak",
        tables=(_describe_deeds(soak, runs, compared), _describe_growth(growth | files)),
        targets=(
            *_judge_loads(soak, runs, compared),
            Target(claim="bytes left in the working folder", figure=soak.bytes_left, bound=0),
            Target(claim="bytes of the shared state at its largest", figure=soak.vitals.state_peak, bound=STATE_BOUND),
            *(
                Target(claim=f"growth of the {what}, as a share", figure=found.share, bound=GROWTH_BOUND)
                for what, found in growth.items()
            ),
            *(
                Target(claim=f"more {what}", figure=found.last - found.first, bound=FILES_BOUND)
                for what, found in files.items()
            ),
            Target(
                claim="samples of the process that was followed least",
                figure=min(len(soak.vitals.follow(role, "memory_mb")) for role in (DAEMON, CODE_SERVER)),
                bound=LEAST_SAMPLES,
                is_minimum=True,
            ),
        ),
    )


def _compare_tables(soak: Soak) -> Comparison:
    rows, differences = 0, list[str]()
    for name, spec in RESOURCES.items():
        wire = soak.source.read(name)
        rows += len(wire)
        try:
            found = compare_rows(key_rows(soak.deployment.read_table(name), spec), wire, spec)
        except ValueError as error:
            found = {"the table": error}
        differences += [f"{name} {key}: {what}" for key, what in found.items()]
    return Comparison(rows=rows, differences=differences)


def _measure_event_logs(runs: Sequence[RunRecord], soak: Soak) -> dict[str, Growth]:
    """The size of a run's event log by schedule, from its first successful run to its last."""
    sizes: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for record in sorted(runs, key=lambda record: record.create_timestamp):
        schedule = record.dagster_run.tags.get(SCHEDULE_NAME_TAG)
        path = soak.deployment.event_logs / f"{record.dagster_run.run_id}.db"
        if schedule and record.dagster_run.status is DagsterRunStatus.SUCCESS and path.exists():
            sizes[schedule].append((record.create_timestamp.timestamp(), path.stat().st_size))
    return {schedule: measure_growth(points) for schedule, points in sizes.items() if len(points) >= LEAST_RUNS}


def _judge_loads(soak: Soak, runs: Sequence[RunRecord], compared: Comparison) -> tuple[Target, ...]:
    succeeded = sum(record.dagster_run.status is DagsterRunStatus.SUCCESS for record in runs)
    tokens = soak.source.sandbox.tokens_issued - soak.source.revocations
    return (
        Target(claim="differences between tables and source", figure=len(compared.differences), bound=0),
        Target(claim="rows compared", figure=compared.rows, bound=1, is_minimum=True),
        Target(claim="last complete loads that failed", figure=not soak.last_load_succeeded, bound=0),
        Target(claim="runs that succeeded", figure=succeeded, bound=1, is_minimum=True),
        Target(
            claim="runs that never ended",
            figure=sum(r.dagster_run.status in IN_PROGRESS_RUN_STATUSES for r in runs),
            bound=0,
        ),
        Target(claim="daemons whose processes never ended", figure=not soak.ended_idle, bound=0),
        Target(claim="requests beyond the API's quota", figure=soak.source.count_refusals(), bound=0),
        Target(claim="access tokens, those that replaced a revoked one aside", figure=tokens, bound=soak.lifetimes),
    )


def _describe_deeds(soak: Soak, runs: Sequence[RunRecord], compared: Comparison) -> Table:
    statuses = Counter(record.dagster_run.status.value.lower() for record in runs)
    source = soak.source
    rows = {
        "minutes": f"{soak.minutes:g}",
        "runs": f"{len(runs)}: {_list_counts(statuses)}",
        "changes at the source": f"{source.changes.total():,}: {_list_counts(source.changes)}",
        "faults that struck": f"{source.faults.total():,} requests, {len(source.faults)} kinds",
        "access tokens revoked": f"{source.revocations}",
        "restarts": f"{sum(soak.blows.values())}: {_list_counts(soak.blows)}",
        "requests": f"{len(source.sandbox.ledger.requests()):,}",
        "rows compared": f"{compared.rows:,}",
        "differences": "; ".join([f"{len(compared.differences):,}", *compared.differences[:5]]),
    }
    note = f"Seed {soak.seed}. A minute stands for an hour of the schedules."
    return Table(title="What happened", header=("what", "how often"), rows=tuple(rows.items()), note=note)


def _describe_growth(growth: Mapping[str, Growth]) -> Table:
    rows = tuple(
        (what, f"{found.first:,.0f}", f"{found.last:,.0f}", f"{found.share:+.1%}", f"{found.per_hour:+,.1f}")
        for what, found in growth.items()
    )
    return Table(
        title="What grew",
        header=("what", "at first", "at last", "growth", "per hour"),
        rows=rows,
        note="By a straight line through all samples. Of a process the one that lived last, after its first third.",
    )


def _list_counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {what}" for what, count in sorted(counts.items())) or "none"
