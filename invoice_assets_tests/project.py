"""The project as a user has it, for tests: a sandbox in its environment, a folder of its own, runs and a warehouse.

The sandbox lives in `sandbox/`; what is materialised are the project's own definitions, unchanged.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
from dagster import (
    AssetCheckEvaluation,
    AssetKey,
    AssetSelection,
    DagsterInstance,
    ExecuteInProcessResult,
)

from invoice_assets.catalog import RESOURCES
from invoice_assets.definitions import build_definitions
from invoice_assets.resource_spec import ResourceSpec
from invoice_assets.settings import Settings
from invoice_assets_tests.runs import QUIET, select_all_partitions, select_partitions
from invoice_assets_tests.sandbox.server import Sandbox


class Project:
    """A project that reads from `sandbox` and loads into `folder`; retries do not wait."""

    def __init__(
        self,
        sandbox: Sandbox,
        folder: Path,
        environment: pytest.MonkeyPatch,
        *,
        catalog: Mapping[str, ResourceSpec] = RESOURCES,
    ) -> None:
        self.database = folder / "warehouse" / "invoicing.duckdb"
        self.catalog = catalog
        variables = sandbox.environment() | {
            "INVOICE_API_BACKOFF_FACTOR": "0",
            "INVOICE_START_DATE": (datetime.now(UTC).date() - timedelta(days=2)).isoformat(),
            "DESTINATION__WAREHOUSE__CREDENTIALS": str(self.database),
        }
        for name, value in variables.items():
            environment.setenv(name, value)

    def materialize(
        self, *names: str, partitions: tuple[str, str] | None = None, instance: DagsterInstance | None = None
    ) -> ExecuteInProcessResult:
        """Run the assets of these resources with their checks, or all of them; all partitions, or first to last."""
        settings = Settings.from_env()
        definitions = build_definitions(settings, catalog=self.catalog)
        keys = [AssetKey(["invoicing", name]) for name in names or self.catalog]
        job = definitions.resolve_implicit_global_asset_job_def()
        return job.execute_in_process(
            instance=instance,
            raise_on_error=False,
            run_config=QUIET,
            tags=select_partitions(*partitions) if partitions else select_all_partitions(settings),
            asset_selection=list(AssetSelection.assets(*keys).resolve(definitions.resolve_asset_graph())),
        )

    def run_checks(self, name: str, *, instance: DagsterInstance | None = None) -> list[AssetCheckEvaluation]:
        """Run only the checks of a resource."""
        job = build_definitions(Settings.from_env(), catalog=self.catalog).resolve_implicit_global_asset_job_def()
        result = job.execute_in_process(
            instance=instance, raise_on_error=False, run_config=QUIET, op_selection=[f"check_{name}"]
        )
        return list(result.get_asset_check_evaluations())

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """The rows that a statement gives in the warehouse, where the tables stand in the schema `invoicing`."""
        with duckdb.connect() as connection:
            connection.execute(f"ATTACH '{self.database}' AS warehouse")
            connection.execute("USE warehouse")
            connection.execute("SET TimeZone = 'UTC'")
            return connection.execute(sql).fetchall()

    def read_table(self, name: str) -> list[dict[str, Any]]:
        """Every row of a resource's table, as a mapping from column to value."""
        columns = [row[0] for row in self.query(f"DESCRIBE invoicing.{name}")]
        return [dict(zip(columns, row, strict=True)) for row in self.query(f"FROM invoicing.{name} ORDER BY ALL")]
