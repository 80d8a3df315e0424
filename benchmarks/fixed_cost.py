"""What there is to pay before the first row: importing the definitions, and a run of one asset with nothing new."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from rich.progress import track

from benchmarks.budget import WastedRequestsError
from benchmarks.contenders import repeat
from benchmarks.measure import Cost, measure, median_of, read_runs
from benchmarks.outcome import TIMES, Outcome, Table, Target
from benchmarks.server import serve

IMPORTS = ("import dagster, dagster_dlt", "import invoice_assets.definitions")
IMPORT_RUNS, QUIET_PROCESSES, QUIET_RUNS = 9, 3, 10
IMPORT_BOUND, QUIET_BOUND_S = 1.3, 0.35
RESOURCE = "invoices"


@dataclass(frozen=True, kw_only=True)
class QuietRuns:
    """CPU seconds of the first runs of their processes and of the later ones, and what one run asks the API for."""

    first_cpu_s: tuple[float, ...]
    later_cpu_s: tuple[float, ...]
    requests_each: float


def run(*, rows: int = 1_000) -> Outcome:
    """Measure both; `rows` are there before the run that finds nothing new.

    Raises:
        WastedRequestsError: A run with nothing new has sent more than one request.
    """
    imports, quiet = _measure_imports(), _measure_quiet_runs(rows)
    return Outcome(
        title="Fixed costs",
        tables=(_describe_imports(imports), _describe_quiet_runs(quiet)),
        targets=_judge(imports, quiet),
    )


def _measure_imports() -> dict[str, Cost]:
    costs: dict[str, list[Cost]] = {name: [] for name in IMPORTS}
    with TemporaryDirectory() as folder:
        for name in track(IMPORTS * (IMPORT_RUNS + 1), description="imports"):
            costs[name].append(measure([sys.executable, "-c", name], folder=Path(folder)))
    # The first of each may have had to compile.
    return {name: median_of(runs[1:]) for name, runs in costs.items()}


def _measure_quiet_runs(rows: int) -> QuietRuns:
    fill = repeat(RESOURCE, runs=1, is_complete=True).command()
    find_nothing = repeat(RESOURCE, runs=QUIET_RUNS, is_complete=False).command()
    with serve({RESOURCE: rows}) as server, TemporaryDirectory() as folder:
        measure(fill, folder=Path(folder), server=server)
        costs = [
            measure(find_nothing, folder=Path(folder), server=server)
            for _ in track(range(QUIET_PROCESSES), description="nothing new")
        ]
    cpu_s = [[run_s for run_s, _ in read_runs(cost)] for cost in costs]
    requests = max(cost.requests[RESOURCE] for cost in costs)
    if requests > QUIET_RUNS:
        raise WastedRequestsError(f"{QUIET_RUNS} runs with nothing new took {requests} requests; one each does")
    return QuietRuns(
        first_cpu_s=tuple(runs[0] for runs in cpu_s),
        later_cpu_s=tuple(run_s for runs in cpu_s for run_s in runs[1:]),
        requests_each=requests / QUIET_RUNS,
    )


def _describe_imports(imports: Mapping[str, Cost]) -> Table:
    return Table(
        title="Imports",
        header=("process", "CPU s", "wall s", "peak MB"),
        rows=tuple((name, f"{c.cpu_s:.2f}", f"{c.wall_s:.2f}", f"{c.peak_mb:.0f}") for name, c in imports.items()),
        note=f"Medians of {IMPORT_RUNS} processes each, alternating, from the interpreter's start to its end, with "
        "bytecode compiled. The second calls `build_definitions()` too.",
    )


def _describe_quiet_runs(quiet: QuietRuns) -> Table:
    return Table(
        title=f"One asset with nothing new to load: today's partition of {RESOURCE}",
        header=("run", "runs", "CPU s, median", "least", "most", "requests each"),
        rows=tuple(
            (
                name,
                str(len(runs)),
                f"{median(runs):.3f}",
                f"{min(runs):.3f}",
                f"{max(runs):.3f}",
                f"{quiet.requests_each:g}",
            )
            for name, runs in {"the first of its process": quiet.first_cpu_s, "a later one": quiet.later_cpu_s}.items()
        ),
        note="CPU seconds of the process, from `execute_in_process` to its return, into a table that is there already. "
        "The first also imports what only a load needs. The target is for the later ones.",
    )


def _judge(imports: Mapping[str, Cost], quiet: QuietRuns) -> tuple[Target, ...]:
    alone, ours = imports.values()
    return (
        Target(
            claim="CPU of importing the definitions, against importing dagster and dagster_dlt",
            figure=ours.cpu_s / alone.cpu_s,
            bound=IMPORT_BOUND,
            unit=f" {TIMES}",
        ),
        Target(
            claim="CPU of one asset with nothing new, median of the later runs of a process",
            figure=median(quiet.later_cpu_s),
            bound=QUIET_BOUND_S,
            unit=" s",
        ),
    )
