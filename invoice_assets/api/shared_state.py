"""Where the processes of one deployment meet: a folder of this machine, or a PostgreSQL database of a cluster.

What they share there lives with what it is about: tokens in `token_store.py`, the quota in `pacing.py`. Only rows
outlive a process; its locks are the operating system's or its database connection's, and end with it (docs/adr/0014).
"""

import os
import sqlite3
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from hashlib import sha256
from pathlib import Path

from filelock import FileLock, Timeout
from pyrate_limiter import AbstractBucket, PostgresBucket, Rate, SQLiteBucket
from sqlalchemy import Connection, Engine, MetaData, NullPool, create_engine, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, OperationalError

from invoice_assets.api.errors import ConfigurationError
from invoice_assets.errors import TransientError

VARIABLE = "INVOICE_SHARED_STATE"
LOCK_PATIENCE_S = 300.0
"""How long a process waits for what another has to itself: longer than a token request with all of its retries."""

SLOT_POLL_S = 0.02
_OWNER_ONLY_FILE, _OWNER_ONLY_FOLDER = 0o600, 0o700


class SharedStateUnavailableError(TransientError):
    """What the processes share cannot be reached, or another has kept it to itself for longer than anything takes."""


class SharedTables(ABC):
    """Tables that all processes read, and that one user at a time changes."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def connect(self) -> AbstractContextManager[Connection]:
        """A connection to read with, in autocommit; what it reads may change at any moment."""
        return self._engine.connect()

    @abstractmethod
    def exclusive(self) -> AbstractContextManager[Connection]:
        """A connection for one user at a time, of all threads and processes; others may read meanwhile.

        Raises:
            SharedStateUnavailableError: Somebody else has had it for `LOCK_PATIENCE_S`.
        """


class SharedState(ABC):
    """What the processes of a deployment know and hold together."""

    @abstractmethod
    def open_tables(self, name: str, tables: MetaData) -> SharedTables:
        """These tables, made where they are missing; each name has its own exclusive use."""

    @abstractmethod
    def open_bucket(self, name: str, rate: Rate) -> AbstractBucket:
        """The permits of that name, whoever took them."""

    def close(self) -> None:
        """Let go of every connection."""
        return

    @contextmanager
    def slot(self, name: str, count: int) -> Iterator[None]:
        """One of `count` slots of that name, waited for, and given back when the context closes or the process dies."""
        while True:
            for number in range(count):
                with self._try_slot(name, number) as is_taken:
                    if is_taken:
                        yield
                        return
            time.sleep(SLOT_POLL_S)

    @abstractmethod
    def _try_slot(self, name: str, number: int) -> AbstractContextManager[bool]:
        """Whether the slot is held for as long as the context is open, or somebody else has it."""


def open_shared_state(location: str) -> SharedState:
    """The state at a folder's path, or behind a `postgresql://` URL.

    Raises:
        ConfigurationError: It is neither, or cannot be used.
    """
    if "://" not in location:
        return FolderState(Path(location))
    if not location.startswith("postgresql"):
        raise ConfigurationError(f"{VARIABLE} is no folder and no postgresql:// address: set it to one of the two.")
    return DatabaseState(location)


class FolderState(SharedState):
    """A folder that only its owner may look into: SQLite files, and files to lock. For one machine; no NFS.

    Raises:
        ConfigurationError: The folder cannot be used.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        with _file_errors_told(folder):
            folder.mkdir(mode=_OWNER_ONLY_FOLDER, parents=True, exist_ok=True)

    def open_tables(self, name: str, tables: MetaData) -> SharedTables:
        """A SQLite file of that name."""
        opened = _FileTables(self._create(f"{name}.sqlite"))
        with opened.exclusive() as connection:
            tables.create_all(connection)
        return opened

    def open_bucket(self, name: str, rate: Rate) -> AbstractBucket:
        """A SQLite file of that name, and one to lock."""
        path = self._create(f"requests-{name}.sqlite")
        with _file_errors_told(path):
            return SQLiteBucket.init_from_file([rate], db_path=str(path), use_file_lock=True)

    @contextmanager
    def _try_slot(self, name: str, number: int) -> Iterator[bool]:
        path = self._folder / f"{name}-{number}.lock"
        lock = FileLock(path, timeout=0, mode=_OWNER_ONLY_FILE)
        try:
            with _file_errors_told(path):
                lock.acquire()
        except Timeout:
            yield False
            return
        try:
            yield True
        finally:
            lock.release()

    def _create(self, name: str) -> Path:
        """The file, made for its owner only before anything is written to it."""
        path = self._folder / name
        with _file_errors_told(path):
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, _OWNER_ONLY_FILE))
            path.chmod(_OWNER_ONLY_FILE)
        return path


