"""The destination: an embedded DuckDB file by default, or whatever dlt's named destination `warehouse` says.

What is loaded into it lives in `pipeline.py`. https://dlthub.com/docs/general-usage/destination
"""

import logging
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dlt
from dlt.common.destination import Destination
from dlt.destinations.impl.duckdb.configuration import DuckDbCredentials
from dlt.pipeline.pipeline import Pipeline
from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_delay, wait_fixed

from invoice_assets.destinations import DestinationSpec
from invoice_assets.ingest.file_modes import for_the_owner_alone
from invoice_assets.ingest.locks import LOCK_POLL_S
from invoice_assets.ingest.warehouse_errors import WarehouseLockedError, WarehouseUnusableError, explain
from invoice_assets.ingest.working_folder import open_working_folder
from invoice_assets.resource_spec import ResourceSpec

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

NAMED_DESTINATION = "warehouse"

_LOCK_HOLDER = re.compile(r"Conflicting lock is held in (?P<program>.+?) \(PID (?P<pid>\d+)\)")
_HELD_BY_THIS_PROCESS = "Unique file handle conflict"
_log = logging.getLogger(__name__)


@contextmanager
def open_destination(
    destination: DestinationSpec, *, database: str, patience_s: float
) -> Iterator[Destination[Any, Any]]:
    """The destination, for as long as the context is open.

    A DuckDB file takes one writing process: it is opened here once, waited for up to `patience_s` seconds, and held
    until the context closes. Other destinations are configured by dlt and opened by it when needed.

    Raises:
        WarehouseLockedError: Another process held the file for longer than that; the message says which.
        PermanentError: The file cannot be opened at all.
    """
    opening: AbstractContextManager[Destination[Any, Any]]
    match destination.name:
        case "duckdb":
            opening = _open_duckdb(Path(database), patience_s=patience_s)
        case "delta":
            opening = _open_delta()
        case name:
            opening = nullcontext(_name_destination(name))
    with opening as opened, for_the_owner_alone():
        yield opened


@contextmanager
def _open_duckdb(path: Path, *, patience_s: float) -> Iterator[Destination[Any, Any]]:
    from invoice_assets.ingest.duckdb_destination import LoadDuckDb

    with (
        closing(attach_duckdb(path, patience_s=patience_s)) as connection,
        open_working_folder("staged") as folder,
    ):
        yield LoadDuckDb(DuckDbCredentials(connection), folder=folder)


@contextmanager
def _open_delta() -> Iterator[Destination[Any, Any]]:
    from invoice_assets.ingest.delta_destination import LoadDelta

    with open_working_folder("staged") as folder:
        yield LoadDelta(destination_name=NAMED_DESTINATION, folder=folder)


def _name_destination(name: str) -> Destination[Any, Any]:
    """A destination that dlt configures by the name under which the environment describes it."""
    if name != "postgres":
        return dlt.destination(NAMED_DESTINATION)
    from invoice_assets.ingest.postgres_destination import LoadPostgres

    return LoadPostgres(destination_name=NAMED_DESTINATION)


def hold_table(
    destination: DestinationSpec, pipeline: Pipeline, spec: ResourceSpec, *, patience_s: float
) -> AbstractContextManager[None]:
    """A context in which nobody else loads the table, as far as the destination has a lock of it to take.

    Raises:
        WarehouseLockedError: Another load held the table for longer than that; the message says which.
    """
    match destination.name:
        case "postgres":
            from invoice_assets.ingest import postgres_destination

            return postgres_destination.hold_table(pipeline, spec, patience_s=patience_s)
        case "delta":
            from invoice_assets.ingest import delta_destination

            return delta_destination.hold_table(pipeline, spec, patience_s=patience_s)
    return nullcontext()


def attach_duckdb(path: Path, *, patience_s: float) -> "DuckDBPyConnection":
    """A connection with the file attached as `CATALOG`; the file and its folder are created where they do not exist.

    A plain connection would name the catalog after the file, and `invoicing.invoices` in `invoicing.duckdb` could then
    mean a table of the catalog or of the schema: DuckDB refuses to guess.
    """
    import duckdb

    from invoice_assets.ingest.duckdb_destination import CATALOG
    from invoice_assets.ingest.staged_files import MEMORY_MB

    _make_folder(path.parent)
    retrying = Retrying(
        retry=retry_if_exception(lambda error: _find_holder(error) is not None),
        wait=wait_fixed(LOCK_POLL_S),
        stop=stop_after_delay(patience_s),
        before_sleep=_say_once_who_is_waited_for(path),
        reraise=True,
    )
    spill_folder = path.with_name(f"{path.name}.tmp")
    connection = duckdb.connect(
        config={"threads": 1, "memory_limit": f"{MEMORY_MB}MB", "temp_directory": str(spill_folder)}
    )
    quoted_path = "'" + str(path).replace("'", "''") + "'"
    try:
        retrying(for_the_owner_alone()(connection.execute), f"ATTACH {quoted_path} AS {CATALOG}")
    except duckdb.Error as error:
        connection.close()
        if holder := _find_holder(error):
            raise WarehouseLockedError(
                f"{path} is in use by {holder}, which did not let go within {patience_s:g} s. While a load writes, "
                "DuckDB lets nobody else have the file open, not even to read: close that one or wait for it, then run "
                "again."
            ) from error
        raise explain([error], place=str(path)) or WarehouseUnusableError(
            f"{path} cannot be opened: {str(error).splitlines()[0]}. Check DESTINATION__WAREHOUSE__CREDENTIALS."
        ) from error
    # Whoever has the file has this folder: what is in it now was left by a process that was killed.
    shutil.rmtree(spill_folder, ignore_errors=True)
    return connection


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise explain([error]) or WarehouseUnusableError(
            f"the folder {folder} cannot be made ({error.strerror}). Set DESTINATION__WAREHOUSE__CREDENTIALS to a file "
            "whose folder is there or can be made, then run again."
        ) from error


def _find_holder(error: BaseException | None) -> str | None:
    if _HELD_BY_THIS_PROCESS in str(error):
        return "another load of this process"
    found = _LOCK_HOLDER.search(str(error))
    return f"{found['program']} (PID {found['pid']})" if found else None


def _say_once_who_is_waited_for(path: Path) -> Callable[[RetryCallState], None]:
    def say(state: RetryCallState) -> None:
        if state.attempt_number == 1 and state.outcome:
            _log.warning("waiting for %s, in use by %s", path, _find_holder(state.outcome.exception()))

    return say
