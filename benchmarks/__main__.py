"""`python -m benchmarks`: all parts in their order, or one of them; then RESULTS.md and the plot.

Exit status 1 says that a target was missed. What a part has found before is kept for the report.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.console import Console

from benchmarks import compare, deployment, fixed_cost, latency, organizations, pacing, scaling
from benchmarks.outcome import Outcome, Record, describe_machine, load, save
from benchmarks.plot import write_plot
from benchmarks.report import PLOT_FILE, RESULTS_FILE, print_record, write_results

PARTS: Mapping[str, Callable[[], Outcome]] = {
    "compare": compare.run,
    "scaling": scaling.run,
    "fixed-cost": fixed_cost.run,
    "latency": latency.run,
    "pacing": pacing.run,
    "organizations": organizations.run,
    "deployment": deployment.run,
}
app = typer.Typer(add_completion=False)


@app.callback(invoke_without_command=True)
def run_all(context: typer.Context) -> None:
    """Run all parts, unless one is named."""
    if context.invoked_subcommand is None:
        _run(PARTS)


@app.command("compare")
def run_compare(
    rounds: Annotated[int, typer.Option(help="How often each loader is measured.")] = compare.ROUNDS,
) -> None:
    """All loaders, alternating."""
    _run({"compare": lambda: compare.run(rounds=rounds)})


@app.command("scaling")
def run_scaling() -> None:
    """Invoices alone, from one to half a million."""
    _run({"scaling": PARTS["scaling"]})


@app.command("fixed-cost")
def run_fixed_cost() -> None:
    """Imports, and a run with nothing new."""
    _run({"fixed-cost": PARTS["fixed-cost"]})


@app.command("latency")
def run_latency(rounds: Annotated[int, typer.Option(help="How often both are measured.")] = latency.ROUNDS) -> None:
    """50 ms before every page."""
    _run({"latency": lambda: latency.run(rounds=rounds)})


@app.command("pacing")
def run_pacing() -> None:
    """100 requests a minute."""
    _run({"pacing": PARTS["pacing"]})


@app.command("organizations")
def run_organizations() -> None:
    """Definitions of up to 100 organisations."""
    _run({"organizations": PARTS["organizations"]})


@app.command("deployment")
def run_deployment() -> None:
    """Up to 16 organisations through up to 4 Celery workers."""
    _run({"deployment": PARTS["deployment"]})


@app.command("report")
def write_report() -> None:
    """RESULTS.md and the plot, from what was found before."""
    _report(Console())


def _run(parts: Mapping[str, Callable[[], Outcome]]) -> None:
    console, began_at, machine = Console(), datetime.now(UTC), describe_machine()
    missed = 0
    for part, measure in parts.items():
        record = Record(part=part, began_at=began_at, machine=machine, outcome=measure())
        save(record)
        print_record(record, console)
        missed += sum(not target.is_met for target in record.outcome.targets)
    _report(console)
    if missed:
        console.print(f"Targets missed: {missed}.")
        raise typer.Exit(1)


def _report(console: Console) -> None:
    records = load(PARTS)
    write_results(records, missing=PARTS.keys() - {record.part for record in records})
    console.print(f"{RESULTS_FILE} is written.")
    for record in records:
        if record.outcome.bars:
            write_plot(record.outcome.bars, PLOT_FILE)
            console.print(f"{PLOT_FILE} is written.")


if __name__ == "__main__":
    app()
