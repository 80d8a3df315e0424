"""docs/adding_a_resource.md, followed to the letter in a copy of the project."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "adding_a_resource.md").read_text(encoding="utf-8")
COPIED = ("invoice_assets", "invoice_assets_tests", "docs", "pyproject.toml", "README.md")
CHANGE = re.compile(r"^In `([\w./]+)`:\n\n```diff\n(.*?)^```$", re.DOTALL | re.MULTILINE)
NEW_FILE = re.compile(r"^A new file, `([\w./]+)`:\n\n```python\n(.*?)^```$", re.DOTALL | re.MULTILINE)
COMMANDS = re.compile(r"^```sh\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def apply_change(path: Path, change: str) -> None:
    """Change a file as a block of the page says; what it shows of the file has to be in it, once."""
    lines = change.splitlines(keepends=True)
    before = "".join(line[1:] for line in lines if not line.startswith("+"))
    after = "".join(line[1:] for line in lines if not line.startswith("-"))
    text = path.read_text(encoding="utf-8")
    assert text.count(before) == 1, f"{path.name} has {text.count(before)} places like\n{before}"
    path.write_text(text.replace(before, after), encoding="utf-8")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of the project without what git ignores."""
    for name in COPIED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__", "images"))
        else:
            shutil.copy(ROOT / name, tmp_path)
    return tmp_path


def run(project: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Python in the copy, whose modules come before those of the tests."""
    environment = os.environ | {"PYTHONPATH": str(project)}
    return subprocess.run(
        [sys.executable, *arguments], cwd=project, env=environment, capture_output=True, text=True, check=False
    )


def test_the_page_followed_to_the_letter_loads_a_tenth_resource(project: Path) -> None:
    """Each block is applied, and the page's own test passes, with those of the catalog."""
    (path, content) = NEW_FILE.findall(PAGE)[0]
    (project / path).write_text(content, encoding="utf-8")
    (of_pytest, *_) = COMMANDS.findall(PAGE)[0].splitlines()
    command = of_pytest.removeprefix(".venv/bin/python ").split()
    assert command[:2] == ["-m", "pytest"]

    for name, change in CHANGE.findall(PAGE):
        apply_change(project / name, change)
    tested = run(project, *command, "-p", "no:cacheprovider")

    assert tested.returncode == 0, tested.stdout + tested.stderr
    assert path in command
    run(project, "-m", "docs.catalog_tables").check_returncode()
    assert "`invoicing/estimates`" in (project / "README.md").read_text(encoding="utf-8")


def test_every_block_of_the_page_is_followed() -> None:
    followed = [*CHANGE.findall(PAGE), *NEW_FILE.findall(PAGE), *COMMANDS.findall(PAGE)]

    assert len(followed) == PAGE.count("\n```") / 2 > 5


def test_a_change_that_does_not_fit_the_file_is_told(tmp_path: Path) -> None:
    """A page that the code has left behind fails, and says where."""
    (tmp_path / "catalog.py").write_text("TAXES = 1\n", encoding="utf-8")

    with pytest.raises(AssertionError, match=r"catalog\.py has 0 places like"):
        apply_change(tmp_path / "catalog.py", " RESOURCES = build_catalog(\n+    ESTIMATES,\n")
