"""dlt's PostgreSQL destination, made for loads side by side: one load of a table at a time, one change of tables.

And for texts that are empty: they stay so.

Dagster's pools (`defs/pools.py`) keep loads of one table apart as well, but only in the runs of one instance, and only
where it limits them. Advisory locks do for everybody who loads, and end with the connection that took them.
https://dlthub.com/docs/dlt-ecosystem/destinations/postgres
https://www.postgresql.org/docs/current/explicit-locking.html#ADVISORY-LOCKS
"""

import csv
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from typing import Any

from dlt.common.destination import DestinationCapabilitiesContext
from dlt.common.destination.client import HasFollowupJobs, LoadJob, RunnableLoadJob
from dlt.common.destination.typing import PreparedTableSchema
from dlt.common.schema import Schema
from dlt.common.schema.typing import TSchemaTables
from dlt.common.storages.file_storage import FileStorage
from dlt.common.storages.load_package import ParsedLoadJobFileName
from dlt.destinations import postgres as postgres_destination
from dlt.destinations.impl.postgres.configuration import PostgresClientConfiguration
from dlt.destinations.impl.postgres.postgres import PostgresClient
from dlt.destinations.sql_client import SqlClientBase
from dlt.pipeline.pipeline import Pipeline
from tenacity import RetryError, Retrying, retry_if_result, stop_after_delay, wait_fixed

from invoice_assets.ingest.locks import LOCK_POLL_S, describe_load, refuse_table
from invoice_assets.resource_spec import ResourceSpec

_CHANGE_OF_TABLES = "change of tables"
_HOLDER = """
    SELECT application_name FROM pg_locks JOIN pg_stat_activity USING (pid)
    WHERE locktype = 'advisory' AND granted AND classid = %s AND objid = %s
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""
_log = logging.getLogger(__name__)


class LoadPostgres(postgres_destination):
    """dlt's PostgreSQL destination, whose clients change tables one at a time."""

    @property
    def destination_type(self) -> str:
        """The type by which dlt knows PostgreSQL: its settings apply, and so does its name in what dlt tells."""
        return "dlt.destinations.postgres"

    @property
    def client_class(self) -> type["LoadClient"]:
        """The client that waits for others."""
        return LoadClient


class LoadClient(PostgresClient):
    """Makes schemas and tables while no other load of the database does.

    dlt's own tables are the same for all loads. Two that make them at the same time, as the first loads into an empty
    dataset do, fail on a duplicate key of PostgreSQL's catalog, `IF NOT EXISTS` or not.
    """

    def __init__(
        self, schema: Schema, config: PostgresClientConfiguration, capabilities: DestinationCapabilitiesContext
    ) -> None:
        super().__init__(schema, config, capabilities)
        self._locks = PostgresClient(schema, config, capabilities).sql_client

    def initialize_storage(self, *arguments: Any, **named: Any) -> None:
        """Make the dataset where it is missing, or empty tables."""
        with self._alone():
            super().initialize_storage(*arguments, **named)

    def update_stored_schema(self, *arguments: Any, **named: Any) -> TSchemaTables | None:
        """Bring the tables into line with the schema."""
        with self._alone():
            return super().update_stored_schema(*arguments, **named)

    def create_load_job(
        self, table: PreparedTableSchema, file_path: str, load_id: str, restore: bool = False
    ) -> LoadJob:
        """A job for the file: a copy that tells an empty text from none where it is a file of rows."""
        if ParsedLoadJobFileName.parse(file_path).file_format == "csv":
            return CopyJob(file_path)
        return super().create_load_job(table, file_path, load_id, restore)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Hold the lock by a connection of its own: dlt resets one after a failed statement, which frees its locks."""
        with self._locks as holder:
            _ask(holder, "SELECT pg_advisory_lock(%s, %s)", *_number_lock(_CHANGE_OF_TABLES))
            yield


class CopyJob(RunnableLoadJob, HasFollowupJobs):
    """Copies a CSV file with a header into its table: "" in quotes is an empty text, nothing at all is NULL.

    dlt's own reads either as NULL.
    """

    _job_client: LoadClient

    def run(self) -> None:
        """Copy it, in one transaction."""
        client = self._job_client.sql_client
        with FileStorage.open_zipsafe_ro(self._file_path, "rb") as file:
            (names,) = csv.reader([file.readline().decode()])
            columns = ", ".join(map(client.escape_column_name, names))
            table = client.make_qualified_table_name(self.load_table_name)
            with client.begin_transaction(), client.native_connection.cursor() as cursor:
                cursor.copy_expert(f"COPY {table} ({columns}) FROM STDIN WITH (FORMAT CSV, ENCODING 'UTF8')", file)


@contextmanager
def hold_table(pipeline: Pipeline, spec: ResourceSpec, *, patience_s: float) -> Iterator[None]:
    """A context in which nobody else loads the resource's table; another load is waited for up to `patience_s` seconds.

    Two merges into one table at the same time lose rows, for they share a staging table; and what was read first must
    not land last.

    Raises:
        WarehouseLockedError: Another load held the table for longer than that; the message says which.
    """
    with pipeline.sql_client() as client:
        _ask(client, "SELECT set_config('application_name', %s, false)", describe_load(spec))
        table = client.make_qualified_table_name(spec.name)
        lock = _number_lock(table)
        if not _try(client, lock):
            _log.warning("waiting for %s, in use by the %s", table, _find_holder(client, lock))
            _wait(client, lock, table=table, patience_s=patience_s)
        yield


def _wait(client: SqlClientBase[Any], lock: tuple[int, int], *, table: str, patience_s: float) -> None:
    retrying = Retrying(
        retry=retry_if_result(lambda is_taken: not is_taken),
        wait=wait_fixed(LOCK_POLL_S),
        stop=stop_after_delay(patience_s),
    )
    try:
        retrying(_try, client, lock)
    except RetryError:
        raise refuse_table(table, holder=_find_holder(client, lock), patience_s=patience_s) from None


def _try(client: SqlClientBase[Any], lock: tuple[int, int]) -> bool:
    return bool(_ask(client, "SELECT pg_try_advisory_lock(%s, %s)", *lock))


def _find_holder(client: SqlClientBase[Any], lock: tuple[int, int]) -> object:
    return _ask(client, _HOLDER, *lock) or "load that has just ended"


def _ask(client: SqlClientBase[Any], sql: str, *arguments: object) -> object:
    """The one value that a statement gives, None where it gives none."""
    rows = client.execute_sql(sql, *arguments)
    return rows[0][0] if rows else None


def _number_lock(name: str) -> tuple[int, int]:
    """The two numbers of an advisory lock: this project's, and the name's. 31 bits, so that no sign is in the way."""
    project, own = (sha256(text.encode()).digest()[:4] for text in ("invoice_assets", name))
    return int.from_bytes(project, "big") >> 1, int.from_bytes(own, "big") >> 1
