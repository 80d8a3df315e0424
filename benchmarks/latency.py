"""A network that takes its time: nine assets against fetching the same pages one after another."""

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.progress import track

from benchmarks.budget import refuse_waste
from benchmarks.contenders import PROJECT, measure_load
from benchmarks.measure import Cost, measure, median_of
from benchmarks.outcome import TIMES, Outcome, Table, Target
from benchmarks.peers.loaders import Peer
from benchmarks.rows import ROWS
from benchmarks.server import TOKENS, serve

LATENCY_S = 0.05
ROUNDS = 3
BOUND = 0.6
PAGES = Peer(
    title="the pages one after another, by requests {}", packages=("requests",), module="benchmarks.loaders.pages"
)


def run(*, rounds: int = ROUNDS, rows: Mapping[str, int] = ROWS) -> Outcome:
    """Measure both in turn, with pacing off.

    Raises:
        WastedRequestsError: This project's load has sent one request more than it may.
        WrongAnswerError: This project's tables do not hold what was served.
    """
    costs: dict[Peer, list[Cost]] = {PAGES: [], PROJECT: []}
    with serve(rows, latency_s=LATENCY_S) as server:
        for _ in track(range(rounds), description="latency"):
            with TemporaryDirectory() as folder:
                costs[PAGES].append(measure(PAGES.command(), folder=Path(folder), server=server))
            costs[PROJECT].append(measure_load(PROJECT, rows=rows, server=server))
            refuse_waste(costs[PROJECT][-1].requests, rows=rows)
    medians = {loader: median_of(runs) for loader, runs in costs.items()}
    alone_s = medians[PAGES].loading_wall_s
    table = Table(
        title=f"{LATENCY_S * 1000:.0f} ms of latency before every page, pacing off",
        header=("process", "wall s", TIMES, "requests"),
        rows=tuple(
            (
                loader.name,
                f"{cost.loading_wall_s:.2f}",
                f"{cost.loading_wall_s / alone_s:.2f}",
                str(sum(count for name, count in cost.requests.items() if name != TOKENS)),
            )
            for loader, cost in medians.items()
        ),
        note=f"Medians of {rounds}, alternating, from when imports are done. The first only fetches, on one "
        "connection, and keeps nothing.",
    )
    target = Target(
        claim=f"wall time of nine assets at {LATENCY_S * 1000:.0f} ms, against fetching the pages one after another",
        figure=medians[PROJECT].loading_wall_s / alone_s,
        bound=BOUND,
        unit=f" {TIMES}",
    )
    return Outcome(title="Latency", tables=(table,), targets=(target,))
