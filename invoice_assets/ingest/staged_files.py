"""The load files of a table that have arrived and wait to be merged, and the rows in them: one for each primary key.

Who stages files so lives in `duckdb_destination.py` and `delta_destination.py`.
https://dlthub.com/docs/dlt-ecosystem/staging
"""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from threading import Lock

from dlt.common.schema.typing import TTableSchema
from dlt.common.schema.utils import get_columns_names_with_prop, get_dedup_sort_tuple
from dlt.common.storages.load_package import ParsedLoadJobFileName
from dlt.destinations.impl.duckdb.sql_client import DuckDbSqlClient
from pyarrow import parquet

MEMORY_MB = 112
"""What DuckDB may hold; beyond it, it works on disk. One thread, since each works on a batch of its own.

By default it takes 80 % of the machine: a load of 500,000 invoices peaked at 900 MB (docs/performance.md).
"""

COLUMN_MB = 0.4
"""What a column takes whatever is in it: the block of 256 kB that it is written to, and a few vectors of 32 kB."""


class StagedFiles:
    """The load files of a table that have arrived, kept where dlt does not move them.

    dlt runs the jobs of several files side by side: `lock` is held by the one that adds a file and looks at them all.
    """

    def __init__(self, folder: Path) -> None:
        self.lock = Lock()
        self._folder = folder
        self._files: dict[str, dict[str, Path]] = {}

    def add(self, table_name: str, file_path: str) -> list[Path]:
        """All files of the table, this one added; a retry adds nothing."""
        files = self._files.setdefault(table_name, {})
        job_id = ParsedLoadJobFileName.parse(file_path).job_id()
        if job_id not in files:
            kept = self._folder / Path(file_path).name
            try:
                os.link(file_path, kept)
            except OSError:  # the file system has no hard links
                shutil.copy2(file_path, kept)
            files[job_id] = kept
        return list(files.values())


def select_rows(client: DuckDbSqlClient, table: TTableSchema, files: Sequence[Path]) -> str:
    """SQL for the rows of the files: of several with one key the last modified, of these in one file the last read."""
    paths = ", ".join(client.capabilities.escape_literal(str(file)) for file in files)
    rows = f"read_parquet([{paths}], union_by_name = true, hive_partitioning = false)"
    (key,) = map(client.escape_column_name, get_columns_names_with_prop(table, "primary_key"))
    if not _is_repeated(client, key, rows):
        return f"SELECT * FROM {rows}"
    # Names with a blank: no column of dlt's has one.
    numbered = f'(SELECT *, ROW_NUMBER() OVER () AS "row number" FROM {rows})'
    newest_first = get_dedup_sort_tuple(table)
    stamp = f"COALESCE({client.escape_column_name(newest_first[0])}, '-infinity')" if newest_first else "NULL"
    return (
        f'SELECT * EXCLUDE ("row number") FROM {numbered} SEMI JOIN (SELECT arg_max("row number", '
        f'ROW({stamp}, "row number")) AS "chosen number" FROM {numbered} GROUP BY {key}) '
        'ON "chosen number" = "row number"'
    )


def choose_memory_mb(files: Sequence[Path]) -> int:
    """What DuckDB may hold while it reads these files: room for three of the widest row groups, and each column."""
    metadata = [parquet.read_metadata(file) for file in files]
    widest = max(
        (meta.row_group(n).total_byte_size for meta in metadata for n in range(meta.num_row_groups)), default=0
    )
    columns = max((meta.num_columns for meta in metadata), default=0)
    return max(MEMORY_MB, 3 * widest // 1_000_000, round(MEMORY_MB / 2 + columns * COLUMN_MB))


def _is_repeated(client: DuckDbSqlClient, key: str, rows: str) -> bool:
    counted = client.execute_sql(f"SELECT COUNT(*) > COUNT(DISTINCT {key}) FROM {rows}")
    return bool(counted and counted[0][0])
