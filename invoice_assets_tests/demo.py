"""`make demo`: nine resources of a sandbox API into data/invoicing.duckdb through Dagster, and a table of how it went.

The API is `sandbox/`, what is loaded and checked is the project's own definitions, unchanged.
"""

import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import duckdb
from dagster import DagsterInstance, ExecuteInProcessResult
from rich.console import Console
from rich.table import Table

from invoice_assets.catalog import RESOURCES
from invoice_assets.definitions import build_definitions
from invoice_assets.resource_spec import ResourceSpec
from invoice_assets.settings import Settings
from invoice_assets_tests.runs import QUIET, checks_of, failures_of, seconds_of, select_all_partitions
from invoice_assets_tests.sandbox.environment_file import find_api, names_a_real_api
from invoice_assets_tests.sandbox.limits import Limits
from invoice_assets_tests.sandbox.server import Sandbox

ROWS = {
    "items": 300,
    "users": 25,
    "contacts": 800,
    "invoices": 4_000,
    "recurring_invoices": 150,
    "customer_payments": 3_000,
    "credit_notes": 450,
    "expenses": 1_200,
    "taxes": 12,
}
"""A small company's first year, in fewer than the 100 requests that the API grants in a minute."""


@dataclass(kw_only=True)
class ResourceOutcome:
    """One line of the summary."""

    name: str
    rows_at_source: int
    rows_in_warehouse: int = 0
    rows_missing: int = 0
    api_requests: int = 0
    seconds: float = 0.0
    checks_passed: int = 0
    checks_failed: list[str] = field(default_factory=list)
    error: str | None = None

    @property
    def is_good(self) -> bool:
        """Loaded whole, with checks that ran and passed."""
        return not (self.error or self.rows_missing or self.checks_failed) and self.checks_passed > 0


def main() -> int:
    """Run the demo; returns the exit status: 0 where every row of every resource has arrived and every check passed."""
    console = Console()
    if names_a_real_api():
        console.print(
            f".env names a real API ({find_api()}). The demo would mix made-up rows into its {Settings.database}: "
            "run it in another clone, or move .env away."
        )
        return 2
    started = time.monotonic()
    with open_demo_sandbox() as sandbox:
        console.print(f"The sandbox API serves {sandbox.api_base_url}; loading {len(RESOURCES)} resources …")
        os.environ.update(describe_environment(sandbox))
        result = materialize_everything()
        outcomes = [collect_outcome(spec, sandbox, result) for spec in RESOURCES.values()]
        tokens = sandbox.tokens_issued
    console.print(build_summary(outcomes))
    console.print(
        f"{tokens} access token, {time.monotonic() - started:.1f} s. Tables: {Settings.database}, schema invoicing."
    )
    console.print("`make dev` shows them in the Dagster UI.")
    for outcome in outcomes:
        if outcome.error:
            console.print(f"[red]{outcome.error}[/red]")
    return 0 if all(outcome.is_good for outcome in outcomes) else 1


def open_demo_sandbox() -> Sandbox:
    """A sandbox with a small company's last year, under the API's published limits."""
    yesterday = datetime.now(UTC).date() - timedelta(days=1)
    return Sandbox(rows=ROWS, limits=Limits.published(), history=(yesterday - timedelta(days=364), yesterday))


def describe_environment(sandbox: Sandbox) -> dict[str, str]:
    """The environment that points at the sandbox, with partitions for the last fortnight; the first has the rest."""
    first_day = datetime.now(UTC).date() - timedelta(days=13)
    return sandbox.environment() | {"INVOICE_START_DATE": first_day.isoformat()}


def materialize_everything() -> ExecuteInProcessResult:
    """One Dagster run of all assets and checks, recorded in the instance that `make dev` shows."""
    settings = Settings.from_env()
    job = build_definitions(settings).resolve_implicit_global_asset_job_def()
    with DagsterInstance.get() as instance:
        return job.execute_in_process(
            instance=instance, raise_on_error=False, run_config=QUIET, tags=select_all_partitions(settings)
        )


def collect_outcome(spec: ResourceSpec, sandbox: Sandbox, result: ExecuteInProcessResult) -> ResourceOutcome:
    """What the run's events, the warehouse and the sandbox say of one resource."""
    step, checks = f"load_{spec.name}", checks_of(result, spec.name)
    outcome = ResourceOutcome(
        name=spec.name,
        rows_at_source=sandbox.count(spec.name),
        api_requests=len(sandbox.ledger.requests(spec.name)),
        seconds=seconds_of(result, step),
        checks_passed=sum(checks.values()),
        checks_failed=[name for name, passed in checks.items() if not passed],
        error=failures_of(result).get(step),
    )
    if outcome.error is None:
        keys_in_warehouse = read_keys(spec)
        keys_at_source = {str(row[spec.primary_key]) for row in sandbox.rows(spec.name)}
        outcome.rows_in_warehouse = len(keys_in_warehouse)
        outcome.rows_missing = len(keys_at_source - set(keys_in_warehouse))
    return outcome


def read_keys(spec: ResourceSpec) -> Sequence[str]:
    """The primary keys in the resource's table."""
    with duckdb.connect(Settings.database, read_only=True) as connection:
        rows = connection.execute(f"SELECT {spec.primary_key} FROM invoicing.invoicing.{spec.name}").fetchall()
    return [row[0] for row in rows]


def build_summary(outcomes: Sequence[ResourceOutcome]) -> Table:
    """The table that the demo prints."""
    table = Table(title="invoice_assets", title_justify="left")
    table.add_column("resource", no_wrap=True)
    for heading in ("rows in the warehouse", "rows at the source", "API requests", "seconds"):
        table.add_column(heading, justify="right")
    table.add_column("checks")
    for outcome in outcomes:
        checks = (
            "failed: " + ", ".join(outcome.checks_failed)
            if outcome.checks_failed
            else f"{outcome.checks_passed} passed"
        )
        table.add_row(
            outcome.name,
            f"{outcome.rows_in_warehouse:,}",
            f"{outcome.rows_at_source:,}",
            str(outcome.api_requests),
            f"{outcome.seconds:.2f}",
            "not loaded" if outcome.error else checks,
            style=None if outcome.is_good else "red",
        )
    return table


if __name__ == "__main__":
    sys.exit(main())
