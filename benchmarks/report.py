"""Records as people read them: tables in the terminal, and benchmarks/RESULTS.md.

The plot is in `plot.py`; what the figures are is said by the parts that measured them.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table as RichTable

from benchmarks.outcome import Record, Table, Target
from benchmarks.peers.environments import CHECKOUT

RESULTS_FILE = CHECKOUT / "benchmarks" / "RESULTS.md"
PLOT_FILE = CHECKOUT / "docs" / "images" / "benchmark.svg"
TARGETS_HEADER = ("target", "bound", "measured", "")


def print_record(record: Record, console: Console) -> None:
    """Show what a part has found, its targets last."""
    console.rule(record.outcome.title)
    for table in record.outcome.tables:
        _print_table(table, console)
    if record.outcome.targets:
        rows = tuple(describe_target(target) for target in record.outcome.targets)
        _print_table(Table(title="Targets", header=TARGETS_HEADER, rows=rows), console)


def write_results(records: Sequence[Record], *, missing: Iterable[str] = (), path: Path = RESULTS_FILE) -> None:
    """Write all that there is to the file: targets first, then the parts. `missing` are parts that never ran."""
    targets = [target for record in records for target in record.outcome.targets]
    missed = [target for target in targets if not target.is_met]
    never_ran = "".join(f"**Not measured: {part}.** " for part in sorted(missing))
    lines = [
        "# Results of the benchmark",
        "",
        "Written by `make bench`; what each part measures stands in its module in this folder. MB are 10^6 bytes.",
        "",
        *_describe_runs(records),
        "",
        "## Targets",
        "",
        f"{never_ran}{len(targets) - len(missed)} of {len(targets)} met."
        + (" What stands in the way of the others: [docs/performance.md](../docs/performance.md)." if missed else ""),
        "",
        *write_rows(TARGETS_HEADER, [describe_target(target) for target in targets]),
    ]
    for record in records:
        lines += ["", f"## {record.outcome.title}"]
        if record.outcome.bars:
            lines += ["", f"![CPU seconds and peak memory of each loader](../{PLOT_FILE.relative_to(CHECKOUT)})"]
        for table in record.outcome.tables:
            lines += ["", f"### {table.title}", "", *write_rows(table.header, table.rows)]
            lines += ["", table.note] if table.note else []
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _describe_runs(records: Sequence[Record]) -> list[str]:
    """One line where all parts come of one run, else one for each part, with a word of warning."""
    runs = {record.began_at: record.machine for record in records}
    if len(runs) == 1:
        return [f"{began_at:%Y-%m-%d %H:%M} UTC, {machine}." for began_at, machine in runs.items()]
    lines = [f"- {r.outcome.title}: {r.began_at:%Y-%m-%d %H:%M} UTC, {r.machine}." for r in records]
    return ["**The parts were not measured in one run:**", "", *lines]


def describe_target(target: Target) -> tuple[str, str, str, str]:
    """The cells of a target under `TARGETS_HEADER`."""
    bound = f"{'at least' if target.is_minimum else 'at most'} {target.bound:g}{target.unit}"
    figure = f"{target.figure:.0f}" if target.figure >= 100 else f"{target.figure:.3g}"
    return target.claim, bound, f"{figure}{target.unit}", "met" if target.is_met else "**not met**"


def write_rows(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """The lines of a Markdown table: texts in the first column, figures in the others."""
    alignment = [":--", *["--:"] * (len(header) - 1)]
    return [f"| {' | '.join(cells)} |" for cells in (header, alignment, *rows)]


def _print_table(table: Table, console: Console) -> None:
    shown = RichTable(title=table.title, title_justify="left", caption=table.note or None, caption_justify="left")
    for index, name in enumerate(table.header):
        shown.add_column(name, justify="right" if index else "left")
    for row in table.rows:
        shown.add_row(*(cell.replace("**", "") for cell in row))
    console.print(shown)
