"""The wheel: what is in it, and that it works in an empty folder, far from the repository."""

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from zipfile import ZipFile

import pytest

from invoice_assets.catalog import RESOURCES

ROOT = Path(__file__).parents[2]
PARTS = ("pyproject.toml", "setup.py", "README.md", "LICENSE", "invoice_assets", "invoice_assets_tests")
IMPORT = """
import pathlib, invoice_assets
from invoice_assets.definitions import defs
print(pathlib.Path(invoice_assets.__file__).parent)
print(*sorted(key.path[-1] for key in defs.resolve_asset_graph().materializable_asset_keys))
print(sorted(map(str, pathlib.Path().iterdir())))
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of the files as they are, built by the locked tools in a copy, which keeps `build/` out of the tree."""
    source = tmp_path_factory.mktemp("source")
    for part in (ROOT / name for name in PARTS):
        if part.is_dir():
            shutil.copytree(part, source / part.name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(part, source)
    run([sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", "dist", "."], folder=source)
    (built,) = (source / "dist").iterdir()
    return built


@pytest.fixture(scope="module")
def site(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that the wheel is installed in; its dependencies are those of the tests."""
    target = tmp_path_factory.mktemp("site")
    pip = [sys.executable, "-m", "pip", "install", "--no-deps", "--no-index", "--target", str(target), str(wheel)]
    run(pip, folder=target)
    return target


def run(command: list[str], *, folder: Path, **variables: str) -> str:
    """What a command prints; one that fails shows what it said."""
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "DAGSTER_HOME")}
    done = subprocess.run(
        command, cwd=folder, env={**environment, **variables}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_wheel_holds_the_package_and_nothing_else(wheel: Path) -> None:
    names = set(ZipFile(wheel).namelist())

    metadata = {name for name in names if name.split("/")[0].endswith(".dist-info")}
    package = {str(path.relative_to(ROOT)) for path in (ROOT / "invoice_assets").rglob("*") if path.is_file()}

    assert names - metadata == {name for name in package if "__pycache__" not in name}
    assert {"invoice_assets/py.typed", "invoice_assets/reporting/receivables_by_age.sql"} <= names
    assert any(name.endswith("/licenses/LICENSE") for name in metadata)


def test_the_wheel_has_the_version_of_pyproject(wheel: Path) -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]

    assert wheel.name == f"invoice_assets-{version}-py3-none-any.whl"


def test_an_installed_wheel_gives_dagster_its_definitions_in_an_empty_folder(site: Path, tmp_path: Path) -> None:
    """Loading definitions leaves nothing behind: data/ appears with the first load."""
    folder, assets, files = run([sys.executable, "-c", IMPORT], folder=tmp_path, PYTHONPATH=str(site)).splitlines()

    assert Path(folder) == site / "invoice_assets"
    assert assets.split() == sorted(RESOURCES)
    assert files == "[]"


def test_an_installed_wheel_brings_the_command(site: Path, tmp_path: Path) -> None:
    command = [sys.executable, str(site / "bin" / "invoice-assets"), "--help"]

    printed = run(command, folder=tmp_path, PYTHONPATH=str(site))

    assert all(name in printed for name in ("authorize", "doctor", "status", "organizations", "alerts"))
