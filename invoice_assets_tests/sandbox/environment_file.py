"""The .env of a folder, for whoever starts a sandbox: which API it names, and how it comes to name the sandbox.

What somebody else wrote stays: a sandbox puts its variables into a file that a sandbox has begun, and only while the
API that the file names is a sandbox that is gone.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

from dotenv import dotenv_values, set_key

ENV_FILE = Path(".env")
MARKER = (
    "# Begun by a sandbox; while it names one that is gone, the next one puts its own address and credentials here."
)
ADDRESS = "INVOICE_API_BASE_URL"
LOOPBACK_HOSTS = frozenset({"127.0.0.1", "localhost", "::1"})
OWNER_ONLY = 0o600
PATIENCE_S = 1.0


def find_api(env_file: Path = ENV_FILE) -> str | None:
    """The base URL that the file names, or None."""
    return dotenv_values(env_file).get(ADDRESS) or None


def names_a_real_api(env_file: Path = ENV_FILE) -> bool:
    """Whether the file names an API that is not on this machine."""
    base_url = find_api(env_file)
    return base_url is not None and urlsplit(base_url).hostname not in LOOPBACK_HOSTS


def is_left_over(path: Path = ENV_FILE, *, own: str | None = None) -> bool:
    """Whether a sandbox has begun the file, and it names one that is gone, or none, or the one at the address `own`."""
    if path.is_symlink() or not path.is_file():
        return False
    with path.open(encoding="utf-8", errors="replace") as file:
        is_begun_by_sandbox = file.readline().rstrip("\n") == MARKER
    api = find_api(path)
    return is_begun_by_sandbox and not names_a_real_api(path) and (api == own or not _answers(api))


def write_environment_file(path: Path, variables: Mapping[str, str]) -> bool:
    """Put the variables into the file, which only its owner can read; returns whether it was a sandbox's to write."""
    if (path.is_symlink() or path.exists()) and not is_left_over(path, own=variables[ADDRESS]):
        return False
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, OWNER_ONLY), "w", encoding="utf-8") as file:
        if not os.fstat(file.fileno()).st_size:
            file.write(f"{MARKER}\n")
    for name, value in variables.items():
        set_key(path, name, value, quote_mode="never")
    path.chmod(OWNER_ONLY)
    return True


def render_variables(variables: Mapping[str, str]) -> str:
    """Return the lines of a .env file."""
    return "".join(f"{name}={value}\n" for name, value in variables.items())


def _answers(base_url: str | None) -> bool:
    """Whether anybody listens there."""
    parts = urlsplit(base_url or "")
    if not parts.hostname or not parts.port:
        return False
    with suppress(OSError), socket.create_connection((parts.hostname, parts.port), timeout=PATIENCE_S):
        return True
    return False
