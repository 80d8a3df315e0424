"""Invoices alone, from one to half a million: what a row costs in CPU, and whether memory stays flat."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, hypot, sqrt
from statistics import median, stdev

from rich.progress import track

from benchmarks.budget import allow_requests
from benchmarks.contenders import measure_load, repeat
from benchmarks.measure import Cost, read_runs
from benchmarks.outcome import TIMES, Outcome, Table, Target
from benchmarks.server import serve

RESOURCE = "invoices"
SMALL, LARGE = 20_000, 500_000
GROWTH_BOUND, PEAK_BOUND_MB, SPREAD_BOUND = 1.25, 600, 1.15


@dataclass(frozen=True, kw_only=True)
class Size:
    """How many rows are loaded, in how many processes, how often in each."""

    rows: int
    processes: int
    runs: int = 1


SIZES = (
    Size(rows=1, processes=3, runs=10),
    Size(rows=1_000, processes=3, runs=10),
    Size(rows=SMALL, processes=5),
    Size(rows=100_000, processes=3),
    Size(rows=LARGE, processes=2),
)
"""The first is what the others are compared with: a thousand rows cost little more, which takes many runs to see."""


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What loads of so many rows have cost: each run's seconds, and medians of the rest."""

    rows: int
    cpu_s: tuple[float, ...]
    wall_s: float
    peak_mb: float
    requests: int

    def cpu_per_row_s(self, least: "Measured") -> float:
        """CPU seconds of a row, by what this takes beyond a load of fewer rows."""
        return (median(self.cpu_s) - median(least.cpu_s)) / (self.rows - least.rows)

    def error_per_row_s(self, least: "Measured") -> float:
        """The standard error of that."""
        errors = [stdev(runs) / sqrt(len(runs)) for runs in (self.cpu_s, least.cpu_s)]
        return hypot(*errors) / (self.rows - least.rows)


def run(*, sizes: Sequence[Size] = SIZES) -> Outcome:
    """Measure the sizes; the first is the fixed cost, with as good as no rows.

    Raises:
        WrongAnswerError: A table does not hold what was served.
    """
    measured = [_measure(size) for size in sizes]
    return Outcome(title="Scaling", tables=(_describe(measured),), targets=_judge(measured))


def _measure(size: Size) -> Measured:
    rows = {RESOURCE: size.rows}
    loader = repeat(RESOURCE, runs=size.runs, is_complete=True)
    with serve(rows) as server:
        costs = [
            measure_load(loader, rows=rows, server=server)
            for _ in track(range(size.processes), description=f"{size.rows:,} {RESOURCE}")
        ]
    # The first run of a process only makes it ready for the others.
    runs = [run for cost in costs for run in read_runs(cost)[1:]]
    return Measured(
        rows=size.rows,
        cpu_s=tuple(cpu_s for cpu_s, _ in runs),
        wall_s=median(wall_s for _, wall_s in runs),
        peak_mb=median(cost.peak_mb for cost in costs),
        requests=max(_count_requests(cost, size) for cost in costs),
    )


def _count_requests(cost: Cost, size: Size) -> int:
    """Requests of each complete read; today's partition, which comes first, takes one."""
    return ceil((cost.requests[RESOURCE] - 1) / size.runs)


def _describe(measured: Sequence[Measured]) -> Table:
    least, *_ = measured
    return Table(
        title=f"{RESOURCE} alone, by how many there are",
        header=("rows", "runs", "CPU s", "CPU µs per row", "±", "wall s", "peak MB", "requests", "allowed"),
        rows=tuple(
            (
                f"{size.rows:,}",
                str(len(size.cpu_s)),
                f"{median(size.cpu_s):.3f}",
                f"{size.cpu_per_row_s(least) * 1e6:.1f}" if size is not least else "",
                f"{size.error_per_row_s(least) * 1e6:.1f}" if size is not least and len(size.cpu_s) > 1 else "",
                f"{size.wall_s:.2f}",
                f"{size.peak_mb:.0f}",
                str(size.requests),
                str(allow_requests(RESOURCE, size.rows)),
            )
            for size in measured
        ),
        note="Medians of complete reads into a database that does not exist yet, in processes that have run this asset "
        "once before. CPU per row is "
        f"(CPU of n rows - CPU of {least.rows}) / (n - {least.rows}), so that what a load costs whatever it brings is "
        "left out; ± is the standard error of that.",
    )


def _judge(measured: Sequence[Measured]) -> tuple[Target, ...]:
    least, *others = measured
    peaks = {size.rows: size.peak_mb for size in measured}
    per_row_s = [size.cpu_per_row_s(least) for size in others]
    return (
        Target(
            claim=f"peak memory at {LARGE:,} {RESOURCE}, against {SMALL:,}",
            figure=peaks[LARGE] / peaks[SMALL],
            bound=GROWTH_BOUND,
            unit=f" {TIMES}",
        ),
        Target(
            claim=f"largest peak memory of any number of {RESOURCE}",
            figure=max(peaks.values()),
            bound=PEAK_BOUND_MB,
            unit=" MB",
        ),
        Target(
            claim="CPU per row, at the dearest size against the cheapest",
            figure=max(per_row_s) / min(per_row_s),
            bound=SPREAD_BOUND,
            unit=f" {TIMES}",
        ),
        Target(
            claim="requests beyond those allowed, at the worst size",
            figure=max(0, *(size.requests - allow_requests(RESOURCE, size.rows) for size in measured)),
            bound=0,
        ),
    )
