"""A folder that stands for a fresh clone after `make setup`, in which commands are run as the docs have them.

The modules are those of this checkout; data, instance and `.env` are the folder's own.
"""

import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).parents[2]
FILES = ("Makefile", "requirements.lock", "pyproject.toml", "dagster.yaml", "workspace.yaml")


def prepare_fresh_clone(folder: Path) -> Mapping[str, str]:
    """Fill the folder; returns the environment that its commands need."""
    for name in FILES:
        shutil.copy(ROOT / name, folder)
    environment = folder / ".venv"
    environment.mkdir()
    for part in Path(sys.prefix).iterdir():
        if part.name != "installed":
            (environment / part.name).symlink_to(part)
    (environment / "installed").touch()
    return os.environ | {"PYTHONPATH": str(ROOT), "COLUMNS": "120"}
