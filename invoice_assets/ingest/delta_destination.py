"""dlt's filesystem destination, made for Delta tables that are merged into, read by checks, and marked.

dlt merges what a load brings, but makes no table where there are no rows, fails on a key that comes twice, keeps no
staging dataset, and reads tables by an extension of DuckDB's that has to be downloaded. Here the staged files are the
staging dataset, and DuckDB reads a table as the Arrow dataset that deltalake makes of it. Why so: docs/adr/0020.
https://dlthub.com/docs/dlt-ecosystem/destinations/delta-iceberg
https://delta-io.github.io/delta-rs/
"""

import logging
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import Any, cast

import pyarrow as pa
from deltalake import DeltaTable
from dlt.common.destination import DestinationCapabilitiesContext
from dlt.common.libs.deltalake import deltalake_storage_options, ensure_delta_compatible_arrow_schema, merge_delta_table
from dlt.common.libs.pyarrow import columns_to_arrow, py_arrow_to_table_schema_columns
from dlt.common.schema import Schema, TSchemaTables
from dlt.common.schema.typing import TTableSchema, TTableSchemaColumns
from dlt.destinations import filesystem as filesystem_destination
from dlt.destinations.impl.filesystem.configuration import FilesystemDestinationClientConfiguration
from dlt.destinations.impl.filesystem.filesystem import (
    FilesystemClient,
    ReferenceFollowupJob,
    TableFormatLoadFilesystemJob,
)
from dlt.destinations.impl.filesystem.sql_client import FilesystemSqlClient
from dlt.destinations.sql_client import SqlClientBase
from dlt.pipeline.pipeline import Pipeline
from duckdb import DuckDBPyConnection
from filelock import FileLock, Timeout

from invoice_assets.ingest.locks import LOCK_POLL_S, describe_load, refuse_table
from invoice_assets.ingest.staged_files import MEMORY_MB, StagedFiles, choose_memory_mb, select_rows
from invoice_assets.resource_spec import DELETED_AT, ResourceSpec

ROWS_AT_ONCE = 10_000
"""Rows that are handed to the merge at a time."""

LOCKS = "_locks"
"""The folder beside the datasets in which loads of a local folder meet."""

_log = logging.getLogger(__name__)


class LoadDelta(filesystem_destination):
    """dlt's filesystem destination, whose clients keep Delta tables for one load."""

    __orig_base__ = filesystem_destination
    """Where dlt looks for the defaults of arguments: what has its default is asked of the environment."""

    def __init__(self, *, destination_name: str, folder: Path) -> None:
        """`folder` is for the staged files, for as long as the load lasts."""
        super().__init__(destination_name=destination_name)
        self._staging = Staging(folder)

    @property
    def destination_type(self) -> str:
        """The type by which dlt knows filesystems: its settings apply, and so does its name in what dlt tells."""
        return "dlt.destinations.filesystem"

    @property
    def client_class(self) -> type["LoadClient"]:
        """The client that makes, merges and reads Delta tables."""
        return LoadClient

    def client(self, schema: Schema, initial_config: Any = None) -> "LoadClient":
        """A client for the schema's tables."""
        client = cast(LoadClient, super().client(schema, initial_config or self.spec()))
        client.staging = self._staging
        return client


@dataclass(frozen=True, kw_only=True)
class StagedRows:
    """The rows that a load brings for a table, as SQL for DuckDB, and the memory that reading them takes."""

    statement: str
    memory_mb: int


