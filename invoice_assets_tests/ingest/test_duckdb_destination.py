"""`ingest/duckdb_destination.py`: which rows a load leaves in a DuckDB file, what else it leaves there, and its cost.

How the file is opened and waited for is tested in `test_warehouse.py`.
"""

import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from dlt.common.configuration import resolve
from dlt.common.destination import reference
from dlt.common.pipeline import LoadInfo
from dlt.common.schema.typing import TTableSchema
from dlt.destinations.impl.duckdb.sql_client import DuckDbSqlClient

from invoice_assets.api.envelope import Row
from invoice_assets.destinations import DUCKDB
from invoice_assets.ingest import duckdb_destination, staged_files
from invoice_assets.ingest.pipeline import open_pipeline
from invoice_assets.ingest.row_refusals import RowsRefusedError
from invoice_assets.ingest.source import build_load_source
from invoice_assets.ingest.staged_files import COLUMN_MB, MEMORY_MB
from invoice_assets.ingest.typing import build_table
from invoice_assets.ingest.warehouse import open_destination
from invoice_assets.resource_spec import ResourceSpec, text
from invoice_assets_tests.ingest.stored import DATASET, THINGS, build_things, thing

EARLY, LATE = "2026-03-08T12:00:00+00:00", "2026-03-09T12:00:00+00:00"
SIDE_BY_SIDE_S = 0.3
"""How long a job of one file waits for another to overtake it."""
WITHOUT_STAMP = build_things(text("name", "Name"))


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """Where the DuckDB file of the test is to be."""
    return tmp_path / "w.duckdb"


def read(*rows: Row, spec: ResourceSpec = THINGS) -> pa.Table:
    """Rows as the API's list brings them, in one batch."""
    known = {column.name for column in spec.columns}
    return build_table(spec, rows, new_columns=sorted({field for row in rows for field in row} - known))


def load(
    database: Path, *batches: pa.Table, spec: ResourceSpec = THINGS, setting: str = "threads"
) -> tuple[LoadInfo, str]:
    """Load batches into the file; what dlt tells of it, and what a setting of DuckDB's was at the end."""
    with (
        open_destination(DUCKDB, database=str(database), patience_s=0) as destination,
        open_pipeline(spec, destination=destination, dataset=DATASET) as pipeline,
    ):
        info = pipeline.run(build_load_source(spec, iter(batches)), loader_file_format="parquet")
        with pipeline.sql_client() as client:
            told = client.execute_sql(f"SELECT current_setting('{setting}')")
        return info, str(told[0][0]) if told else ""


def query(database: Path, sql: str) -> list[tuple[Any, ...]]:
    """What a plain connection finds in the file."""
    with duckdb.connect(str(database)) as connection:
        return connection.execute(sql).fetchall()


def names_of(database: Path) -> Mapping[str | None, str]:
    """The name of each stored thing, by its key."""
    rows = query(database, "SELECT thing_id, name FROM invoicing.things")
    assert len(rows) == len(dict(rows))
    return dict(rows)


def test_of_rows_with_one_key_the_last_modified_wins(database: Path) -> None:
    load(
        database,
        read(
            thing("1", name="old", last_modified_time=EARLY),
            thing("2", name="only"),
            thing("1", name="new", last_modified_time=LATE),
            thing("1", name="old again", last_modified_time=EARLY),
        ),
    )

    assert names_of(database) == {"1": "new", "2": "only"}


def test_of_rows_with_one_key_and_equal_stamps_the_one_read_last_wins(database: Path) -> None:
    load(database, read(*(thing("1", name=f"read {n}", last_modified_time=EARLY) for n in range(12))))

    assert names_of(database) == {"1": "read 11"}


def test_a_row_without_a_stamp_loses_against_one_that_has_one(database: Path) -> None:
    load(
        database,
        read(
            thing("1", name="stamped", last_modified_time=EARLY),
            thing("1", name="bare", last_modified_time=""),
            thing("2", name="bare", last_modified_time=""),
        ),
    )

    assert names_of(database) == {"1": "stamped", "2": "bare"}


def test_without_a_change_stamp_the_row_read_last_wins(database: Path) -> None:
    rows = [{"thing_id": key, "name": f"{key} {n}"} for n in range(3) for key in "ab"]

    load(database, read(*rows, spec=WITHOUT_STAMP), spec=WITHOUT_STAMP)

    assert names_of(database) == {"a": "a 2", "b": "b 2"}


def test_the_last_modified_row_wins_whichever_file_it_is_in(database: Path) -> None:
    """A batch with columns of its own gets a file of its own, and files have names by chance."""
    load(
        database,
        read(thing("1", name="old", cf_one="x")),
        read(thing("1", name="new", last_modified_time=LATE, cf_two="y")),
        read(thing("1", name="oldest", last_modified_time="2026-03-01T12:00:00+00:00", cf_three="z")),
    )

    assert query(database, "SELECT name, cf_one, cf_two, cf_three FROM invoicing.things") == [("new", None, "y", None)]


