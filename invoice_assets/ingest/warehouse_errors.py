"""What can go wrong between this project and the warehouse or the disk, as exceptions that say what to do next.

dlt passes on what DuckDB, a PostgreSQL driver, deltalake or the operating system raised; `explain` tells what it means
in words of its own, for a driver quotes SQL and values. What they promise of a rerun: `invoice_assets/errors.py`.
https://www.postgresql.org/docs/current/errcodes-appendix.html
"""

import errno
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from invoice_assets.errors import InvoicingError, PermanentError, TransientError


class WarehouseLockedError(TransientError):
    """Another process has the DuckDB file open, and did not let go in time."""


class WarehouseUnreachableError(TransientError):
    """The connection to the warehouse was refused, or broke off."""


class WarehouseBusyError(TransientError):
    """The warehouse gave up on a statement for want of memory, connections or a lock."""


class WarehouseUnusableError(PermanentError):
    """There is no database where one should be, or it is damaged."""


class WarehouseDeniedError(PermanentError):
    """The warehouse, or a file, may not be written to by whoever runs the load."""


class DiskFullError(PermanentError):
    """A disk, a quota or a limit of file size is used up."""


@dataclass(frozen=True)
class _Meaning:
    """`what` has `{place}`, the file or database concerned."""

    error_class: type[InvoicingError]
    what: str
    advice: str


_FULL = _Meaning(DiskFullError, "there is no space left for {place}", "Make room on its disk, then run again.")
_READ_ONLY = _Meaning(
    WarehouseDeniedError,
    "{place} cannot be written to",
    "Give the user that runs Dagster the right to write it and its folder, then run again.",
)
_DENIED = _Meaning(
    WarehouseDeniedError,
    "{place} refuses the user that loads it, or what that user tried",
    "Check the user, the password and the rights in DESTINATION__WAREHOUSE__CREDENTIALS, then run again.",
)
_READ_ONLY_DATABASE = _Meaning(
    WarehouseDeniedError,
    "{place} takes no changes, only queries",
    "Name the primary server in DESTINATION__WAREHOUSE__CREDENTIALS, or let its user write, then run again.",
)
_DAMAGED = _Meaning(
    WarehouseUnusableError,
    "{place} is damaged or no database",
    "Restore it from a backup, or move it away and load everything anew.",
)
_MISSING = _Meaning(
    WarehouseUnusableError,
    "{place} has no database of that name",
    "Create it, or mend its name in DESTINATION__WAREHOUSE__CREDENTIALS, then run again.",
)
_UNREACHABLE = _Meaning(
    WarehouseUnreachableError,
    "the connection to {place} was refused or lost",
    "Check that it runs, and its address in DESTINATION__WAREHOUSE__CREDENTIALS; a later run can succeed.",
)
_BUSY = _Meaning(
    WarehouseBusyError, "{place} is too busy: connections, memory or a lock ran out", "A later run can succeed."
)
_CHANGED_MEANWHILE = _Meaning(
    WarehouseBusyError, "somebody else has written to a table of {place} meanwhile", "A later run can succeed."
)
_TOO_WIDE = _Meaning(
    WarehouseUnusableError,
    "a row, or the number of columns, is more than {place} can hold",
    "Load into another warehouse, or leave out custom fields at the source.",
)
_OUT_OF_MEMORY = _Meaning(
    WarehouseBusyError, "the memory ran out", "Let fewer loads run at a time; a later run can succeed."
)

_BY_SQLSTATE: Mapping[str, _Meaning] = {
    "08": _UNREACHABLE,
    "25006": _READ_ONLY_DATABASE,
    "28": _DENIED,
    "3D": _MISSING,
    "40": _BUSY,
    "42501": _DENIED,
    "53": _BUSY,
    "54": _TOO_WIDE,
    "53100": _FULL,
    "55P03": _BUSY,
    "57014": _BUSY,
    "57P": _UNREACHABLE,
    "58030": _DAMAGED,
    "XX001": _DAMAGED,
    "XX002": _DAMAGED,
}
"""By class, or by class and condition; the longest that fits decides."""

_BY_ERRNO: Mapping[int, _Meaning] = {
    errno.ENOSPC: _FULL,
    errno.EDQUOT: _FULL,
    errno.EFBIG: _FULL,
    errno.EROFS: _READ_ONLY,
    errno.EACCES: _READ_ONLY,
    errno.EPERM: _READ_ONLY,
    errno.EIO: _DAMAGED,
}

