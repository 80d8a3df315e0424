"""dlt's DuckDB destination, made for one load over one connection: configured once, nothing written twice.

Who opens the file and waits for it lives in `warehouse.py`. Why dlt's own is not enough, and what each part buys:
docs/performance.md. https://dlthub.com/docs/dlt-ecosystem/destinations/duckdb
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

from dlt.common.destination import DestinationCapabilitiesContext
from dlt.common.destination.client import (
    FollowupJobRequest,
    HasFollowupJobs,
    LoadJob,
    RunnableLoadJob,
)
from dlt.common.destination.typing import PreparedTableSchema
from dlt.common.normalizers.naming import NamingConvention
from dlt.common.schema import Schema
from dlt.common.schema.typing import TTableSchema
from dlt.destinations import duckdb as duckdb_destination
from dlt.destinations.impl.duckdb.configuration import (
    ConnStatement,
    DuckDbBaseCredentials,
    DuckDbClientConfiguration,
    DuckDbConnectionPool,
    DuckDbCredentials,
)
from dlt.destinations.impl.duckdb.duck import DuckDbClient
from dlt.destinations.impl.duckdb.sql_client import DuckDbSqlClient
from duckdb import DuckDBPyConnection

from invoice_assets.ingest.staged_files import StagedFiles, choose_memory_mb, select_rows

CATALOG = "warehouse"
"""The name under which the file is attached."""

STAGING_CATALOG = "memory"
"""The connection's own database, gone when it closes: dlt's staging dataset lives there."""

DEDUPLICATED = "x-stage-data-deduplicated"
"""dlt's hint that a merge need not look for repeated keys."""

CHECKPOINT_THRESHOLD = "16mb"
"""DuckDB's default. dlt asks for 1 GB, so that everything is written to the log first and to its table on closing."""


class LoadDuckDb(duckdb_destination):
    """dlt's DuckDB destination for one load: it resolves its configuration once and stages files as views.

    A load asks its destination for configuration and capabilities some thirty times each, and dlt resolves them anew
    from every source of configuration there is: a third of what a small load costs.
    """

    def __init__(self, credentials: DuckDbCredentials, *, folder: Path) -> None:
        """`folder` is for the staged files, for as long as the load lasts."""
        super().__init__(credentials)
        self._configurations: dict[Any, DuckDbClientConfiguration] = {}
        self._capabilities: dict[str | None, DestinationCapabilitiesContext] = {}
        self._staged = StagedFiles(folder)

    @property
    def destination_type(self) -> str:
        """The type by which dlt knows DuckDB: its settings apply, and so does its name in what dlt tells."""
        return "dlt.destinations.duckdb"

    @property
    def client_class(self) -> type["LoadClient"]:
        """The client that stages files as views."""
        return LoadClient

    def configuration(
        self, initial_config: DuckDbClientConfiguration, accept_partial: bool = False
    ) -> DuckDbClientConfiguration:
        """The configuration for a dataset, the same object each time."""
        if initial_config.is_resolved():
            return initial_config
        asked = (initial_config.dataset_name, initial_config.default_schema_name, accept_partial)
        if asked not in self._configurations:
            self._configurations[asked] = super().configuration(initial_config, accept_partial)
        return self._configurations[asked]

    def capabilities(
        self, config: DuckDbClientConfiguration | None = None, naming: NamingConvention | None = None
    ) -> DestinationCapabilitiesContext:
        """The capabilities with a naming convention: a copy each time, for dlt adapts what it gets."""
        asked = naming.name() if naming else None
        if asked not in self._capabilities:
            # They follow from the naming alone; without a configuration dlt would resolve one, to no purpose.
            self._capabilities[asked] = super().capabilities(config or self.spec(), naming)
        return self._capabilities[asked].copy()

    def client(self, schema: Schema, initial_config: DuckDbClientConfiguration | None = None) -> "LoadClient":
        """A client for the schema's tables."""
        client = cast(LoadClient, super().client(schema, initial_config or self.spec()))
        client.staged = self._staged
        return client


