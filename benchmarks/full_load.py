"""`make bench`: what a full load of nine resources costs, in CPU, wall time, memory and API requests.

The sandbox serves from this process; each load is a process of its own (`load_once.py`), so that its cost can be told
from the server's. Medians of five runs into an empty warehouse, beside the cost of importing Dagster and dlt alone.
"""

import os
import subprocess
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from rich.console import Console
from rich.progress import track
from rich.table import Table

from invoice_assets_tests.sandbox.server import Sandbox

REPETITIONS = 5
ROWS = {
    "items": 1_000,
    "users": 50,
    "contacts": 5_000,
    "invoices": 20_000,
    "recurring_invoices": 1_000,
    "customer_payments": 15_000,
    "credit_notes": 3_000,
    "expenses": 9_950,
    "taxes": 50,
}


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What one process has cost, from start to end."""

    cpu_s: float
    wall_s: float
    peak_mb: float
    requests: int


def measure(sandbox: Sandbox, *arguments: str) -> Cost:
    """Run Python with these arguments in a folder of its own, pointed at the sandbox.

    Raises:
        RuntimeError: It failed; a fast wrong answer is no result.
    """
    sandbox.ledger.clear()
    with TemporaryDirectory() as folder:
        environment = (
            os.environ
            | sandbox.environment()
            | {
                "DESTINATION__WAREHOUSE__CREDENTIALS": str(Path(folder) / "invoicing.duckdb"),
                "EXPECTED_ROWS": str(sum(ROWS.values())),
                "INVOICE_START_DATE": (datetime.now(UTC).date() - timedelta(days=2)).isoformat(),
            }
        )
        started = time.monotonic()
        process = subprocess.Popen([sys.executable, *arguments], env=environment)
        _, status, usage = os.wait4(process.pid, 0)
    if status != 0:
        raise RuntimeError(f"python {' '.join(arguments)} failed with status {status}")
    return Cost(
        cpu_s=usage.ru_utime + usage.ru_stime,
        wall_s=time.monotonic() - started,
        peak_mb=usage.ru_maxrss / 1024,
        requests=len(sandbox.ledger.requests()),
    )


def main() -> None:
    """Measure and print."""
    commands = {
        "import dagster, dagster_dlt": ("-W", "ignore", "-c", "import dagster, dagster_dlt"),
        f"nine assets, {sum(ROWS.values()):,} rows": ("-W", "ignore", "-m", "benchmarks.load_once"),
    }
    table = Table("medians of five runs", "CPU s", "wall s", "peak MB", "API requests")
    with Sandbox(rows=ROWS) as sandbox:
        for name, arguments in commands.items():
            costs = [measure(sandbox, *arguments) for _ in track(range(REPETITIONS), description=name)]
            table.add_row(
                name,
                f"{median(cost.cpu_s for cost in costs):.2f}",
                f"{median(cost.wall_s for cost in costs):.2f}",
                f"{median(cost.peak_mb for cost in costs):,.0f}",
                f"{median(cost.requests for cost in costs):g}",
            )
    Console().print(table)


if __name__ == "__main__":
    main()
