"""The .env file that points the project at a sandbox.

What somebody else wrote is never touched: a file is replaced as long as it is, to the letter, as a sandbox wrote it.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path

MARKER = "# Written by a sandbox (`make sandbox`), which replaces this file until somebody else changes it. Checksum: "
OWNER_ONLY = 0o600


def render_variables(variables: Mapping[str, str]) -> str:
    """Return the lines of a .env file."""
    return "".join(f"{name}={value}\n" for name, value in variables.items())


def write_environment_file(path: Path, variables: Mapping[str, str]) -> bool:
    """Write the file, readable by its owner only; returns whether it was ours to write."""
    if path.is_symlink() or (path.exists() and not is_ours(path)):
        return False
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, OWNER_ONLY)
    with open(descriptor, "w", encoding="utf-8") as file:
        os.fchmod(descriptor, OWNER_ONLY)
        file.write(_mark(render_variables(variables)))
    return True


def is_ours(path: Path) -> bool:
    """Whether there is such a file, as a sandbox wrote it."""
    if not path.is_file():
        return False
    text = path.read_text(encoding="utf-8", errors="replace")
    return text == _mark(text.partition("\n")[2])


def _mark(lines: str) -> str:
    return f"{MARKER}{hashlib.sha256(lines.encode()).hexdigest()[:16]}\n{lines}"
