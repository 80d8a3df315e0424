"""Whom files of rows and of tokens can be read by, where the environment would let everybody."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from invoice_assets.destinations import DUCKDB, POSTGRES
from invoice_assets.ingest.file_modes import for_the_owner_alone
from invoice_assets.ingest.pipeline import open_pipeline
from invoice_assets.ingest.warehouse import attach_duckdb, open_destination
from invoice_assets_tests.ingest.stored import THINGS, load_table, thing


@pytest.fixture(autouse=True)
def generous_umask() -> Iterator[None]:
    """New files are for everybody to read and to write."""
    before = os.umask(0)
    yield
    os.umask(before)


def modes(*folders: Path) -> dict[str, int]:
    """What others than the owner may do with each file and folder in these; 0 is nothing."""
    found = [path for folder in folders for path in folder.rglob("*")]
    return {path.name: stat.S_IMODE(path.stat().st_mode) & 0o077 for path in found}


def test_a_duckdb_file_and_all_that_a_load_puts_beside_it_is_for_its_owner_alone(tmp_path: Path) -> None:
    """The log, what does not fit into memory, and the working files hold the same rows."""
    with (
        open_destination(DUCKDB, database=str(tmp_path / "w.duckdb"), patience_s=0) as destination,
        open_pipeline(THINGS, destination=destination, dataset="invoicing") as pipeline,
    ):
        load_table(pipeline, THINGS, thing("1"))
        with pipeline.sql_client() as client:
            client.execute_sql("SET GLOBAL memory_limit = '16MB'")
            client.execute_sql("CREATE TABLE wide AS SELECT repeat('x', 100) || n AS t FROM range(400_000) numbers(n)")
            found = modes(tmp_path, Path(pipeline.pipelines_dir))
        working_folder = stat.S_IMODE(Path(pipeline.pipelines_dir).stat().st_mode)

    assert {"w.duckdb", "w.duckdb.wal", "w.duckdb.tmp"} <= found.keys()
    assert {name: mode for name, mode in found.items() if mode} == {}
    assert working_folder == 0o700


def test_the_working_files_of_another_destination_are_for_their_owner_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DESTINATION__WAREHOUSE__DESTINATION_TYPE", "postgres")
    path = tmp_path / "rows"
    with open_destination(POSTGRES, database="", patience_s=0):
        path.touch()

    assert modes(tmp_path) == {"rows": 0}


def test_a_file_that_was_there_keeps_the_mode_that_somebody_gave_it(tmp_path: Path) -> None:
    path = tmp_path / "w.duckdb"
    attach_duckdb(path, patience_s=0).close()
    path.chmod(0o640)

    attach_duckdb(path, patience_s=0).close()

    assert modes(tmp_path) == {"w.duckdb": 0o040}


def test_afterwards_the_process_creates_files_as_it_did_before(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="full"), for_the_owner_alone():
        raise OSError("the disk is full")

    (tmp_path / "later").touch()
    assert modes(tmp_path) == {"later": 0o066}
