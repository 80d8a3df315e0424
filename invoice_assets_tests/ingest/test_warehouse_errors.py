import errno
import os
import re
import socket
from pathlib import Path

import duckdb
import psycopg2
import pytest

from invoice_assets.errors import InvoicingError, TransientError
from invoice_assets.ingest.warehouse_errors import (
    DiskFullError,
    WarehouseBusyError,
    WarehouseDeniedError,
    WarehouseUnreachableError,
    WarehouseUnusableError,
    chain_of,
    explain,
)
from invoice_assets_tests.postgres import Postgres

ROW = "INSERT INTO invoicing.contacts VALUES ('Jane Doe')"


@pytest.fixture
def postgres_url(postgres: Postgres) -> str:
    return postgres.create_database()


@pytest.mark.parametrize(
    ("number", "error_class"),
    [
        (errno.ENOSPC, DiskFullError),
        (errno.EDQUOT, DiskFullError),
        (errno.EFBIG, DiskFullError),
        (errno.EROFS, WarehouseDeniedError),
        (errno.EACCES, WarehouseDeniedError),
        (errno.EIO, WarehouseUnusableError),
    ],
    ids=lambda value: errno.errorcode[value] if isinstance(value, int) else "",
)
def test_an_error_of_the_operating_system_names_the_file_and_the_cause(
    number: int, error_class: type[InvoicingError]
) -> None:
    meaning = explain([OSError(number, os.strerror(number), "rows.parquet")])

    assert type(meaning) is error_class
    assert "rows.parquet" in str(meaning)
    assert os.strerror(number) in str(meaning)


def test_a_device_without_space_is_a_full_disk() -> None:
    with pytest.raises(OSError, match="No space left") as raised, Path("/dev/full").open("wb", buffering=0) as device:
        device.write(b"rows")

    assert isinstance(explain([raised.value]), DiskFullError)


def test_an_error_of_the_operating_system_that_is_no_matter_of_the_disk_is_not_explained() -> None:
    assert explain([FileNotFoundError(errno.ENOENT, "No such file", "rows.parquet")]) is None


def test_memory_that_runs_out_can_be_there_again_later() -> None:
    with duckdb.connect(config={"memory_limit": "1MB"}) as connection, pytest.raises(duckdb.Error) as raised:
        connection.execute("SELECT count(DISTINCT repeat('x', 100) || n) FROM range(1_000_000) numbers(n)")

    for error in (raised.value, MemoryError()):
        assert isinstance(explain([error]), WarehouseBusyError)


def test_a_duckdb_file_that_is_attached_for_reading_takes_no_rows(tmp_path: Path) -> None:
    path = tmp_path / "w.duckdb"
    duckdb.connect(str(path)).execute("CREATE TABLE things (name TEXT)").close()

    with duckdb.connect(str(path), read_only=True) as connection, pytest.raises(duckdb.Error) as raised:
        connection.execute("INSERT INTO things VALUES ('Jane Doe')")

    assert isinstance(explain([raised.value]), WarehouseDeniedError)


def test_an_error_of_the_statement_itself_is_not_explained() -> None:
    with duckdb.connect() as connection, pytest.raises(duckdb.Error) as raised:
        connection.execute("SELECT nothing")

    assert explain([raised.value]) is None


@pytest.mark.parametrize(
    ("code", "error_class"),
    [
        ("08006", WarehouseUnreachableError),
        ("57P01", WarehouseUnreachableError),
        ("25006", WarehouseDeniedError),
        ("28P01", WarehouseDeniedError),
        ("42501", WarehouseDeniedError),
        ("3D000", WarehouseUnusableError),
        ("XX001", WarehouseUnusableError),
        ("40001", WarehouseBusyError),
        ("40P01", WarehouseBusyError),
        ("53200", WarehouseBusyError),
        ("53300", WarehouseBusyError),
        ("55P03", WarehouseBusyError),
        ("57014", WarehouseBusyError),
        ("53100", DiskFullError),
    ],
)
def test_what_postgresql_says_is_told_by_its_code_without_quoting_it(
    postgres_url: str, code: str, error_class: type[InvoicingError]
) -> None:
    said = ROW.replace("'", "''")
    with pytest.raises(psycopg2.Error) as raised:
        Postgres.execute(f"DO $$ BEGIN RAISE EXCEPTION '{said}' USING ERRCODE = '{code}'; END $$", url=postgres_url)

    meaning = explain([raised.value])

    assert type(meaning) is error_class
    assert code in str(meaning)
    assert "Jane Doe" not in str(meaning)
    assert "INSERT" not in str(meaning)


def test_a_constraint_that_rows_break_is_not_explained(postgres_url: str) -> None:
    with pytest.raises(psycopg2.Error) as raised:
        Postgres.execute("DO $$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = '23505'; END $$", url=postgres_url)

    assert explain([raised.value]) is None


def test_a_refused_connection_can_be_made_later_and_tells_where_and_not_who() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
        with pytest.raises(psycopg2.Error) as raised:
            psycopg2.connect(f"postgresql://loader:planted@127.0.0.1:{port}/warehouse")

    meaning = explain([raised.value])

    assert isinstance(meaning, WarehouseUnreachableError)
    assert isinstance(meaning, TransientError)
    assert str(meaning).startswith(f"the connection to the warehouse at 127.0.0.1, port {port} was refused or lost")
    assert "its address in DESTINATION__WAREHOUSE__CREDENTIALS" in str(meaning)
    assert not {"planted", "loader"} & set(re.findall(r"\w+", str(meaning)))


@pytest.mark.parametrize(
    "url",
    [
        pytest.param("postgresql://loader:pl@nted@127.0.0.1:9/warehouse", id="an-at-sign"),
        pytest.param("postgresql://loader:12/planted@127.0.0.1:9/warehouse", id="a-slash"),
    ],
)
def test_an_address_whose_password_is_not_encoded_gives_nothing_of_it_away(url: str) -> None:
    """The server takes what stands behind the first mark for the host, and what stands before for the user."""
    with pytest.raises(psycopg2.Error) as raised:
        psycopg2.connect(url)

    meaning = explain([raised.value])

    assert isinstance(meaning, WarehouseUnreachableError)
    assert "the connection to the warehouse was refused" in str(meaning)
    assert "nted" not in str(meaning)


@pytest.mark.parametrize(
    ("user", "database", "error_class"),
    [("nobody", "postgres", WarehouseDeniedError), ("postgres", "nowhere", WarehouseUnusableError)],
    ids=["unknown user", "unknown database"],
)
def test_a_connection_that_cannot_be_made_as_configured_is_refused_for_good(
    postgres_url: str, user: str, database: str, error_class: type[InvoicingError]
) -> None:
    url = postgres_url.replace("//postgres:", f"//{user}:").rpartition("/")[0]
    with pytest.raises(psycopg2.OperationalError) as raised:
        psycopg2.connect(f"{url}/{database}")

    assert type(explain([raised.value])) is error_class


def test_the_first_error_that_can_be_explained_is_looked_for_behind_wrappers() -> None:
    wrapper = RuntimeError("a wrapper of somebody else's")
    wrapper.__cause__ = OSError(errno.ENOSPC, "No space left on device")

    assert isinstance(explain(chain_of(wrapper)), DiskFullError)
