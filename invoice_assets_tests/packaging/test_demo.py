import re
import shlex
import subprocess
from pathlib import Path

import duckdb

from invoice_assets.catalog import RESOURCES
from invoice_assets_tests.demo import ROWS
from invoice_assets_tests.packaging.fresh_clone import ROOT, prepare_fresh_clone
from invoice_assets_tests.runs import names_of_checks

COMMAND = "make demo"


def run(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """A command in a folder that stands for a fresh clone."""
    environment = prepare_fresh_clone(folder)
    return subprocess.run(
        shlex.split(command), cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


def test_the_demo_fills_nine_tables_and_says_so(tmp_path: Path) -> None:
    """The README's query is made of them, and what the first hour does to look at them and to break one works."""
    demo = run(COMMAND, tmp_path)

    assert demo.returncode == 0, demo.stdout + demo.stderr
    passed = [int(count) for count in re.findall(r"(\d+) passed", demo.stdout)]
    assert passed == [len(names_of_checks(spec)) for spec in RESOURCES.values()]
    assert "1 access token" in demo.stdout
    database = tmp_path / "data" / "invoicing.duckdb"
    with duckdb.connect(str(database), read_only=True) as connection:
        for name, spec in RESOURCES.items():
            counted = f"SELECT count(*), count(DISTINCT {spec.primary_key}) FROM invoicing.invoicing.{name}"
            assert connection.execute(counted).fetchall() == [(ROWS[name], ROWS[name])]
        (query,) = re.findall(r"```sql\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
        assert all(balance > 0 for *_, balance in connection.execute(query).fetchall())
    looks, breaks = find_commands_of_the_first_hour()
    assert "overdue" in subprocess.check_output(looks, cwd=tmp_path, text=True)
    subprocess.run(breaks, cwd=tmp_path, check=True)
    with duckdb.connect(str(database), read_only=True) as connection:
        named = connection.execute("SELECT count(tax_name) FROM invoicing.invoicing.taxes").fetchall()
    assert named == [(ROWS["taxes"] - 1,)]


def find_commands_of_the_first_hour() -> list[list[str]]:
    """The commands of docs/first_hour.md that read the warehouse and write to it, in their order."""
    page = (ROOT / "docs" / "first_hour.md").read_text(encoding="utf-8")
    return [shlex.split(line) for line in re.findall(r"^\.venv/bin/python -c .*$", page, re.MULTILINE)]


def test_the_demo_keeps_away_from_a_real_warehouse(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("INVOICE_API_BASE_URL=https://www.zohoapis.eu/invoice/v3/\n")

    demo = run(COMMAND, tmp_path)

    assert demo.returncode == 2
    assert ".env names a real API" in demo.stdout
    assert not (tmp_path / "data").exists()
