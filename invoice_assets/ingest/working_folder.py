"""Working folders: where a load keeps what is on its way, and how what a killed process left there is cleared away.

What is written there is the business of `pipeline.py` and `duckdb_destination.py`. A folder belongs to the process that
holds the lock in it, which the operating system takes away from a process that ends, however it ends.
https://py-filelock.readthedocs.io
"""

import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from tempfile import gettempdir, mkdtemp

from filelock import FileLock

from invoice_assets.errors import PermanentError

SWEPT_AT_ONCE = 20
"""Abandoned folders that one load deletes at most. Each crash leaves two, so that they do not add up."""

_LOCK = "lock"
_LOCK_POLL_S = 0.005
_OWNER_ONLY_FILE, _OWNER_ONLY_FOLDER = 0o600, 0o700


class WorkingFolderError(PermanentError):
    """There is no safe place for working files."""


@contextmanager
def open_working_folder(name: str) -> Iterator[Path]:
    """An empty folder that nobody else may look into, gone when the context closes.

    Where a process was killed before it could delete its own, that is done first.

    Raises:
        WorkingFolderError: The place where the folders stand belongs to another user.
    """
    parent = _prepare_parent()
    # Between the making of a folder and the locking of it nobody else must look.
    with _lock(parent):
        abandoned = list(islice(_adopt_abandoned(parent), SWEPT_AT_ONCE))
        folder = Path(mkdtemp(prefix=f"{name}-", dir=parent))
        owned = _lock(folder)
        owned.acquire()
    for left, lock in abandoned:
        _delete(left, lock)
    try:
        yield folder
    finally:
        _delete(folder, owned)


def find_parent() -> Path:
    """The folder in the system's temporary one in which this user's working folders stand."""
    return Path(gettempdir()) / f"invoice-assets-{os.getuid()}"


def _prepare_parent() -> Path:
    parent = find_parent()
    parent.mkdir(mode=_OWNER_ONLY_FOLDER, exist_ok=True)
    found = parent.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        raise WorkingFolderError(
            f"{parent} is not a folder of this user, who would show working files to somebody else there. Have it "
            "deleted, or set TMPDIR to a folder of your own."
        )
    parent.chmod(_OWNER_ONLY_FOLDER)
    return parent


def _adopt_abandoned(parent: Path) -> Iterator[tuple[Path, FileLock]]:
    """The folders whose process has died, with their locks, which are this process's from now on."""
    for folder in sorted(path for path in parent.iterdir() if path.is_dir()):
        lock = _lock(folder)
        try:
            lock.acquire(timeout=0)
        except OSError:  # a time-out, for it is in use; or it is being deleted at this moment by whoever used it
            continue
        yield folder, lock


def _lock(folder: Path) -> FileLock:
    return FileLock(folder / _LOCK, mode=_OWNER_ONLY_FILE, thread_local=False, poll_interval=_LOCK_POLL_S)


def _delete(folder: Path, lock: FileLock) -> None:
    # Another process may take the same folder for abandoned once the lock in it is deleted, and delete it too.
    shutil.rmtree(folder, ignore_errors=True)
    lock.release()
