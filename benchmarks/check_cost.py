"""`make bench`: what all checks of a table of a million rows cost, beside what loading it cost.

The sandbox serves from this process; load and checks run in another one (`check_once.py`), into DuckDB and into a
PostgreSQL on loopback, whose server's CPU time is not counted: compare the wall times there.
"""

import os
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
from rich.console import Console

from invoice_assets_tests.postgres import open_postgres
from invoice_assets_tests.sandbox.server import Sandbox

ROWS = {"contacts": 5_000, "invoices": 1_000_000}
BUDGET = 0.1
"""Share of a load's cost that all checks may cost."""
UNITS = {"duckdb": "cpu_s", "postgres": "wall_s"}
"""What is compared: a server's CPU time is not in the process's."""


def measure(sandbox: Sandbox, destination_type: str, credentials: str) -> dict[str, float]:
    """Seconds of `check_once.py` by what they were spent on.

    Raises:
        subprocess.CalledProcessError: It failed, or a check did: a fast wrong answer is no result.
    """
    environment = sandbox.environment() | {
        "DESTINATION__WAREHOUSE__DESTINATION_TYPE": destination_type,
        "DESTINATION__WAREHOUSE__CREDENTIALS": credentials,
        "EXPECTED_ROWS": str(ROWS["invoices"]),
        "INVOICE_START_DATE": (datetime.now(UTC).date() - timedelta(days=2)).isoformat(),
    }
    output = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "benchmarks.check_once"],
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        check=True,
    ).stdout
    return msgspec.json.decode(output, type=dict[str, float])


def main(destination_types: Sequence[str]) -> int:
    """Measure and print; returns 1 where the checks of any of these destinations cost more than their share."""
    console, is_within_budget = Console(), True
    with Sandbox(rows=ROWS) as sandbox, open_postgres() as postgres, TemporaryDirectory() as folder:
        credentials = {"duckdb": str(Path(folder) / "invoicing.duckdb"), "postgres": postgres.create_database()}
        for destination_type in destination_types:
            seconds = measure(sandbox, destination_type, credentials[destination_type])
            unit = UNITS[destination_type]
            share = seconds[f"checks_{unit}"] / seconds[f"load_{unit}"]
            is_within_budget &= share <= BUDGET
            console.print(
                f"{destination_type}, {ROWS['invoices']:,} invoices: checks cost {share:.1%} of the load by {unit}"
            )
            console.print(", ".join(f"{name} {value:.2f}" for name, value in seconds.items()))
    return int(not is_within_budget)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:] or list(UNITS)))