_BY_WORDS_OF_DUCKDB: Mapping[str, _Meaning] = {
    "No space left on device|Disk quota exceeded|File too large": _FULL,
    "Permission denied|Operation not permitted|Read-only file system|in read-only mode": _READ_ONLY,
    "Corrupt database file|not a valid DuckDB database|Could not read enough bytes|Input/output error": _DAMAGED,
    "^Out of Memory Error": _OUT_OF_MEMORY,
}

_BY_WORDS_OF_DELTA: Mapping[str, _Meaning] = {
    "No space left on device|Disk quota exceeded|File too large": _FULL,
    "Permission denied|Operation not permitted|Read-only file system|AccessDenied|403 Forbidden": _READ_ONLY,
    "^Failed to commit transaction": _CHANGED_MEANWHILE,
    "commit files, but found gap|No files in log segment|Corrupt footer|Input/output error": _DAMAGED,
}

_BY_WORDS_OF_A_REFUSED_CONNECTION: Mapping[str, _Meaning] = {
    "authentication failed|no password supplied|pg_hba.conf|not permitted to log in|role .* does not exist": _DENIED,
    "permission denied for database": _DENIED,
    "database .* does not exist": _MISSING,
    "": _UNREACHABLE,
}
"""A driver gives no SQLSTATE for a connection that it did not get."""

_QUOTED_FILE = re.compile(r'file "([^"]+)"')
_SERVER = re.compile(r'connection to server at "(?P<host>[\w.:-]+)"[^,]*, port (?P<port>\d+)')
"""As libpq names the server that it has tried; a host that it cannot find may be a user, or the end of a password."""


def chain_of(error: BaseException | None) -> Iterator[BaseException]:
    """The error, what caused it, what caused that, and so on."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def explain(chain: Iterable[BaseException], *, place: str = "the warehouse") -> InvoicingError | None:
    """What the first error of the chain that is the warehouse's or the disk's means; None where there is none.

    `place` is what went wrong where the error itself names no file.
    """
    for error in chain:
        if meaning := _find_meaning(error):
            what = meaning.what.format(place=_find_file(error) or place + _find_server(error))
            return meaning.error_class(f"{what} ({_name_kind(error)}). {meaning.advice}")
    return None


def _find_meaning(error: BaseException) -> _Meaning | None:
    module = type(error).__module__.partition(".")[0]
    match error:
        case MemoryError():
            return _OUT_OF_MEMORY
        case OSError():
            return _BY_ERRNO.get(error.errno or 0)
        case _ if module == "_duckdb":
            return _find_by_words(error, _BY_WORDS_OF_DUCKDB)
        case _ if module == "_internal":  # as deltalake's errors call their module
            return _find_by_words(error, _BY_WORDS_OF_DELTA)
        case _ if module == "psycopg2":
            return _find_postgres_meaning(error)
    return None


def _find_postgres_meaning(error: BaseException) -> _Meaning | None:
    code = str(getattr(error, "pgcode", None) or "")
    if code:
        fitting = [known for known in _BY_SQLSTATE if code.startswith(known)]
        return _BY_SQLSTATE[max(fitting, key=len)] if fitting else None
    if type(error).__name__ in ("OperationalError", "InterfaceError"):
        return _find_by_words(error, _BY_WORDS_OF_A_REFUSED_CONNECTION)
    return None


def _find_by_words(error: BaseException, meanings: Mapping[str, _Meaning]) -> _Meaning | None:
    said = str(error)
    return next((meaning for words, meaning in meanings.items() if re.search(words, said)), None)


def _find_file(error: BaseException) -> str | None:
    """The file that the error names."""
    if isinstance(error, OSError):
        return str(error.filename or "a working file")
    found = _QUOTED_FILE.search(str(error)) if type(error).__module__ == "_duckdb" else None
    return found[1] if found else None


def _find_server(error: BaseException) -> str:
    """Where the server is that gave no connection, to stand behind what it is called; empty where nobody says."""
    found = _SERVER.search(str(error)) if type(error).__module__ == "psycopg2" else None
    return f" at {found['host']}, port {found['port']}" if found else ""


def _name_kind(error: BaseException) -> str:
    """The error's class, and what else says of it which it is without quoting."""
    code = getattr(error, "pgcode", None)
    detail = error.strerror if isinstance(error, OSError) else code and f"SQLSTATE {code}"
    return f"{type(error).__name__}: {detail}" if detail else type(error).__name__
