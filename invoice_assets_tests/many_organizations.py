"""Several organisations in one deployment, for tests: each at an API of its own, all in one warehouse.

The file that names them is written in `organizations_file.py`.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from dagster import AssetKey, AssetSelection, DagsterInstance, ExecuteInProcessResult

from invoice_assets.catalog import RESOURCES
from invoice_assets.definitions import build_definitions
from invoice_assets.settings import Settings
from invoice_assets_tests.organizations_file import describe_organizations
from invoice_assets_tests.postgres import Postgres
from invoice_assets_tests.runs import QUIET, select_all_partitions
from invoice_assets_tests.sandbox.server import Sandbox
from invoice_assets_tests.warehouses import query_duckdb

ZONES = {"acme": "Europe/Berlin", "globex": "America/New_York"}
"""The organisations by their slugs, with their time zones."""


class Deployment:
    """Two organisations at two APIs, their credentials in variables of their own."""

    def __init__(
        self,
        sandboxes: dict[str, Sandbox],
        folder: Path,
        environment: pytest.MonkeyPatch,
        *,
        instance: DagsterInstance,
        postgres_url: str | None = None,
    ) -> None:
        self.sandboxes = sandboxes
        self.database = folder / "invoicing.duckdb"
        self._postgres_url = postgres_url
        self._instance = instance
        variables = describe_organizations(sandboxes, folder / "organizations.toml", zones=ZONES) | {
            "INVOICE_SHARED_STATE": str(folder / "state"),
            "INVOICE_START_DATE": (datetime.now(UTC).date() - timedelta(days=2)).isoformat(),
            "INVOICE_STEP_RETRIES": "0",
            "INVOICE_API_BACKOFF_FACTOR": "0",
            "INVOICE_API_REQUESTS_PER_MINUTE": "0",
        }
        for name, value in variables.items():
            environment.setenv(name, value)
        environment.setenv("DESTINATION__WAREHOUSE__DESTINATION_TYPE", "postgres" if postgres_url else "duckdb")
        environment.setenv("DESTINATION__WAREHOUSE__CREDENTIALS", postgres_url or str(self.database))

    def materialize(self, slug: str, *names: str) -> ExecuteInProcessResult:
        """Load resources of an organisation."""
        settings = Settings.from_env()
        definitions = build_definitions(settings)
        keys = [AssetKey(["invoicing", slug, name]) for name in names]
        return definitions.resolve_implicit_global_asset_job_def().execute_in_process(
            instance=self._instance,
            raise_on_error=False,
            run_config=QUIET,
            tags=select_all_partitions(settings),
            asset_selection=list(AssetSelection.assets(*keys).resolve(definitions.resolve_asset_graph())),
        )

    def count_differences(self, slug: str, name: str) -> int:
        """Keys that only the table has, or only the source."""
        key = RESOURCES[name].primary_key
        stored = self.query(f"SELECT {key} FROM invoicing_{slug}.{name}")
        return len({row[0] for row in stored} ^ {str(row[key]) for row in self.sandboxes[slug].rows(name)})

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """The rows that a statement gives in the warehouse."""
        if self._postgres_url:
            return Postgres.execute(sql, url=self._postgres_url)
        return query_duckdb(sql, database=self.database)
