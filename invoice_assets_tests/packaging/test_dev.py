import os
import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from requests import Session
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from invoice_assets_tests.packaging.fresh_clone import prepare_fresh_clone

COMMAND = "make dev"
PATIENT = HTTPAdapter(max_retries=Retry(connect=8, backoff_factor=0.25))
"""For a server that names its address before it listens there."""
SERVING = re.compile(r"Serving dagster-webserver on (http://127\.0\.0\.1:\d+)")


@contextmanager
def start(folder: Path) -> Iterator["subprocess.Popen[str]"]:
    """The command in a terminal of its own, which Ctrl+C ends."""
    process = subprocess.Popen(
        COMMAND.split(),
        cwd=folder,
        env=prepare_fresh_clone(folder),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        os.killpg(process.pid, signal.SIGINT)
        process.communicate(timeout=60)


def read_until_serving(process: "subprocess.Popen[str]") -> tuple[str, str]:
    """The address of the UI, and all that was printed before it."""
    assert process.stdout
    printed = ""
    for line in process.stdout:
        printed += line
        if found := SERVING.search(line):
            return found[1], printed
    raise AssertionError(f"it ended without serving anything:\n{printed}")


def test_a_newcomer_sees_the_assets_in_the_browser_with_the_sandbox_beside_them(tmp_path: Path) -> None:
    with start(tmp_path) as process, Session() as browser:
        address, printed = read_until_serving(process)
        browser.mount(address, PATIENT)

        query = {"query": "{ assetNodes { assetKey { path } } }"}
        answer = browser.post(f"{address}/graphql", json=query, timeout=60).json()

    assert "Reading from the sandbox API at http://127.0.0.1:" in printed
    assert ["invoicing", "invoices"] in [node["assetKey"]["path"] for node in answer["data"]["assetNodes"]]
