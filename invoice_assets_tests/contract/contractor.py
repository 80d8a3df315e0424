"""`Contractor`: a project on any warehouse, whose tables are read back as dlt's SQL client gives them."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any, cast

import pytest
from dagster import ExecuteInProcessResult
from dlt.common.destination.client import WithStagingDataset
from dlt.destinations.exceptions import DatabaseUndefinedRelation
from dlt.destinations.job_client_impl import SqlJobClientBase
from dlt.pipeline.pipeline import Pipeline

from invoice_assets.api.envelope import Row
from invoice_assets.defs.resources import WarehouseResource
from invoice_assets.destinations import DestinationSpec
from invoice_assets.ingest.source import build_load_source
from invoice_assets.ingest.tables import StoredTable, open_tables
from invoice_assets.ingest.typing import build_table
from invoice_assets.resource_spec import ResourceSpec
from invoice_assets.settings import Settings
from invoice_assets_tests.equality import compare_rows, key_rows
from invoice_assets_tests.project import Project
from invoice_assets_tests.runs import failures_of
from invoice_assets_tests.sandbox.server import Sandbox
from invoice_assets_tests.warehouses import Warehouse


class Contractor:
    """A project that loads what `sandbox` serves into a dataset of its own."""

    def __init__(
        self, sandbox: Sandbox, folder: Path, environment: pytest.MonkeyPatch, *, warehouse: Warehouse
    ) -> None:
        self.sandbox = sandbox
        self.project = Project(sandbox, folder, environment, warehouse=warehouse)

    @property
    def resource(self) -> WarehouseResource:
        """The warehouse as the environment configures it."""
        return WarehouseResource.from_settings(Settings.from_env())

    @property
    def destination(self) -> DestinationSpec:
        """What suits the warehouse."""
        return self.resource.destination

    def materialize(self, *names: str, partitions: tuple[str, str] | None = None) -> ExecuteInProcessResult:
        """Run the assets of these resources with their checks; nothing may fail."""
        result = self.project.materialize(*names, partitions=partitions)
        assert failures_of(result) == {}
        return result

    def load(self, spec: ResourceSpec, *batches: list[Row], new_columns: tuple[str, ...] = ()) -> None:
        """Load rows as a run does once it has read them, each batch in an Arrow table of its own."""
        tables = iter([build_table(spec, rows, new_columns=new_columns) for rows in batches])
        with self.resource.open_load(spec) as pipeline:
            pipeline.run(
                build_load_source(spec, tables, destination=self.destination),
                loader_file_format=self.destination.file_format,
            )

    @contextmanager
    def open_pipeline(self, spec: ResourceSpec) -> Iterator[Pipeline]:
        """The resource's pipeline, as a check opens it."""
        with self.resource.open_pipeline(spec) as pipeline:
            yield pipeline

    @contextmanager
    def open_table(self, spec: ResourceSpec) -> Iterator[StoredTable]:
        """The resource's table."""
        with self.open_pipeline(spec) as pipeline, open_tables(pipeline, spec) as (table,):
            assert table is not None, f"there is no table {spec.name}"
            yield table

    def read(self, spec: ResourceSpec) -> dict[str, dict[str, Any]]:
        """The rows of the resource's table by key; JSON is text."""
        with self.open_table(spec) as table:
            as_text = {name for name, kind in table.types.items() if kind == "json" and self.destination.has_json}
            values = [
                table.dialect.as_text.format(table.quote(name)) if name in as_text else table.quote(name)
                for name in table.types
            ]
            rows = table.query(f"SELECT {', '.join(values)} FROM {table.name}")
            return key_rows((dict(zip(table.types, row, strict=True)) for row in rows), spec)

    def compare(self, spec: ResourceSpec) -> Mapping[str, object]:
        """What sets the live rows of the table apart from the source, by key."""
        return compare_rows(self.read(spec), key_rows(self.sandbox.rows(spec.name), spec), spec)

    def drop_dataset(self) -> None:
        """Leave nothing behind."""
        spec = next(iter(self.project.catalog.values()))
        with self.open_pipeline(spec) as pipeline, pipeline.destination_client() as client:
            storage = cast(SqlJobClientBase, client)
            for dataset in (nullcontext(), cast(WithStagingDataset, client).with_staging_dataset()):
                with dataset, suppress(DatabaseUndefinedRelation):
                    if storage.is_storage_initialized():
                        storage.drop_storage()