class Staging:
    """What stands in for the staging dataset for as long as the load lasts: its files, and the rows in them by table.

    The SQL clients of a load have other schemas than the load itself, so that the rows are not derived from those.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.files = StagedFiles(folder)
        self.rows: dict[str, StagedRows] = {}


class LoadClient(FilesystemClient):
    """Makes Delta tables before anything is merged into them, one load at a time, and reads their columns from them."""

    staging: Staging

    def __init__(
        self,
        schema: Schema,
        config: FilesystemDestinationClientConfiguration,
        capabilities: DestinationCapabilitiesContext,
    ) -> None:
        super().__init__(schema, config, capabilities)
        self._storage_options = deltalake_storage_options(config.credentials, config.deltalake_storage_options)

    @property
    def sql_client_class(self) -> type[SqlClientBase[Any]]:
        """The client that reads Delta tables without an extension."""
        return LoadSqlClient

    @property
    def sql_client(self) -> SqlClientBase[Any]:
        """The client that reads this dataset."""
        if not self._sql_client:
            self._sql_client = LoadSqlClient(self, self.dataset_name)
        return self._sql_client

    @sql_client.setter
    def sql_client(self, client: SqlClientBase[Any]) -> None:
        self._sql_client = client

    def initialize_storage(self, *arguments: Any, **named: Any) -> None:
        """Make the dataset where it is missing: one load at a time, for dlt fails where another has just made it."""
        with self._alone():
            super().initialize_storage(*arguments, **named)

    def update_stored_schema(self, *arguments: Any, **named: Any) -> TSchemaTables:
        """Keep the schema, and make the tables that are missing: a load without rows leaves one too."""
        with self._alone():
            update = super().update_stored_schema(*arguments, **named)
            for name in self.schema.data_table_names():
                self._create_table(name)
        return update

    def get_storage_tables(self, table_names: Iterable[str]) -> Iterable[tuple[str, TTableSchemaColumns]]:
        """The columns that each of these tables has in storage; none where there is no such table."""
        for name in table_names:
            table = self.find_table(name)
            yield name, py_arrow_to_table_schema_columns(_arrow_schema(table)) if table else {}

    @staticmethod
    def get_reference_followup_job_class(table: Mapping[str, Any]) -> type[ReferenceFollowupJob] | None:
        """The job that merges all files of a table at once."""
        return MergeJob if table.get("table_format") == "delta" else None

    def find_table(self, name: str) -> DeltaTable | None:
        """The table of that name as it is now; None where there is none."""
        location = self.get_open_table_location("delta", name)
        if not DeltaTable.is_deltatable(location, self._storage_options):
            return None
        return DeltaTable(location, storage_options=self._storage_options)

    def lock(self, name: str = "") -> FileLock | None:
        """The lock of a table, or of the dataset; None where the storage is not a local folder and has no locks."""
        if not self.is_local_filesystem:
            return None
        folder = Path(self.bucket_path) / LOCKS
        folder.mkdir(parents=True, exist_ok=True)
        return FileLock(folder / f"{'.'.join(filter(None, (self.dataset_name, name)))}.lock")

    @contextmanager
    def _alone(self) -> Iterator[None]:
        with self.lock() or nullcontext():
            yield

    def _create_table(self, name: str) -> None:
        columns = self.schema.get_table_columns(name)
        DeltaTable.create(
            self.get_open_table_location("delta", name),
            schema=ensure_delta_compatible_arrow_schema(columns_to_arrow(columns, self.capabilities, "UTC")),
            mode="ignore",
            storage_options=self._storage_options,
            configuration=self.config.deltalake_configuration,
        )


class LoadSqlClient(FilesystemSqlClient):
    """Reads Delta tables as Arrow datasets, and the staging dataset from the files that the load has staged."""

    remote_client: LoadClient

    def __init__(self, remote_client: LoadClient, dataset_name: str) -> None:
        super().__init__(remote_client, dataset_name)
        self.staging_dataset_name = remote_client.config.normalize_staging_dataset_name(remote_client.schema)

    def open_connection(self) -> DuckDBPyConnection:
        """A connection that works within the memory of a load, and finds what is staged."""
        connection = super().open_connection()
        staging = self.remote_client.staging
        memory_mb = max((rows.memory_mb for rows in staging.rows.values()), default=MEMORY_MB)
        connection.execute(f"SET GLOBAL temp_directory = {self.capabilities.escape_literal(str(staging.folder))}")
        connection.execute(f"SET GLOBAL memory_limit = '{memory_mb}MB'")
        connection.execute("SET GLOBAL threads = 1")
        connection.execute("SET GLOBAL TimeZone = 'UTC'")
        with self.with_staging_dataset():
            connection.execute(f"CREATE SCHEMA IF NOT EXISTS {self.fully_qualified_dataset_name()}")
            for name, rows in staging.rows.items():
                connection.execute(f"CREATE OR REPLACE VIEW {self.make_qualified_table_name(name)} AS {rows.statement}")
        return connection

    def has_dataset(self) -> bool:
        """Whether there is such a folder of tables."""
        return self.remote_client.is_storage_initialized()

    def create_dataset(self) -> None:
        """Make the folder."""
        self.remote_client.initialize_storage()

    def drop_dataset(self) -> None:
        """Remove the folder with all of its tables."""
        self.remote_client.drop_storage()

    def create_views_for_tables(self, tables: dict[str, str]) -> None:
        """Make the views that a statement asks for: of dlt's own tables as dlt does, of all others as they are now."""
        super().create_views_for_tables({name: view for name, view in tables.items() if self._is_dlt_table(name)})
        for name in tables:
            table = None if self._is_dlt_table(name) else self.remote_client.find_table(name)
            if table:
                files = self.escape_column_name(f"files of {name}")
                self.native_connection.register(files.strip('"'), table.to_pyarrow_dataset())
                view = self.make_qualified_table_name(name)
                self.native_connection.execute(f"CREATE OR REPLACE VIEW {view} AS SELECT * FROM {files}")

    def mark_deleted(self, spec: ResourceSpec, keys: Iterable[str], *, deleted_at: datetime) -> None:
        """Mark the live rows with these keys as deleted, in one commit."""
        table = self.remote_client.find_table(spec.name)
        gone = pa.table({spec.primary_key: pa.array(sorted(keys), pa.string())})
        if table and gone.num_rows:
            marks = gone.append_column(DELETED_AT, pa.array([deleted_at] * gone.num_rows, pa.timestamp("us", "UTC")))
            is_same = f"target.{spec.primary_key} = source.{spec.primary_key}"
            table.merge(
                marks, f"{is_same} AND target.{DELETED_AT} IS NULL", source_alias="source", target_alias="target"
            ).when_matched_update({DELETED_AT: f"source.{DELETED_AT}"}).execute()

    def find_last_change(self, spec: ResourceSpec) -> datetime | None:
        """The end of the millisecond in which the last commit was made, since Delta keeps no more; None without one."""
        table = self.remote_client.find_table(spec.name)
        if table is None:
            return None
        (commit,) = table.history(1)
        return datetime.fromtimestamp((commit["timestamp"] + 1) / 1000, UTC)

    def _is_dlt_table(self, name: str) -> bool:
        return self.remote_client.is_dlt_table(name)


