"""What tests of runs side by side share: a person who reads the warehouse meanwhile, and the comparison afterwards."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from invoice_assets.catalog import RESOURCES
from invoice_assets_tests.equality import compare_rows, key_rows
from invoice_assets_tests.project import Project
from invoice_assets_tests.sandbox.server import Sandbox

READ_ONLY = "import duckdb, sys; c = duckdb.connect(sys.argv[1], read_only=True); print('open', flush=True); input()"


def find_differences(project: Project, sandbox: Sandbox, *names: str) -> dict[str, object]:
    """What sets the tables apart from the source, by table."""
    found = {
        name: compare_rows(
            key_rows(project.read_table(name), RESOURCES[name]),
            key_rows(sandbox.rows(name), RESOURCES[name]),
            RESOURCES[name],
        )
        for name in names
    }
    return {name: differences for name, differences in found.items() if differences}


@contextmanager
def a_person_reading(database: Path) -> Iterator[subprocess.Popen[str]]:
    """Somebody's notebook: a process that has the file open for reading."""
    with subprocess.Popen(
        [sys.executable, "-c", READ_ONLY, str(database)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        assert process.stdout.readline() == "open\n"
        try:
            yield process
        finally:
            process.kill()
