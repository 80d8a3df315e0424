"""`python -m invoice_assets_tests.sandbox`: the sandbox in the foreground, with the published limits.

It prints a ready-made .env and runs until it is interrupted. From Python, use `Sandbox` in `server.py`.
"""

from __future__ import annotations

import argparse
import errno
import signal
import sys
import threading
from collections.abc import Sequence
from datetime import date
from pathlib import Path

from invoice_assets_tests.sandbox.admin import ADMIN_PREFIX
from invoice_assets_tests.sandbox.environment_file import render_variables, write_environment_file
from invoice_assets_tests.sandbox.limits import Limits
from invoice_assets_tests.sandbox.server import DEFAULT_HISTORY, Sandbox

DEFAULT_PORT = 8765


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(prog="python -m invoice_assets_tests.sandbox", description="Run the sandbox.")
    parser.add_argument("--port", type=int, default=DEFAULT_PORT, help="a free one is taken when this one is occupied")
    parser.add_argument("--rows", type=int, default=450, help="rows of each of the nine resources")
    parser.add_argument("--seed", type=int, default=7, help="another seed makes other data and other credentials")
    parser.add_argument("--first-day", type=date.fromisoformat, default=DEFAULT_HISTORY[0], help="yyyy-mm-dd")
    parser.add_argument("--last-day", type=date.fromisoformat, default=DEFAULT_HISTORY[1], help="yyyy-mm-dd")
    parser.add_argument("--env-file", type=Path, help="write the .env here, unless somebody else's file is there")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the sandbox until SIGINT or SIGTERM; returns the exit status."""
    options = build_parser().parse_args(arguments)
    interrupted = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: interrupted.set())
    with open_sandbox(options) as sandbox:
        describe(sandbox, env_file=options.env_file)
        interrupted.wait()
    return 0


def open_sandbox(options: argparse.Namespace) -> Sandbox:
    """Return a sandbox on the port asked for, or on a free one when that is occupied."""
    history = (options.first_day, options.last_day)
    limits = Limits.published()
    try:
        return Sandbox(options.rows, options.seed, history=history, limits=limits, port=options.port)
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        print(f"Port {options.port} is occupied: taking a free one.", flush=True)
        return Sandbox(options.rows, options.seed, history=history, limits=limits)


def describe(sandbox: Sandbox, *, env_file: Path | None) -> None:
    """Print where the sandbox is and how to read from it, and write the .env file if asked to."""
    variables = sandbox.environment()
    print(f"The sandbox serves {sandbox.api_base_url}", flush=True)
    if env_file is not None:
        is_written = write_environment_file(env_file, variables)
        print(
            f"Wrote {env_file}."
            if is_written
            else f"Left {env_file} alone: it names an API that is not gone, or is not a sandbox's to write.",
            flush=True,
        )
    print(f"\n{render_variables(variables)}", flush=True)
    describe_authorization(sandbox)


def describe_authorization(sandbox: Sandbox) -> None:
    """Print how to practise `invoice-assets authorize` here, where nobody has an account."""
    print(
        f"""To practise `invoice-assets authorize`, in another terminal:

  .venv/bin/invoice-assets authorize --base-url {sandbox.api_base_url} --token-url {sandbox.token_url}

The client id and the client secret are those above. Where it asks for a grant code, paste what this prints:

  curl --silent --request POST {sandbox.base_url}{ADMIN_PREFIX}/grant_code | cut -d '"' -f 4
""",
        flush=True,
    )


if __name__ == "__main__":
    sys.exit(main())
