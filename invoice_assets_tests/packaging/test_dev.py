import os
import re
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from requests import Session
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from invoice_assets_tests.packaging.fresh_clone import prepare_fresh_clone
from invoice_assets_tests.processes import kill

COMMAND = "make dev"
PATIENCE_S = 120.0
PATIENT = HTTPAdapter(max_retries=Retry(connect=8, backoff_factor=0.25))
"""For a server that names its address before it listens there."""
SERVING = re.compile(r"Serving dagster-webserver on (http://127\.0\.0\.1:\d+)")


@contextmanager
def start(folder: Path, environment: Mapping[str, str]) -> Iterator["subprocess.Popen[str]"]:
    """The command in a terminal of its own, which Ctrl+C ends."""
    with subprocess.Popen(
        COMMAND.split(),
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            yield process
        finally:
            os.killpg(process.pid, signal.SIGINT)
            try:
                process.communicate(timeout=PATIENCE_S)
            finally:
                kill(process)


def read_until_serving(process: "subprocess.Popen[str]") -> tuple[str, str]:
    """The address of the UI, and all that was printed before it."""
    assert process.stdout
    printed = ""
    for line in process.stdout:
        printed += line
        if found := SERVING.search(line):
            return found[1], printed
    raise AssertionError(f"it ended without serving anything:\n{printed}")


def run_to_its_end(folder: Path, environment: Mapping[str, str]) -> str:
    """What the command prints where it refuses."""
    run = subprocess.run(COMMAND.split(), cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert run.returncode != 0
    return run.stdout


def test_a_newcomer_sees_the_assets_in_the_browser_with_the_sandbox_beside_them(tmp_path: Path) -> None:
    environment = prepare_fresh_clone(tmp_path)
    with start(tmp_path, environment) as process, Session() as browser:
        address, printed = read_until_serving(process)
        browser.mount(address, PATIENT)

        query = {"query": "{ assetNodes { assetKey { path } } }"}
        answer = browser.post(f"{address}/graphql", json=query, timeout=PATIENCE_S).json()
        second = run_to_its_end(tmp_path, environment)

    assert "Reading from the sandbox API at http://127.0.0.1:" in printed
    assert ["invoicing", "invoices"] in [node["assetKey"]["path"] for node in answer["data"]["assetNodes"]]
    assert "Another `make dev` runs in this folder" in second


def test_settings_that_cannot_be_used_end_it_with_a_sentence(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("INVOICE_TIMEZONE=Europe/Belin\n")

    printed = run_to_its_end(tmp_path, prepare_fresh_clone(tmp_path))

    assert "INVOICE_TIMEZONE is 'Europe/Belin': set it to a name such as America/New_York." in printed
    assert "Traceback" not in printed
