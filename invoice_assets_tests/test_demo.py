import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import duckdb

from invoice_assets.catalog import RESOURCES
from invoice_assets_tests.demo import ROWS
from invoice_assets_tests.runs import names_of_checks

ROOT = Path(__file__).parent.parent


def run_demo(folder: Path) -> subprocess.CompletedProcess[str]:
    """`make demo` without its set-up, in a folder that stands for a fresh clone."""
    shutil.copy(ROOT / "dagster.yaml", folder)
    return subprocess.run(
        [sys.executable, "-m", "invoice_assets_tests.demo"],
        cwd=folder,
        env=os.environ | {"DAGSTER_HOME": str(folder), "PYTHONPATH": str(ROOT), "COLUMNS": "120"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_demo_fills_nine_tables_and_says_so(tmp_path: Path) -> None:
    demo = run_demo(tmp_path)

    assert demo.returncode == 0, demo.stdout + demo.stderr
    passed = [int(count) for count in re.findall(r"(\d+) passed", demo.stdout)]
    assert passed == [len(names_of_checks(spec)) for spec in RESOURCES.values()]
    assert "1 access token" in demo.stdout
    with duckdb.connect(str(tmp_path / "data" / "invoicing.duckdb"), read_only=True) as connection:
        for name, spec in RESOURCES.items():
            counted = f"SELECT count(*), count(DISTINCT {spec.primary_key}) FROM invoicing.invoicing.{name}"
            assert connection.execute(counted).fetchall() == [(ROWS[name], ROWS[name])]


def test_the_demo_keeps_away_from_a_real_warehouse(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("INVOICE_API_BASE_URL=https://www.zohoapis.eu/invoice/v3/\n")

    demo = run_demo(tmp_path)

    assert demo.returncode == 2
    assert ".env names a real API" in demo.stdout
    assert not (tmp_path / "data").exists()
