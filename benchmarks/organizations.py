"""Loading the definitions of many organisations, as each process of Dagster does: CPU, time and memory."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.progress import track

from benchmarks.measure import Cost, measure, median_of
from benchmarks.outcome import Outcome, Table
from invoice_assets.catalog import RESOURCES

COUNTS = (1, 10, 100)
RUNS = 3
ZONES = ("Europe/Berlin", "America/New_York", "Asia/Kolkata")
LOAD = (
    "from invoice_assets.definitions import defs; r = defs.get_repository_def(); "
    "assert len(r.get_all_jobs()) and r.asset_graph.get_all_asset_keys()"
)


def run() -> Outcome:
    """Measure each number of organisations, in a process of its own each time."""
    costs = _measure()
    one = costs[COUNTS[0]]
    table = Table(
        title="Definitions of many organisations",
        header=("organisations", "assets", "CPU s", "wall s", "peak MB", "ms each"),
        rows=tuple(
            (
                str(count),
                str(count * len(RESOURCES)),
                f"{cost.cpu_s:.2f}",
                f"{cost.wall_s:.2f}",
                f"{cost.peak_mb:.0f}",
                f"{1000 * (cost.cpu_s - one.cpu_s) / (count - 1):.0f}" if count > 1 else "",
            )
            for count, cost in costs.items()
        ),
        note=f"Medians of {RUNS} processes each, from the interpreter's start to its end: importing, building the "
        "definitions, resolving every job. What an organisation costs is counted without the first one.",
    )
    return Outcome(title="Many organisations", tables=(table,), targets=())


def write_organizations(path: Path, count: int, *, zones: Sequence[str] = ZONES, data_center: str = "") -> None:
    """A file of so many organisations, with these time zones in turn; the environment may say where their API is."""
    where = f'data_center = "{data_center}"\n' if data_center else ""
    path.write_text(
        "".join(
            f'[company_{number}]\norganization_id = "{4815_000_000 + number}"\n{where}'
            f'time_zone = "{zones[number % len(zones)]}"\n'
            for number in range(count)
        )
    )


def _measure() -> Mapping[int, Cost]:
    costs: dict[int, list[Cost]] = {count: [] for count in COUNTS}
    with TemporaryDirectory() as folder:
        for count in COUNTS:
            write_organizations(Path(folder, f"{count}.toml"), count, data_center="eu")
        for count in track(COUNTS * (RUNS + 1), description="organisations"):
            environment = {"INVOICE_ORGANIZATIONS": str(Path(folder, f"{count}.toml"))}
            costs[count].append(measure([sys.executable, "-c", LOAD], folder=Path(folder), environment=environment))
    # The first of each may have had to compile.
    return {count: median_of(runs[1:]) for count, runs in costs.items()}
