"""How the faults are brought about: each is a context in which it is there, and which leaves nothing of it.

Which fault begins when, and what is to come of it, is said by its row (`faults.py`). Nothing here replaces code of the
project: the API answers so, the file system or the database is so.
"""

import resource
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from invoice_assets_tests.postgres import Postgres
from invoice_assets_tests.reliability.fault_scene import LOADER, STRUCK, Scene, Strike
from invoice_assets_tests.reliability.permissions import bound_by_permissions

READ_TIMEOUT_S = 1.0
"""Long enough for every answer that is not held up, on a busy machine too."""

FULL_DEVICE = Path("/dev/full")
"""Every write to it fails for want of space. https://man7.org/linux/man-pages/man4/full.4.html"""

LARGEST_WORKING_FILE = 2_000


@contextmanager
def nothing(scene: Scene) -> Iterator[None]:
    """No fault at all."""
    yield


def answers(fault: str, *, times: int | None = None, seconds: float | None = None) -> Strike:
    """The API's list of the struck resource goes wrong from its second request on, `times` or for ever."""

    @contextmanager
    def strike(scene: Scene) -> Iterator[None]:
        scene.sandbox.script(fault, resource=STRUCK, after=1, times=times, seconds=seconds)
        yield
        scene.sandbox.clear_faults()

    return strike


def times_out(*, times: int | None = None) -> Strike:
    """The API says nothing for longer than it is waited for."""
    hangs = answers("hang", times=times, seconds=READ_TIMEOUT_S * 3)

    @contextmanager
    def strike(scene: Scene) -> Iterator[None]:
        with scene.environment.context() as environment, hangs(scene):
            environment.setattr("invoice_assets.api.session.TIMEOUT_S", (5.0, READ_TIMEOUT_S))
            yield

    return strike


def accounts_server_answers(fault: str) -> Strike:
    """The access token dies, and the accounts server answers so when another is asked for."""

    @contextmanager
    def strike(scene: Scene) -> Iterator[None]:
        scene.sandbox.script(fault)
        scene.sandbox.revoke_access_tokens()
        yield
        scene.sandbox.clear_faults()

    return strike


@contextmanager
def api_is_gone(scene: Scene) -> Iterator[None]:
    """Connections to the API are cut, and new ones refused."""
    with scene.relay.being_shut():
        yield


@contextmanager
def disk_is_full(scene: Scene) -> Iterator[None]:
    """What DuckDB commits goes to a device that has no space."""
    log = Path(f"{scene.project.database}.wal")
    log.symlink_to(FULL_DEVICE)
    yield
    log.unlink()


@contextmanager
def working_files_are_limited(scene: Scene) -> Iterator[None]:
    """No file may grow beyond some bytes, as under a quota."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (LARGEST_WORKING_FILE, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@contextmanager
def file_is_read_only(scene: Scene) -> Iterator[None]:
    """The warehouse's file may only be read."""
    with _mode(scene.project.database, 0o400):
        yield


@contextmanager
def folder_is_read_only(scene: Scene) -> Iterator[None]:
    """No file may be made beside the warehouse's, which DuckDB does for its log."""
    with _mode(scene.project.database.parent, 0o500):
        yield


@contextmanager
def file_is_corrupt(scene: Scene) -> Iterator[None]:
    """Bits of every block of the warehouse's file have flipped, those of its header have not."""
    with _content(scene.project.database) as content:
        for place in range(12_388, len(content), 4_096):
            content[place] ^= 0xFF
        scene.project.database.write_bytes(content)
        yield


@contextmanager
def file_is_no_database(scene: Scene) -> Iterator[None]:
    """Something else has been written over the warehouse's file."""
    with _content(scene.project.database):
        scene.project.database.write_text("not a database " * 1_000)
        yield


@contextmanager
def postgres_is_killed(scene: Scene) -> Iterator[None]:
    """The server dies without a word, and comes back later."""
    with _server(scene).being_killed():
        yield


def merge_fails(action: str) -> Strike:
    """The database does this while the merge is replacing rows of the table."""

    @contextmanager
    def strike(scene: Scene) -> Iterator[None]:
        _execute(
            scene,
            f"CREATE FUNCTION strike() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {action}; RETURN NULL; END $$;"
            f"CREATE TRIGGER strike AFTER INSERT ON invoicing.{STRUCK} EXECUTE FUNCTION strike()",
        )
        yield
        _execute(scene, "DROP FUNCTION strike CASCADE")

    return strike


def administrator_says(statement: str, *, afterwards: str) -> Strike:
    """The database's administrator has run a statement, and takes it back with another."""

    @contextmanager
    def strike(scene: Scene) -> Iterator[None]:
        names = {"table": f"invoicing.{STRUCK}", "role": LOADER}
        _execute(scene, statement.format(**names))
        yield
        _execute(scene, afterwards.format(**names))

    return strike


def _server(scene: Scene) -> Postgres:
    assert scene.postgres
    return scene.postgres


def _execute(scene: Scene, statement: str) -> None:
    _server(scene).execute(statement, url=scene.database_url)


@contextmanager
def _mode(path: Path, mode: int) -> Iterator[None]:
    before = path.stat().st_mode
    path.chmod(mode)
    with bound_by_permissions():
        yield
    path.chmod(before)


@contextmanager
def _content(path: Path) -> Iterator[bytearray]:
    """The content of a file, which is there again when the context closes."""
    kept = path.with_suffix(".kept")
    shutil.copy2(path, kept)
    yield bytearray(path.read_bytes())
    kept.replace(path)
