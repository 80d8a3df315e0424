"""`make bench`: what all checks of a table of a million rows cost, beside what loading it cost.

The sandbox serves from this process; load and checks run in another one (`check_once.py`), into DuckDB and into a
PostgreSQL on loopback, whose server's CPU time is not counted: compare the wall times there.
"""

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
from rich.console import Console
from rich.table import Table

from invoice_assets_tests.postgres import open_postgres
from invoice_assets_tests.sandbox.server import Sandbox

ROWS = {"contacts": 5_000, "invoices": 1_000_000}
BUDGET = 0.1
"""Share of a load's cost that all checks may cost."""


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


def main() -> int:
    """Measure and print; returns 1 where the checks on DuckDB cost more than their share."""
    headings = ("load CPU s", "checks CPU s", "load wall s", "checks wall s", "checks / load")
    table = Table(f"{ROWS['invoices']:,} invoices", *headings)
    shares = {}
    with Sandbox(rows=ROWS) as sandbox, open_postgres() as postgres, TemporaryDirectory() as folder:
        for destination_type, credentials, unit in (
            ("duckdb", str(Path(folder) / "invoicing.duckdb"), "cpu_s"),
            ("postgres", postgres.create_database(), "wall_s"),
        ):
            seconds = measure(sandbox, destination_type, credentials)
            shares[destination_type] = seconds[f"checks_{unit}"] / seconds[f"load_{unit}"]
            columns = ("load_cpu_s", "checks_cpu_s", "load_wall_s", "checks_wall_s")
            table.add_row(
                destination_type,
                *(f"{seconds[column]:.2f}" for column in columns),
                f"{shares[destination_type]:.1%} of {unit.partition('_')[0]}",
            )
    Console().print(table)
    return int(max(shares.values()) > BUDGET)


if __name__ == "__main__":
    sys.exit(main())
