"""What `.env` of this folder says, for the commands that start a sandbox: is there a real API that it points at?

The file that the sandbox writes is the business of `sandbox/environment_file.py`.
"""

from pathlib import Path
from urllib.parse import urlsplit

from dotenv import dotenv_values

ENV_FILE = Path(".env")
LOOPBACK_HOSTS = frozenset({"127.0.0.1", "localhost", "::1"})


def find_api(env_file: Path = ENV_FILE) -> str | None:
    """The base URL that the file names, or None."""
    return dotenv_values(env_file).get("INVOICE_API_BASE_URL") or None


def names_a_real_api(env_file: Path = ENV_FILE) -> bool:
    """Whether the file names an API that is not on this machine."""
    base_url = find_api(env_file)
    return base_url is not None and urlsplit(base_url).hostname not in LOOPBACK_HOSTS
