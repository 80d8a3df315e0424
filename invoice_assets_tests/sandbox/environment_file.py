"""The .env file that points the project at a sandbox.

A file that somebody else wrote is never touched: only one that begins with the sandbox's own marker is replaced.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

MARKER = (
    "# Written by `python -m invoice_assets_tests.sandbox`, which replaces this file as long as this line is first."
)
OWNER_ONLY = 0o600


def render_environment(variables: Mapping[str, str]) -> str:
    """Return the contents of a .env file, the marker first."""
    return "\n".join([MARKER, *(f"{name}={value}" for name, value in variables.items())]) + "\n"


def write_environment_file(path: Path, variables: Mapping[str, str]) -> bool:
    """Write the file, readable by its owner only; returns whether it was ours to write."""
    if path.is_symlink() or (path.exists() and not _is_ours(path)):
        return False
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, OWNER_ONLY)
    with open(descriptor, "w", encoding="utf-8") as file:
        os.fchmod(descriptor, OWNER_ONLY)
        file.write(render_environment(variables))
    return True


def _is_ours(path: Path) -> bool:
    with path.open(encoding="utf-8", errors="replace") as file:
        return file.readline().rstrip("\n") == MARKER
