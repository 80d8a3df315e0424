"""The image that is a whole deployment: its command, in a folder with what the image has beside the packages.

The image itself, as far as it can be judged without Docker, is the business of `deployment/test_docker.py`.
"""

import os
import shutil
import sys
from contextlib import suppress
from pathlib import Path

import requests

from invoice_assets_tests.deployment.test_docker import find_own_commands
from invoice_assets_tests.packaging.fresh_clone import ROOT
from invoice_assets_tests.postgres import HOST, hold_free_port
from invoice_assets_tests.processes import kill, start, wait_until

QUERY = "{ instance { daemonHealth { allDaemonStatuses { required healthy } } } assetNodes { id } }"
TIMEOUT_S, PATIENCE_S = 60, 240.0


def is_healthy(url: str) -> bool:
    """Whether the UI answers, knows the assets, and says that all daemons live."""
    with suppress(requests.RequestException):
        answer = requests.post(f"{url}/graphql", json={"query": QUERY}, timeout=TIMEOUT_S).json()["data"]
        daemons = answer["instance"]["daemonHealth"]["allDaemonStatuses"]
        return bool(answer["assetNodes"]) and all(daemon["healthy"] for daemon in daemons if daemon["required"])
    return False


def test_its_command_starts_the_webserver_and_the_daemon(tmp_path: Path) -> None:
    *command, host, _, port = find_own_commands()[-1]
    assert (host, port) == ("0.0.0.0", "3000")
    shutil.copy(ROOT / "dagster.yaml", tmp_path)
    log = tmp_path / "log"
    with hold_free_port() as free_port:
        process = start(
            [Path(sys.executable).with_name(command[0]), *command[1:], HOST, "--port", str(free_port)],
            log=log,
            environment=os.environ | {"DAGSTER_HOME": str(tmp_path)},
            folder=tmp_path,
        )
        try:
            wait_until(
                lambda: is_healthy(f"http://{HOST}:{free_port}"),
                patience_s=PATIENCE_S,
                read_log=lambda: log.read_text(errors="replace"),
            )
        finally:
            kill(process)
