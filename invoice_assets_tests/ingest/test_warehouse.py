import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pytest

from invoice_assets.destinations import DUCKDB
from invoice_assets.ingest.staged_files import MEMORY_MB
from invoice_assets.ingest.warehouse import attach_duckdb, open_destination
from invoice_assets.ingest.warehouse_errors import WarehouseLockedError, WarehouseUnusableError

HOLD = "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print('held', flush=True); sys.stdin.readline()"


@contextmanager
def another_process_holding(path: Path) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_the_file_and_its_folder_are_created(tmp_path: Path) -> None:
    with open_destination(DUCKDB, database=str(tmp_path / "new" / "w.duckdb"), patience_s=0):
        pass

    assert (tmp_path / "new" / "w.duckdb").exists()


def test_a_file_in_use_is_refused_with_the_name_of_who_holds_it(tmp_path: Path) -> None:
    path = tmp_path / "w.duckdb"
    with (
        another_process_holding(path) as process,
        pytest.raises(
            WarehouseLockedError, match=rf"w.duckdb is in use by .*python.* \(PID {process.pid}\)"
        ) as refused,
    ):
        attach_duckdb(path, patience_s=0)

    assert refused.value.transient


def test_a_file_in_use_is_waited_for_and_the_wait_says_for_whom(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "w.duckdb"
    with another_process_holding(path) as process:
        monkeypatch.setattr("tenacity.nap.time.sleep", lambda seconds: process.communicate("let go\n"))

        attach_duckdb(path, patience_s=30).close()

    assert caplog.messages == [f"waiting for {path}, in use by {_program(caplog)} (PID {process.pid})"]


def _program(caplog: pytest.LogCaptureFixture) -> str:
    return caplog.messages[0].partition("in use by ")[2].partition(" (PID")[0]


def test_a_load_in_the_same_process_is_named_as_such(tmp_path: Path) -> None:
    path = tmp_path / "w.duckdb"
    with attach_duckdb(path, patience_s=0), pytest.raises(WarehouseLockedError, match="another load of this process"):
        attach_duckdb(path, patience_s=0)


def test_a_file_that_is_no_database_is_refused_for_good(tmp_path: Path) -> None:
    path = tmp_path / "w.duckdb"
    path.write_text("not a database " * 1000)

    with pytest.raises(WarehouseUnusableError, match=r"w\.duckdb is damaged or no database") as refused:
        attach_duckdb(path, patience_s=0)

    assert not refused.value.transient


@pytest.mark.parametrize(
    ("folder", "reason"), [("notes", "File exists"), ("notes/below", "Not a directory")], ids=["itself", "above"]
)
def test_a_file_where_the_folder_belongs_is_refused_for_good(tmp_path: Path, folder: str, reason: str) -> None:
    """It passed for an error of ours: a load failed without a word on what to do."""
    (tmp_path / "notes").touch()

    with pytest.raises(WarehouseUnusableError) as refused:
        attach_duckdb(tmp_path / folder / "w.duckdb", patience_s=0)

    assert str(refused.value).startswith(f"the folder {tmp_path / folder} cannot be made ({reason}). Set DESTINATION__")


def test_a_quote_in_the_path_is_no_sql(tmp_path: Path) -> None:
    path = tmp_path / "it's.duckdb"

    attach_duckdb(path, patience_s=0).close()

    assert duckdb.connect(str(path)).execute("SELECT 1").fetchall() == [(1,)]


def setting_of(connection: duckdb.DuckDBPyConnection, name: str) -> object:
    """A setting of DuckDB's, as it tells it."""
    told = connection.execute(f"SELECT current_setting('{name}')").fetchone()
    return told[0] if told else None


def test_duckdb_works_in_one_thread_and_within_a_limit_of_memory(tmp_path: Path) -> None:
    """By default it takes 80 % of the machine's memory, whatever else runs on it."""
    with (
        duckdb.connect(config={"memory_limit": f"{MEMORY_MB}MB"}) as limited,
        attach_duckdb(tmp_path / "w.duckdb", patience_s=0) as connection,
    ):
        assert setting_of(connection, "threads") == 1
        assert setting_of(connection, "memory_limit") == setting_of(limited, "memory_limit")


def test_what_does_not_fit_into_memory_is_spilled_beside_the_database(tmp_path: Path) -> None:
    """The current folder, DuckDB's own choice, may be one that nobody can write to."""
    path = tmp_path / "it's here" / "w.duckdb"
    with attach_duckdb(path, patience_s=0) as connection:
        connection.execute("SET memory_limit = '16MB'")
        connection.execute("CREATE TABLE wide AS SELECT repeat('x', 100) || n AS text FROM range(400_000) numbers(n)")

        assert setting_of(connection, "temp_directory") == f"{path}.tmp"
        assert list(path.parent.glob("w.duckdb.tmp/*"))
    assert not list(path.parent.glob("w.duckdb.tmp/*"))


def test_what_a_killed_load_had_written_beside_the_file_is_deleted_by_the_next(tmp_path: Path) -> None:
    """DuckDB works on disk where memory does not do, and deletes that only on closing."""
    left = tmp_path / "w.duckdb.tmp" / "duckdb_temp_storage_DEFAULT-0.tmp"
    left.parent.mkdir()
    left.write_bytes(b"rows")

    attach_duckdb(tmp_path / "w.duckdb", patience_s=0).close()

    assert not left.parent.exists()


def test_what_a_living_load_has_written_beside_the_file_is_let_be(tmp_path: Path) -> None:
    path = tmp_path / "w.duckdb"
    written = tmp_path / "w.duckdb.tmp" / "duckdb_temp_storage_DEFAULT-0.tmp"
    with another_process_holding(path):
        written.parent.mkdir()
        written.write_bytes(b"rows")

        with pytest.raises(WarehouseLockedError):
            attach_duckdb(path, patience_s=0)

        assert written.read_bytes() == b"rows"
