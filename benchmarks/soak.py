"""`python -m benchmarks.soak`: a deployment for an hour, with everything that can happen to it, and what is left then.

Its source changes and breaks all the time; its processes are stopped and killed in the first part of the time and left
alone in the second, so that their memory can be followed. At the end all faults are off, everything is loaded once more
and compared. The parts live in `benchmarks/soaking/`.
"""

import random
import re
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack, nullcontext
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer
from rich.console import Console

from benchmarks.outcome import Outcome, Record, describe_machine
from benchmarks.peers.environments import CHECKOUT
from benchmarks.report import TARGETS_HEADER, describe_target, print_record, write_rows
from benchmarks.soaking.deployment import Deployment
from benchmarks.soaking.source import RestlessSource
from benchmarks.soaking.verdict import Soak, judge
from benchmarks.soaking.vitals import Vitals, measure_folder

PAGE = CHECKOUT / "docs" / "reliability.md"
HEADING = "## Soak"
SHARE_WITH_RESTARTS = 0.4
CHANGE_EVERY_S, FAULT_EVERY_S, SAMPLE_EVERY_S, REVOKE_EVERY_S = 0.5, 7.0, 3.0, 150.0
RESTARTS = 12
"""As many as an hour has, unless they would come closer than this."""
LEAST_BETWEEN_RESTARTS_S, TICK_S = 60.0, 0.1

BLOWS = {
    "killed with all runs": Deployment.kill_everything,
    "terminated": Deployment.stop,
    "killed": Deployment.kill_residents,
}
"""How daemon and code server come to their end before they are started again, in turn."""


class Every:
    """What is due every so many seconds."""

    def __init__(self, every_s: float) -> None:
        self._every_s = every_s
        self._due_at = time.monotonic() + every_s

    def is_due(self) -> bool:
        """Whether it is time; asking says that it is done now."""
        is_due = time.monotonic() >= self._due_at
        if is_due:
            self._due_at = time.monotonic() + self._every_s
        return is_due


def soak(folder: Path, *, minutes: float, seed: int, console: Console) -> Outcome:
    """Run a deployment in this folder for so long, load everything once more, and judge what is there."""
    chance = random.Random(seed)
    source = RestlessSource(chance)
    with source.sandbox as sandbox, ExitStack() as stack:
        deployment = Deployment(folder, source=sandbox.environment())
        stack.callback(deployment.kill_everything)  # whatever goes wrong, nothing runs on
        vitals, blows = Vitals(deployment), Counter[str]()
        deployment.prepare()
        deployment.load_everything()
        deployment.start()
        _live_through(minutes, source=source, deployment=deployment, vitals=vitals, blows=blows, console=console)
        source.calm_down()
        deployment.stop()
        ended_idle = deployment.wait_until_idle()
        return judge(
            Soak(
                minutes=minutes,
                seed=seed,
                source=source,
                deployment=deployment,
                vitals=vitals,
                blows=blows,
                ended_idle=ended_idle,
                last_load_succeeded=_succeeds(deployment.load_everything),
                bytes_left=measure_folder(deployment.temp_folder),
            )
        )


def _succeeds(command: Callable[[], None]) -> bool:
    try:
        command()
    except subprocess.CalledProcessError:
        return False
    return True


def _live_through(
    minutes: float,
    *,
    source: RestlessSource,
    deployment: Deployment,
    vitals: Vitals,
    blows: Counter[str],
    console: Console,
) -> None:
    began = time.monotonic()
    restart_every_s = max(LEAST_BETWEEN_RESTARTS_S, minutes * 60 * SHARE_WITH_RESTARTS / RESTARTS)
    change, fault, sample = Every(CHANGE_EVERY_S), Every(FAULT_EVERY_S), Every(SAMPLE_EVERY_S)
    revocation, restart = Every(REVOKE_EVERY_S), Every(restart_every_s)
    while (elapsed_s := time.monotonic() - began) < minutes * 60:
        if change.is_due():
            source.change()
        if fault.is_due():
            source.break_next_answers()
        if revocation.is_due():
            source.revoke_tokens()
        if sample.is_due():
            vitals.sample()
        if elapsed_s < minutes * 60 * SHARE_WITH_RESTARTS and restart.is_due():
            blow = tuple(BLOWS)[blows.total() % len(BLOWS)]
            console.print(f"{elapsed_s:6.0f} s: {blow}")
            BLOWS[blow](deployment)
            deployment.start()
            blows[blow] += 1
        time.sleep(TICK_S)


def write_section(record: Record, *, page: Path = PAGE) -> None:
    """Write what was measured into the page, in the place of what was measured before."""
    lines = [
        HEADING,
        "",
        f"Written by `python -m benchmarks.soak --write`, {record.began_at:%Y-%m-%d %H:%M} UTC, {record.machine}.",
        "",
        *write_rows(TARGETS_HEADER, map(describe_target, record.outcome.targets)),
    ]
    for table in record.outcome.tables:
        lines += ["", f"### {table.title}", "", *write_rows(table.header, table.rows), "", table.note]
    section = "\n".join(lines) + "\n"
    text = page.read_text(encoding="utf-8") if page.exists() else "# Reliability\n"
    pattern = re.compile(rf"^{HEADING}\n.*?(?=^## |\Z)", re.DOTALL | re.MULTILINE)
    if pattern.search(text):
        text = pattern.sub(lambda found: section + ("\n" if found.end() < len(text) else ""), text)
    else:
        text = f"{text.rstrip()}\n\n{section}"
    page.write_text(text, encoding="utf-8")


def main(
    minutes: Annotated[float, typer.Option(help="How long the deployment is disturbed.")] = 60.0,
    seed: Annotated[int, typer.Option(help="What chance begins with; 0 for a new one.")] = 0,
    write: Annotated[bool, typer.Option(help="Write the section of docs/reliability.md.")] = False,
    keep: Annotated[Path | None, typer.Option(help="A folder to leave everything in.")] = None,
) -> None:
    """Soak a deployment; fails where anything is lost, left behind or grows."""
    # A background shell has interrupts ignored, which Dagster's processes would inherit, and termination with them.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    console, began_at = Console(), datetime.now(UTC)
    seed = seed or random.randrange(1, 10**6)
    console.print(f"Seed {seed}, {minutes:g} minutes.")
    with TemporaryDirectory(prefix="soak-") if keep is None else nullcontext(str(keep)) as folder:
        outcome = soak(Path(folder), minutes=minutes, seed=seed, console=console)
    record = Record(part="soak", began_at=began_at, machine=describe_machine(), outcome=outcome)
    print_record(record, console)
    if write:
        write_section(record)
    if not all(target.is_met for target in outcome.targets):
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
