"""Nine resources from the server into DuckDB by every loader in turn: the limit, this project, and the peers.

Loaders alternate, so that whatever else the machine does falls on all of them alike. What each is, is in
`contenders.py` and `peers/loaders.py`; what the server itself can do, in `ceiling.py`.
"""

from collections.abc import Mapping

from rich.progress import track

from benchmarks.budget import allow_requests, refuse_waste
from benchmarks.ceiling import describe_ceiling, draw_pages
from benchmarks.contenders import LIMIT, PROJECT, PROJECT_WITH_CHECKS, is_ours, measure_load
from benchmarks.measure import Cost, median_of
from benchmarks.outcome import TIMES, Bar, Outcome, Table, Target
from benchmarks.peers.loaders import PEERS, Peer
from benchmarks.rows import ROWS
from benchmarks.server import TOKENS, serve

ROUNDS = 5
TIMES_LIMIT = f"{TIMES} limit"
CPU_BOUND = 2.5
PEER_BOUNDS = {
    "PyAirbyte {}": 4,
    "Singer SDK {} tap into target-duckdb {}": 3,
    "plain dlt {} script, its defaults": 15,
}
"""How many times this project's CPU seconds a peer is to take, by the peer's title."""


def run(*, rounds: int = ROUNDS, rows: Mapping[str, int] = ROWS) -> Outcome:
    """Measure all loaders so many times each.

    Raises:
        WastedRequestsError: This project's load has sent one request more than it may.
        WrongAnswerError: A loader's tables do not hold what was served.
    """
    loaders = (LIMIT, PROJECT, PROJECT_WITH_CHECKS, *PEERS)
    costs: dict[Peer, list[Cost]] = {loader: [] for loader in loaders}
    with serve(rows) as server:
        ceiling = draw_pages(server)
        for loader in track(loaders * rounds, description="comparison"):
            cost = measure_load(loader, rows=rows, server=server)
            if is_ours(loader):
                refuse_waste(cost.requests, rows=rows)
            costs[loader].append(cost)
    medians = {loader: median_of(costs[loader]) for loader in loaders}
    return Outcome(
        title="Comparison",
        tables=(
            _compare(medians, rounds=rounds, rows=rows),
            _count_requests(medians[PROJECT], rows=rows),
            describe_ceiling(ceiling, medians),
        ),
        targets=_judge(medians),
        bars=tuple(_draw(loader, cost, limit=medians[LIMIT]) for loader, cost in medians.items()),
    )


def _compare(medians: Mapping[Peer, Cost], *, rounds: int, rows: Mapping[str, int]) -> Table:
    limit = medians[LIMIT]
    return Table(
        title=f"{sum(rows.values()):,} rows of {len(rows)} resources into DuckDB",
        header=("loader", "CPU s", TIMES_LIMIT, "wall s", TIMES_LIMIT, "peak MB", TIMES_LIMIT, "CPU s with imports"),
        rows=tuple(
            (
                loader.name,
                *_with_ratio(cost.loading_cpu_s, limit.loading_cpu_s),
                *_with_ratio(cost.loading_wall_s, limit.loading_wall_s),
                *_with_ratio(cost.peak_mb, limit.peak_mb, digits=0),
                f"{cost.cpu_s:.2f}",
            )
            for loader, cost in medians.items()
        ),
        note=f"Medians of {rounds}, the loaders alternating. CPU seconds are those of the whole tree of processes. "
        "What comes before a load begins and after it has ended (interpreter, imports, definitions) is in the last "
        "column only. After every single load, row counts, distinct keys and one amount per resource are compared with "
        "what was served; for this project, every value of every column.",
    )


def _with_ratio(figure: float, limit: float, *, digits: int = 2) -> tuple[str, str]:
    return f"{figure:.{digits}f}", f"{figure / limit:.2f}"


def _count_requests(cost: Cost, *, rows: Mapping[str, int]) -> Table:
    counted = [(name, count, cost.requests.get(name, 0), allow_requests(name, count)) for name, count in rows.items()]
    lines = [(name, f"{count:,}", str(sent), str(allowed)) for name, count, sent, allowed in counted]
    total = ("all", f"{sum(rows.values()):,}", str(sum(c[2] for c in counted)), str(sum(c[3] for c in counted)))
    return Table(
        title="Requests of this project's load",
        header=("resource", "rows", "requests", "allowed"),
        rows=(*lines, total, (TOKENS, "", str(cost.requests.get(TOKENS, 0)), "1")),
        note="Counted by the server. Allowed is ceil(n / 200) by page number, one where there are no rows, and "
        "ceil(n / 199) + 1 by keyset; the benchmark fails where a load sends one more.",
    )


def _judge(medians: Mapping[Peer, Cost]) -> tuple[Target, ...]:
    ours_s = medians[PROJECT].loading_cpu_s
    by_title = {loader.title: (loader, cost) for loader, cost in medians.items()}
    limit = Target(
        claim="CPU of nine assets in process, definitions loaded, against the limit",
        figure=ours_s / medians[LIMIT].loading_cpu_s,
        bound=CPU_BOUND,
        unit=f" {TIMES}",
    )
    peers = [
        Target(
            claim=f"CPU of {by_title[title][0].name}, against this project's",
            figure=by_title[title][1].loading_cpu_s / ours_s,
            bound=bound,
            unit=f" {TIMES}",
            is_minimum=True,
        )
        for title, bound in PEER_BOUNDS.items()
    ]
    return (limit, *peers)


def _draw(loader: Peer, cost: Cost, *, limit: Cost) -> Bar:
    return Bar(
        label=loader.name,
        cpu_s=cost.loading_cpu_s,
        peak_mb=cost.peak_mb,
        times_limit=cost.loading_cpu_s / limit.loading_cpu_s,
        is_ours=is_ours(loader),
    )
