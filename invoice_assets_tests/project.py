"""The project as a user has it, for tests: a sandbox in its environment, a folder of its own, runs and a warehouse.

The sandbox lives in `sandbox/`; what is materialised are the project's own definitions, unchanged.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from dagster import (
    AssetCheckEvaluation,
    AssetKey,
    AssetSelection,
    DagsterInstance,
    EventLogEntry,
    ExecuteInProcessResult,
)

from invoice_assets.catalog import RESOURCES
from invoice_assets.definitions import build_definitions
from invoice_assets.resource_spec import ResourceSpec
from invoice_assets.settings import Settings
from invoice_assets_tests.postgres import Postgres
from invoice_assets_tests.runs import QUIET, select_all_partitions, select_partitions
from invoice_assets_tests.sandbox.server import Sandbox
from invoice_assets_tests.warehouses import Warehouse, choose_warehouse, query_duckdb

Query = Callable[[str], list[tuple[Any, ...]]]
"""What gives the rows of a statement in a warehouse."""


class Project:
    """A project that reads from `sandbox` and loads into `folder`, or another warehouse; retries do not wait.

    What its runs did is remembered by `instance`; without one, each run has an instance of its own. Without its checks,
    a load takes half the time.
    """

    def __init__(
        self,
        sandbox: Sandbox,
        folder: Path,
        environment: pytest.MonkeyPatch,
        *,
        catalog: Mapping[str, ResourceSpec] = RESOURCES,
        postgres_url: str | None = None,
        warehouse: Warehouse | None = None,
        instance: DagsterInstance | None = None,
        has_checks: bool = True,
    ) -> None:
        kind = "postgres" if postgres_url else "duckdb"
        warehouse = warehouse or choose_warehouse(kind, folder=folder, postgres_url=postgres_url or "")
        self.database = Path(warehouse.database)
        self.catalog = catalog
        self._postgres_url = postgres_url
        self.instance = instance
        self._has_checks = has_checks
        variables = sandbox.environment() | {
            "INVOICE_API_BACKOFF_FACTOR": "0",
            "INVOICE_STEP_RETRIES": "0",
            "INVOICE_SHARED_STATE": str(folder / "state"),
            "INVOICE_START_DATE": (datetime.now(UTC).date() - timedelta(days=2)).isoformat(),
        }
        for name, value in (variables | dict(warehouse.variables)).items():
            environment.setenv(name, value)

    def materialize(
        self,
        *names: str,
        reports: Sequence[str] = (),
        partitions: tuple[str, str] | None = None,
        with_checks: bool = True,
        on_event: Callable[[EventLogEntry], None] | None = None,
    ) -> ExecuteInProcessResult:
        """Run the assets of these resources and reports with their checks, or all resources; see `materialize`."""
        return materialize(
            *names or (() if reports else self.catalog),
            reports=reports,
            catalog=self.catalog,
            instance=self.instance,
            partitions=partitions,
            with_checks=with_checks and self._has_checks,
            on_event=on_event,
        )

    def run_checks(self, *key: str) -> list[AssetCheckEvaluation]:
        """Run only the checks of a resource, or of the asset of this key."""
        asset = AssetKey(key if len(key) > 1 else ["invoicing", *key])
        definitions = build_definitions(Settings.from_env(), catalog=self.catalog)
        selection = AssetSelection.checks_for_assets(asset)
        checks = selection.resolve_checks(definitions.resolve_asset_graph())
        job = definitions.resolve_implicit_global_asset_job_def().get_subset(asset_check_selection=checks)
        result = job.execute_in_process(instance=self.instance, raise_on_error=False, run_config=QUIET)
        return list(result.get_asset_check_evaluations())

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """The rows that a statement gives in the warehouse, where the tables stand in the schema `invoicing`."""
        if self._postgres_url:
            return Postgres.execute(sql, url=self._postgres_url)
        return query_duckdb(sql, database=self.database)

    def read_table(self, name: str) -> list[dict[str, Any]]:
        """Every row of a resource's table; see the function of this name."""
        return read_table(name, query=self.query)


def read_table(name: str, *, query: Query, dataset: str = "invoicing") -> list[dict[str, Any]]:
    """Every row of a resource's table, as a mapping from column to value; JSON is text."""
    columns = query(
        "SELECT column_name, data_type FROM information_schema.columns "
        f"WHERE table_schema = '{dataset}' AND table_name = '{name}' ORDER BY ordinal_position"
    )
    values = ", ".join(
        f'CAST("{column}" AS TEXT)' if "json" in kind.lower() else f'"{column}"' for column, kind in columns
    )
    order = ", ".join(str(number + 1) for number in range(len(columns)))
    names = [column for column, _ in columns]
    rows = query(f"SELECT {values} FROM {dataset}.{name} ORDER BY {order}")
    return [dict(zip(names, row, strict=True)) for row in rows]


def materialize(
    *names: str,
    reports: Sequence[str] = (),
    catalog: Mapping[str, ResourceSpec] = RESOURCES,
    instance: DagsterInstance | None = None,
    partitions: tuple[str, str] | None = None,
    with_checks: bool = True,
    on_event: Callable[[EventLogEntry], None] | None = None,
) -> ExecuteInProcessResult:
    """Run the assets of these resources and reports with their checks; all partitions, or first to last.

    Without an instance, the run has one of its own. `on_event` is told of what happens in the run as it happens; it
    takes an instance.
    """
    settings = Settings.from_env()
    definitions = build_definitions(settings, catalog=catalog)
    keys = frozenset(
        [*(AssetKey(["invoicing", name]) for name in names), *(AssetKey(["reporting", name]) for name in reports)]
    )
    job = definitions.resolve_implicit_global_asset_job_def().get_subset(
        asset_selection=keys, asset_check_selection=None if with_checks else frozenset()
    )
    run_id = str(uuid4())
    if instance and on_event:
        instance.add_event_listener(run_id, on_event)
    return job.execute_in_process(
        instance=instance,
        run_id=run_id,
        raise_on_error=False,
        run_config=QUIET,
        tags=select_partitions(*partitions) if partitions else select_all_partitions(settings),
    )
