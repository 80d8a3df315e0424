"""The warehouse, tried for real: DuckDB, PostgreSQL and Delta tables, and what stands in the way of a load there."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from invoice_assets.doctor.findings import Finding, State, collect
from invoice_assets.doctor.warehouse import NAME, examine_warehouse
from invoice_assets.settings import Settings
from invoice_assets_tests.postgres import Postgres
from invoice_assets_tests.warehouses import choose_warehouse

SCHEMAS = "SELECT DISTINCT table_schema FROM information_schema.tables WHERE table_schema LIKE 'invoicing%'"


def look(settings: Settings) -> Finding:
    """The one finding."""
    (found,) = collect(NAME, lambda: examine_warehouse(settings))
    return found


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """A DuckDB file that has something in it."""
    path = tmp_path / "invoicing.duckdb"
    with duckdb.connect(path) as connection:
        connection.execute("CREATE TABLE mine AS SELECT 1 AS one")
    return path


def test_a_file_is_tried_and_left_as_it_was(database: Path) -> None:
    found = look(Settings(database=str(database)))

    assert (found.state, found.what_to_do) == (State.FINE, "")
    with duckdb.connect(database) as connection:
        assert connection.execute("SELECT table_name FROM duckdb_tables()").fetchall() == [("mine",)]
        assert connection.execute(SCHEMAS).fetchall() == []


def test_a_file_that_is_not_there_yet_is_not_made(tmp_path: Path) -> None:
    found = look(Settings(database=str(tmp_path / "data" / "new" / "invoicing.duckdb")))

    assert found.state is State.FINE
    assert "not there yet" in found.what
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_somebody_has_open_is_a_warning_that_says_who(database: Path) -> None:
    with duckdb.connect(database):
        found = look(Settings(database=str(database)))

    assert found.state is State.WARNING
    assert "is in use by" in found.what
    assert "close that one or wait for it" in found.what_to_do


def test_a_file_that_is_no_database_fails(tmp_path: Path) -> None:
    (tmp_path / "notes.duckdb").write_text("not a database" * 1000)

    found = look(Settings(database=str(tmp_path / "notes.duckdb")))

    assert found.state is State.FAILING
    assert found.what.startswith("a scratch table cannot be opened:")
    assert "is damaged or no database" in found.what


def test_delta_tables_are_tried_and_nothing_of_it_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in choose_warehouse("delta", folder=tmp_path).variables.items():
        monkeypatch.setenv(name, value)

    found = look(Settings.from_env())

    assert (found.state, found.what.partition(":")[0]) == (State.FINE, "delta")
    assert [path.name for path in (tmp_path / "lake").iterdir()] == ["_locks"]


def on(url: str, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """The settings of a PostgreSQL."""
    monkeypatch.setenv("DESTINATION__WAREHOUSE__DESTINATION_TYPE", "postgres")
    monkeypatch.setenv("DESTINATION__WAREHOUSE__CREDENTIALS", url)
    return Settings.from_env()


def test_a_server_is_tried_and_left_as_it_was(postgres: Postgres, monkeypatch: pytest.MonkeyPatch) -> None:
    url = postgres.create_database()

    found = look(on(url, monkeypatch))

    assert found.state is State.FINE
    assert "postgres" in found.what
    schemas = "SELECT nspname FROM pg_namespace WHERE nspname LIKE 'invoicing%'"
    assert postgres.execute(schemas, url=url) == []


def test_a_user_who_may_make_no_dataset_fails(postgres: Postgres, monkeypatch: pytest.MonkeyPatch) -> None:
    url = postgres.create_database()
    postgres.execute("DROP ROLE IF EXISTS doctor_reader", url=url)
    postgres.execute("CREATE ROLE doctor_reader LOGIN PASSWORD 'planted-password'", url=url)
    place = url.rpartition("@")[2]

    found = look(on(f"postgresql://doctor_reader:planted-password@{place}", monkeypatch))

    assert found.state is State.FAILING
    assert "refuses the user that loads it" in found.what
    assert "planted" not in repr(found)


def test_a_server_that_is_not_there_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    found = look(on("postgresql://loader:planted@127.0.0.1:9/warehouse", monkeypatch))

    assert found.state is State.FAILING
    assert "at 127.0.0.1, port 9 was refused or lost" in found.what
    assert "DESTINATION__WAREHOUSE__CREDENTIALS" in found.what_to_do
    assert "planted" not in repr(found)


def test_a_folder_that_cannot_be_is_told_by_its_path() -> None:
    found = look(Settings(database="/proc/nope/invoicing.duckdb"))

    assert found.state is State.FAILING
    assert "the folder /proc/nope cannot be made (No such file or directory)" in found.what
    assert "DESTINATION__WAREHOUSE__CREDENTIALS" in found.what_to_do


def test_a_file_where_a_folder_belongs_is_told_by_its_path(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file")

    found = look(Settings(database=str(tmp_path / "data" / "new" / "invoicing.duckdb")))

    assert found.state is State.FAILING
    assert f"the folder {tmp_path}/data/new cannot be made (Not a directory)" in found.what
