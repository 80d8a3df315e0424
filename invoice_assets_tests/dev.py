"""`make dev`: `dagster dev`, with a sandbox API beside it unless `.env` names an API that is there.

The sandbox lives in `sandbox/`; `dagster dev` itself is started as a user would start it, once in a folder and with
settings that can be used.
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
from filelock import FileLock, Timeout

from invoice_assets.env_file import EnvFileError, read_variables
from invoice_assets.organizations import split_by_organization
from invoice_assets.settings import Settings
from invoice_assets.variables import SettingsError
from invoice_assets_tests.demo import describe_environment, open_demo_sandbox
from invoice_assets_tests.sandbox.environment_file import ENV_FILE, find_api, is_left_over, write_environment_file

LOCK = Path("data/dev.lock")
QUIET = {"PYTHONWARNINGS": "ignore:Function `dev_command` is superseded"}
"""Without Dagster's own advice to use `dg`, a package of its own that this project does without."""


def main(arguments: list[str]) -> int:
    """Run until interrupted; `arguments` go to `dagster dev`. Returns its exit status."""
    LOCK.parent.mkdir(exist_ok=True)
    try:
        with FileLock(LOCK, timeout=0):
            split_by_organization(Settings.from_env({**os.environ, **read_variables(ENV_FILE)}))
            with DagsterInstance.get() as instance:
                instance.get_runs_count()  # a fresh instance is initialised by one process, before several use it
            with open_api() as environment:
                return run_dagster_dev(arguments, environment)
    except Timeout:
        print("Another `make dev` runs in this folder, and two would run every schedule twice. Stop that one first.")
    except (SettingsError, EnvFileError) as error:
        print(error)
    return 1


@contextmanager
def open_api() -> Iterator[Mapping[str, str]]:
    """The environment of an API to read from: that of `.env`, or of a sandbox that lives as long as the context."""
    is_sandboxes = is_left_over()
    if not is_sandboxes and (api := find_api()):
        print(f"Reading from {api}, as .env says.", flush=True)
        yield {}
        return
    with open_demo_sandbox() as sandbox:
        environment = describe_environment(sandbox)
        if is_sandboxes:  # Dagster would take the address of the one that is gone from there.
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