class MergeJob(TableFormatLoadFilesystemJob):
    """Merges the files of a load into its Delta table in one commit: one row for each key, with all of its columns."""

    _job_client: LoadClient

    def run(self) -> None:
        """Merge them; once more changes nothing."""
        client, load_table = self._job_client, cast(TTableSchema, self._load_table)
        table = cast(DeltaTable, client.find_table(self.load_table_name))
        with cast(LoadSqlClient, client.sql_client) as sql:
            rows = self._stage(sql, load_table)
            with sql.execute_query(rows.statement) as cursor:
                arrived = cursor.iter_arrow(ROWS_AT_ONCE)
                first = next(arrived, None)
                if first is not None:
                    merge_delta_table(
                        table,
                        _fill(chain([first], arrived), table, schema=first.schema),
                        schema=load_table,
                        load_table_name=self.load_table_name,
                        streamed_exec=client.config.deltalake_streamed_exec,
                    )

    def _stage(self, sql: LoadSqlClient, load_table: TTableSchema) -> StagedRows:
        """Keep the files: what is gone from the source is found by comparing with them, after dlt has moved its own."""
        staging = self._job_client.staging
        files = [staging.files.add(self.load_table_name, path) for path in self.file_paths][-1]
        memory_mb = choose_memory_mb(files)
        sql.execute_sql(f"SET GLOBAL memory_limit = '{memory_mb}MB'")
        rows = StagedRows(statement=select_rows(sql, load_table, files), memory_mb=memory_mb)
        staging.rows[self.load_table_name] = rows
        return rows


@contextmanager
def hold_table(pipeline: Pipeline, spec: ResourceSpec, *, patience_s: float) -> Iterator[None]:
    """A context in which nobody else loads the resource's table; another load is waited for up to `patience_s` seconds.

    Storage that is no local folder has no locks: there Dagster's pools are all that keeps loads apart.

    Raises:
        WarehouseLockedError: Another load held the table for longer than that; the message says which.
    """
    with pipeline.destination_client() as client:
        lock = cast(LoadClient, client).lock(spec.name)
    if lock is None:
        yield
        return
    holder = Path(lock.lock_file).with_suffix(".holder")
    table = f"{pipeline.dataset_name}.{spec.name}"
    try:
        lock.acquire(timeout=0)
    except Timeout:
        _log.warning("waiting for %s, in use by the %s", table, _read_holder(holder))
        _wait(lock, holder, table=table, patience_s=patience_s)
    try:
        holder.write_text(describe_load(spec))
        yield
    finally:
        lock.release()


def _wait(lock: FileLock, holder: Path, *, table: str, patience_s: float) -> None:
    try:
        lock.acquire(timeout=patience_s, poll_interval=LOCK_POLL_S)
    except Timeout:
        raise refuse_table(table, holder=_read_holder(holder), patience_s=patience_s) from None


def _read_holder(holder: Path) -> str:
    return holder.read_text() if holder.exists() else "load that has just begun"


def _arrow_schema(table: DeltaTable) -> pa.Schema:
    return pa.schema(table.schema().to_arrow())


def _fill(rows: Iterable[pa.Table], table: DeltaTable, *, schema: pa.Schema) -> pa.RecordBatchReader:
    """The rows with every column of the table: NULL where the load has none of that name, as other destinations do it.

    A merge leaves a column alone that its rows do not have, and an old value would stay.
    """
    lacking = [field for field in _arrow_schema(table) if field.name not in schema.names]
    whole = pa.schema([*schema, *lacking])
    batches = (
        pa.record_batch([*batch.columns, *(pa.nulls(len(batch), field.type) for field in lacking)], schema=whole)
        for some in rows
        for batch in some.to_batches()
    )
    return pa.RecordBatchReader.from_batches(whole, batches)