class LoadSqlClient(DuckDbSqlClient):
    """Works in the attached file, but for the staging dataset, which it keeps in the connection's own database."""

    def __init__(
        self,
        dataset_name: str,
        staging_dataset_name: str,
        credentials: DuckDbBaseCredentials,
        capabilities: DestinationCapabilitiesContext,
    ) -> None:
        super().__init__(dataset_name, staging_dataset_name, credentials, capabilities)
        self._global_config["checkpoint_threshold"] = CHECKPOINT_THRESHOLD
        self._staging = capabilities.escape_identifier(staging_dataset_name)
        _pool(credentials).add_statements(
            [ConnStatement(f"CREATE SCHEMA IF NOT EXISTS {STAGING_CATALOG}.{self._staging}")]
        )

    def open_connection(self) -> DuckDBPyConnection:
        """A connection that finds the staging dataset in its own database, and all others in the file."""
        self._conn = _pool(self.credentials).borrow_conn(
            global_config=self._global_config,
            local_config={"search_path": f"{CATALOG}.main,{STAGING_CATALOG}.{self._staging}"},
        )
        return self._conn

    def _get_information_schema_components(self, *tables: str) -> tuple[str, str, list[str]]:
        """Where to look for tables: a schema of the file that is called like the staging dataset is somebody else's."""
        _, schema, names = super()._get_information_schema_components(*tables)
        return STAGING_CATALOG if self.is_staging_dataset_active else CATALOG, schema, names


class LoadClient(DuckDbClient):
    """Stages load files as views instead of copying them into tables."""

    staged: StagedFiles

    def __init__(
        self, schema: Schema, config: DuckDbClientConfiguration, capabilities: DestinationCapabilitiesContext
    ) -> None:
        super().__init__(schema, config, capabilities)
        own = self.sql_client
        self.sql_client = LoadSqlClient(own.dataset_name, own.staging_dataset_name, own.credentials, capabilities)

    def create_load_job(
        self, table: PreparedTableSchema, file_path: str, load_id: str, restore: bool = False
    ) -> LoadJob:
        """A job for the file: a view where it is a file of rows to merge."""
        if file_path.endswith(".parquet") and self.should_load_data_to_staging_dataset(str(table["name"])):
            return StagingViewJob(file_path)
        return super().create_load_job(table, file_path, load_id, restore)

    def _create_merge_followup_jobs(self, table_chain: Sequence[PreparedTableSchema]) -> list[FollowupJobRequest]:
        """The merge of what is staged, which has one row for each key already."""
        deduplicated = [cast(PreparedTableSchema, {**table, DEDUPLICATED: True}) for table in table_chain]
        return super()._create_merge_followup_jobs(deduplicated)


class StagingViewJob(RunnableLoadJob, HasFollowupJobs):
    """Makes the staging table a view of its load files, one row for each primary key."""

    _job_client: LoadClient

    def run(self) -> None:
        """Create the view anew, over the files so far."""
        client = self._job_client.sql_client
        name = client.make_qualified_table_name(self.load_table_name)
        with self._job_client.staged.lock:
            files = self._job_client.staged.add(self.load_table_name, self._file_path)
            if self._is_still_a_table():
                client.execute_sql(f"DROP TABLE {name}")
            client.execute_sql(f"SET GLOBAL memory_limit = '{choose_memory_mb(files)}MB'")
            rows = select_rows(client, cast(TTableSchema, self._load_table), files)
            client.execute_sql(f"CREATE OR REPLACE VIEW {name} AS {rows}")

    def _is_still_a_table(self) -> bool:
        """Whether dlt's own staging table is there, and no view yet."""
        found = self._job_client.sql_client.execute_sql(
            "SELECT 1 FROM duckdb_tables() WHERE database_name = %s AND table_name = %s",
            STAGING_CATALOG,
            self.load_table_name,
        )
        return bool(found)


def _pool(credentials: DuckDbBaseCredentials) -> DuckDbConnectionPool:
    """The pool that credentials have as soon as they are resolved."""
    return cast(DuckDbConnectionPool, credentials.conn_pool)