class _FileTables(SharedTables):
    """Tables of a SQLite file, whose one write lock is the exclusive use."""

    def __init__(self, path: Path) -> None:
        self._path = path
        super().__init__(
            create_engine(
                f"sqlite:///{path}",
                isolation_level="AUTOCOMMIT",
                poolclass=NullPool,
                connect_args={"timeout": LOCK_PATIENCE_S},
            )
        )

    @contextmanager
    def exclusive(self) -> Iterator[Connection]:
        """A connection that has the file's write lock."""
        with self._engine.connect() as connection:
            with _file_errors_told(self._path):
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            try:
                yield connection
            finally:
                # What was written stays, whatever happened after it: a refresh token that was replaced above all.
                connection.exec_driver_sql("COMMIT")


@contextmanager
def _file_errors_told(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, DBAPIError, sqlite3.Error) as error:
        if isinstance(error, Timeout):
            raise
        cause = error.strerror if isinstance(error, OSError) else getattr(error, "orig", error)
        if "locked" in str(cause):
            raise SharedStateUnavailableError(
                f"{path} has been locked by another process for {LOCK_PATIENCE_S:g} s. Look for one that hangs in a "
                "token request; a later run can succeed."
            ) from error
        raise ConfigurationError(
            f"{path} cannot keep what this deployment shares ({cause}). Make room or mend its permissions, or name "
            f"another folder in {VARIABLE}. A damaged file may be deleted: it keeps the access token, the requests of "
            "the last minute, and a refresh token only where the accounts server has replaced yours."
        ) from error


class DatabaseState(SharedState):
    """Tables of a PostgreSQL database, and its advisory locks, which end with the connection that took them.

    Raises:
        ConfigurationError: The address cannot be read, or a driver is missing.
    """

    def __init__(self, url: str) -> None:
        try:
            self._url = make_url(url)
            self._engine = create_engine(self._url, isolation_level="AUTOCOMMIT", pool_pre_ping=True)
        except (ArgumentError, NoSuchModuleError, ImportError) as error:
            raise ConfigurationError(
                f"{VARIABLE} cannot be used ({type(error).__name__}): set it to "
                "postgresql://user:password@host/database, and install invoice-assets[postgres]."
            ) from None

    def open_tables(self, name: str, tables: MetaData) -> SharedTables:
        """The database's tables; the name is that of an advisory lock."""
        opened = _DatabaseTables(self._engine, lock=_number(name))
        with _DatabaseTables(self._engine, lock=_number("tables")).exclusive() as connection:
            tables.create_all(connection)
        return opened

    def open_bucket(self, name: str, rate: Rate) -> AbstractBucket:
        """A table of the database."""
        from psycopg_pool import ConnectionPool

        address = self._url.set(drivername="postgresql").render_as_string(hide_password=False)
        with _database_errors_told():
            return PostgresBucket(ConnectionPool(address, min_size=1, max_size=2, open=True), name, [rate])

    def close(self) -> None:
        """Close the connections; those of a bucket are closed with it."""
        self._engine.dispose()

    @contextmanager
    def _try_slot(self, name: str, number: int) -> Iterator[bool]:
        slot = {"name": _number(name) >> 32, "number": number}
        with _database_errors_told():
            connection = self._engine.connect()
        with connection:
            is_taken = bool(connection.scalar(text("SELECT pg_try_advisory_lock(:name, :number)"), slot))
            try:
                yield is_taken
            finally:
                if is_taken:
                    connection.execute(text("SELECT pg_advisory_unlock(:name, :number)"), slot)


class _DatabaseTables(SharedTables):
    """Tables of a database, and an advisory lock for their exclusive use."""

    def __init__(self, engine: Engine, *, lock: int) -> None:
        super().__init__(engine)
        self._lock = {"key": lock}

    @contextmanager
    def exclusive(self) -> Iterator[Connection]:
        """A connection that has the advisory lock."""
        with _database_errors_told():
            connection = self._engine.connect()
        with connection:
            with _database_errors_told():
                connection.exec_driver_sql(f"SET lock_timeout = '{LOCK_PATIENCE_S:g}s'")
                connection.execute(text("SELECT pg_advisory_lock(:key)"), self._lock)
            try:
                yield connection
            finally:
                connection.execute(text("SELECT pg_advisory_unlock(:key)"), self._lock)


@contextmanager
def _database_errors_told() -> Iterator[None]:
    try:
        yield
    except OperationalError as error:
        raise SharedStateUnavailableError(
            f"The database of {VARIABLE} cannot be reached, or another process keeps it to itself "
            f"({type(error.orig).__name__}). A later run can succeed."
        ) from None


def _number(name: str) -> int:
    """A name as PostgreSQL wants it for an advisory lock: a signed number of 64 bits."""
    return int.from_bytes(sha256(f"invoice_assets {name}".encode()).digest()[:8], "big", signed=True)