def test_rows_of_files_with_different_columns_are_all_stored_with_their_values(database: Path) -> None:
    load(database, read(*(thing(str(row)) for row in range(100))), read(thing("x", cf_one="7")))

    assert len(names_of(database)) == 101
    assert query(database, "SELECT thing_id, cf_one FROM invoicing.things WHERE cf_one IS NOT NULL") == [("x", "7")]


def test_files_that_are_staged_side_by_side_are_all_in_the_table(
    database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The job that looked at one file only made its view last, and the rows of the other file were lost."""
    has_two_files = threading.Event()
    select = staged_files.select_rows

    def dawdle(client: DuckDbSqlClient, table: TTableSchema, files: Sequence[Path]) -> str:
        if len(files) == 1:
            has_two_files.wait(SIDE_BY_SIDE_S)
        else:
            has_two_files.set()
        return select(client, table, files)

    monkeypatch.setattr(duckdb_destination, "select_rows", dawdle)
    load(database, read(*(thing(str(n)) for n in range(100))), read(thing("x", cf_one="7")))

    assert len(names_of(database)) == 101


def test_a_load_that_dlt_splits_into_many_files_brings_every_row(
    database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATA_WRITER__FILE_MAX_ITEMS", "10")

    info, _ = load(database, *(read(*(thing(f"{batch}-{row}") for row in range(20))) for batch in range(4)))

    jobs = [job.file_path for job in info.load_packages[0].jobs["completed_jobs"] if "/things." in job.file_path]
    assert len([path for path in jobs if path.endswith(".parquet")]) > 1
    assert len(names_of(database)) == 80


def test_a_second_load_replaces_what_it_brings_and_keeps_the_rest(database: Path) -> None:
    load(database, read(thing("1", name="one"), thing("2", name="two")))

    load(database, read(thing("2", name="two anew"), thing("3", name="three")))

    assert names_of(database) == {"1": "one", "2": "two anew", "3": "three"}


def test_a_load_without_rows_creates_the_table_and_a_later_one_changes_nothing(database: Path) -> None:
    load(database, read())
    assert query(database, "FROM invoicing.things") == []
    load(database, read(thing("1", name="one")))

    load(database, read())

    assert names_of(database) == {"1": "one"}


def test_of_rows_without_a_key_none_takes_the_place_of_one_that_has_one(database: Path) -> None:
    table = read(thing("1", name="keyed"), thing("2", name="without"))
    keys = pa.array(["1", None], pa.string())

    load(database, table.set_column(table.schema.get_field_index("thing_id"), "thing_id", keys))

    assert names_of(database) == {"1": "keyed", None: "without"}


def test_nothing_of_the_staging_dataset_is_left_in_the_file(database: Path) -> None:
    load(database, read(thing("1"), thing("1")))

    relations = query(database, "SELECT table_schema, table_name FROM information_schema.tables")
    schemas = query(database, "SELECT schema_name FROM duckdb_schemas() WHERE NOT internal")

    assert {schema for schema, _ in relations} == {"invoicing"}
    assert {("invoicing", "things"), ("invoicing", "_dlt_loads")} <= set(relations)
    assert {name for (name,) in schemas} <= {"invoicing", "main"}


def test_a_schema_of_the_file_that_is_called_like_the_staging_dataset_is_somebody_elses(database: Path) -> None:
    """A project of dbt calls one of its schemas so by default."""
    with duckdb.connect(str(database)) as connection:
        connection.execute("CREATE SCHEMA invoicing_staging")
        connection.execute("CREATE TABLE invoicing_staging.things AS SELECT 'theirs' AS thing_id, 1 AS unheard_of")

    load(database, read(thing("1", name="one")))

    assert names_of(database) == {"1": "one"}
    assert query(database, "FROM invoicing_staging.things") == [("theirs", 1)]


def test_staged_files_are_gone_after_a_load_and_after_one_that_failed(
    database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))

    load(database, read(thing("1")))
    with duckdb.connect(str(database)) as connection:
        connection.execute("ALTER TABLE invoicing.things ALTER COLUMN total TYPE DECIMAL(3, 0)")
    with pytest.raises(RowsRefusedError):
        load(database, read(thing("2", total="12345678")))

    assert [path.name for path in folder.glob("*/*")] == ["lock"]


def test_a_quote_in_the_path_of_the_temporary_folder_is_no_sql(
    database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "it's [a] *folder*"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))

    load(database, read(thing("1", name="one"), thing("1", name="again")))

    assert names_of(database) == {"1": "again"}


def test_a_quote_in_the_name_of_a_custom_field_is_no_sql(database: Path) -> None:
    load(database, read(thing("1", **{'cf_it\'s "odd"; --': "kept"}), thing("1", last_modified_time=EARLY)))

    (row,) = query(database, "FROM invoicing.things")
    assert "1" in row


@pytest.mark.parametrize("field", ["group", "select", "order", "name_1"])
def test_a_custom_field_may_be_called_like_a_word_of_sql(database: Path, field: str) -> None:
    load(database, read(thing("1", **{field: "old"}), thing("1", last_modified_time=LATE, **{field: "new"})))

    assert query(database, f'SELECT "{field}" FROM invoicing.things') == [("new",)]


@pytest.mark.parametrize("field", ["filename", "file_row_number", "chosen", "row_number"])
def test_a_field_may_be_called_like_what_duckdb_calls_its_own(database: Path, field: str) -> None:
    rows = [thing("1", **{field: "old"}), thing("1", last_modified_time=LATE, **{field: "new"})]

    load(database, read(*rows))

    assert query(database, f'SELECT "{field}" FROM invoicing.things') == [("new",)]


def test_a_temporary_folder_that_looks_like_a_partition_changes_no_value(
    database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "name=folder"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))

    load(database, read(thing("1", name="one")))

    assert names_of(database) == {"1": "one"}


def test_what_dlt_tells_of_a_load_still_names_duckdb(database: Path) -> None:
    info, _ = load(database, read(thing("1")))

    assert (info.destination_type, info.destination_name) == ("dlt.destinations.duckdb", "duckdb")


def test_the_settings_of_dlts_duckdb_apply(database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DESTINATION__DUCKDB__ENABLE_DATASET_NAME_NORMALIZATION", "false")
    monkeypatch.setenv("DESTINATION__DUCKDB__STAGING_DATASET_NAME_LAYOUT", "%s_on_its_way")

    with (
        open_destination(DUCKDB, database=str(database), patience_s=0) as destination,
        open_pipeline(THINGS, destination=destination, dataset="Invoicing") as pipeline,
    ):
        pipeline.run(build_load_source(THINGS, iter([read(thing("1"))])), loader_file_format="parquet")
        with pipeline.sql_client() as client:
            assert (client.dataset_name, client.staging_dataset_name) == ("Invoicing", "Invoicing_on_its_way")

    assert query(database, 'SELECT thing_id FROM "Invoicing".things') == [("1",)]


def test_the_configuration_of_the_destination_is_resolved_once_for_a_load(
    database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    resolved: list[tuple[str, str | None]] = []

    def count(config: Any, *args: Any, **kwargs: Any) -> Any:
        resolved.append((type(config).__name__, getattr(config, "dataset_name", None)))
        return resolve.resolve_configuration(config, *args, **kwargs)

    monkeypatch.setattr(reference, "resolve_configuration", count)

    load(database, read(thing("1")))

    assert resolved.count(("DuckDbClientConfiguration", DATASET)) == 1


def test_an_ordinary_load_keeps_within_the_small_limit_of_memory(database: Path) -> None:
    _, narrow = load(database, read(thing("1")), setting="memory_limit")

    assert narrow == _as_told(MEMORY_MB)


def test_wide_rows_get_the_memory_that_their_row_groups_need(database: Path) -> None:
    """A row group is a whole batch: 10,000 rows of 20 kB each would not fit into the limit of ordinary ones."""
    wide = read(*(thing(str(n), note=f"{n:05}" * 4_000) for n in range(2_000)))

    _, limit = load(database, wide, setting="memory_limit")

    assert query(database, "SELECT COUNT(*), MIN(length(note)) FROM invoicing.things") == [(2_000, 20_000)]
    assert limit != _as_told(MEMORY_MB)


def test_many_columns_get_the_memory_that_each_needs(database: Path) -> None:
    """A column takes its block and its vectors, whatever is in it: 1,000 of them ended in "Out of Memory Error"."""
    fields = {f"cf_{n}": "v" for n in range(400)}
    table = build_table(THINGS, [thing("1") | fields], new_columns=fields)

    _, limit = load(database, table, setting="memory_limit")

    assert query(database, "SELECT COUNT(cf_399) FROM invoicing.things") == [(1,)]
    assert limit == _as_told(round(MEMORY_MB / 2 + table.num_columns * COLUMN_MB))


def _as_told(megabytes: int) -> str:
    with duckdb.connect(config={"memory_limit": f"{megabytes}MB"}) as connection:
        told = connection.execute("SELECT current_setting('memory_limit')").fetchone()
    return str(told[0]) if told else ""
