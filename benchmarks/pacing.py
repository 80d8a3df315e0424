"""The quota: how long a whole load takes at 100 requests a minute, against what the quota alone makes it take."""

from collections.abc import Mapping

from benchmarks.budget import quota_wall_s, refuse_waste
from benchmarks.contenders import PROJECT, measure_load
from benchmarks.outcome import TIMES, Outcome, Table, Target
from benchmarks.rows import ROWS
from benchmarks.server import TOKENS, serve

REQUESTS_PER_MINUTE = 100
BOUND = 1.03


def run(*, rows: Mapping[str, int] = ROWS, per_minute: int = REQUESTS_PER_MINUTE) -> Outcome:
    """Measure one load: minutes of waiting leave nothing for a median to mend.

    Raises:
        WastedRequestsError: The load has sent one request more than it may.
        WrongAnswerError: The tables do not hold what was served.
    """
    environment = {"INVOICE_API_REQUESTS_PER_MINUTE": str(per_minute)}
    with serve(rows) as server:
        cost = measure_load(PROJECT, rows=rows, server=server, environment=environment)
    refuse_waste(cost.requests, rows=rows)
    requests = sum(count for name, count in cost.requests.items() if name != TOKENS)
    least_s = quota_wall_s(requests, per_minute=per_minute)
    table = Table(
        title=f"A whole load at {per_minute} requests a minute",
        header=("requests", "wall s by the quota alone", "wall s", TIMES),
        rows=((str(requests), f"{least_s:.1f}", f"{cost.loading_wall_s:.1f}", f"{cost.loading_wall_s / least_s:.3f}"),),
        note=f"No minute may hold more than {per_minute} requests: the first {per_minute} may go at once, and request "
        f"k + {per_minute} no earlier than 60 s after request k. So n requests take at least "
        f"60 * floor((n - 1) / {per_minute}) seconds, with all else for nothing. The load's time begins when the "
        "definitions are loaded.",
    )
    target = Target(
        claim=f"wall time at {per_minute} requests a minute, against the quota alone",
        figure=cost.loading_wall_s / least_s,
        bound=BOUND,
        unit=f" {TIMES}",
    )
    return Outcome(title="Pacing", tables=(table,), targets=(target,))
