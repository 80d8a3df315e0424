from collections.abc import Sequence
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from pyarrow import parquet

from invoice_assets.ingest.staged_files import COLUMN_MB, MEMORY_MB, StagedFiles, choose_memory_mb


def write(path: Path, **columns: Sequence[Any]) -> str:
    parquet.write_table(pa.table({name: list(values) for name, values in columns.items()}), path)
    return str(path)


@pytest.fixture
def staged(tmp_path: Path) -> StagedFiles:
    (tmp_path / "staged").mkdir()
    return StagedFiles(tmp_path / "staged")


def test_a_file_is_there_after_dlt_has_deleted_its_own(staged: StagedFiles, tmp_path: Path) -> None:
    path = write(tmp_path / "things.1a2b3c.0.parquet", thing_id=["1"])
    (kept,) = staged.add("things", path)

    Path(path).unlink()

    assert duckdb.sql(f"SELECT thing_id FROM '{kept}'").fetchall() == [("1",)]


@pytest.mark.parametrize("retry", ["things.1a2b3c.0.parquet", "things.1a2b3c.1.parquet"], ids=["same", "next"])
def test_a_retry_adds_nothing(staged: StagedFiles, tmp_path: Path, retry: str) -> None:
    """Jobs that dlt counts its retries of come under another name, those of Delta tables under the same."""
    first = staged.add("things", write(tmp_path / "things.1a2b3c.0.parquet", thing_id=["1"]))

    assert staged.add("things", write(tmp_path / retry, thing_id=["1"])) == first


def test_files_are_told_apart_by_their_table(staged: StagedFiles, tmp_path: Path) -> None:
    staged.add("others", write(tmp_path / "others.1a2b3c.0.parquet", other_id=["1"]))

    files = staged.add("things", write(tmp_path / "things.4d5e6f.0.parquet", thing_id=["1"]))

    assert [file.name for file in files] == ["things.4d5e6f.0.parquet"]


def test_few_columns_of_small_rows_get_the_least_memory_and_many_get_more(tmp_path: Path) -> None:
    narrow = Path(write(tmp_path / "narrow.parquet", thing_id=["1"]))
    wide = Path(write(tmp_path / "wide.parquet", **{f"cf_{n}": ["v"] for n in range(400)}))

    assert choose_memory_mb([narrow]) == MEMORY_MB
    assert choose_memory_mb([narrow, wide]) == round(MEMORY_MB / 2 + 400 * COLUMN_MB)
