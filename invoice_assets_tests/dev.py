"""`make dev`: `dagster dev`, with a sandbox API beside it unless somebody's `.env` names an API.

The sandbox lives in `sandbox/`; `dagster dev` itself is started as a user would start it.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from dagster import DagsterInstance

from invoice_assets_tests.demo import describe_environment, open_demo_sandbox
from invoice_assets_tests.local_environment import ENV_FILE, find_api
from invoice_assets_tests.sandbox.environment_file import is_ours, write_environment_file

QUIET = {"PYTHONWARNINGS": "ignore:Function `dev_command` is superseded"}
"""Without Dagster's own advice to use `dg`, a package of its own that this project does without."""


def main(arguments: list[str]) -> int:
    """Run until interrupted; `arguments` go to `dagster dev`. Returns its exit status."""
    with DagsterInstance.get() as instance:
        instance.get_runs_count()  # a fresh instance is initialised by one process, before several use it at once
    with open_api() as environment:
        return run_dagster_dev(arguments, environment)


@contextmanager
def open_api() -> Iterator[Mapping[str, str]]:
    """The environment of an API to read from: that of `.env`, or of a sandbox that lives as long as the context."""
    leftover = is_ours(ENV_FILE)
    if not leftover and (api := find_api()):
        print(f"Reading from {api}, as .env says.", flush=True)
        yield {}
        return
    with open_demo_sandbox() as sandbox:
        environment = describe_environment(sandbox)
        if leftover:  # Dagster would take the address of a sandbox that is gone from there.
            write_environment_file(ENV_FILE, environment)
        print(f"Reading from the sandbox API at {sandbox.api_base_url}.", flush=True)
        yield environment


def run_dagster_dev(arguments: list[str], environment: Mapping[str, str]) -> int:
    """`dagster dev` in the foreground; an interrupt or a termination of this process ends it first."""
    children: list[subprocess.Popen[bytes]] = []

    def pass_on(number: int, frame: FrameType | None) -> None:
        for child in children:
            child.send_signal(signal.SIGINT)

    # Handled before the child starts: it would inherit an ignored interrupt from a background shell for good.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, pass_on)
    command = [str(Path(sys.executable).with_name("dagster")), "dev", *arguments]
    children.append(subprocess.Popen(command, env={**QUIET, **os.environ, **environment}, start_new_session=True))
    return children[0].wait()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
