"""The commands that files of `deploy/` name, held against what the installed packages have.

Which files name them lives in the tests of each.
"""

from collections.abc import Mapping, Sequence
from importlib.metadata import entry_points
from importlib.util import find_spec

import click
from celery.bin.worker import worker
from dagster._cli import create_dagster_cli
from dagster._daemon.cli import create_dagster_daemon_cli
from dagster_webserver.cli import dagster_webserver

COMMANDS: Mapping[str, click.Command] = {
    "dagster": create_dagster_cli(),  # type: ignore[no-untyped-call]
    "dagster-daemon": create_dagster_daemon_cli(),
    "dagster-webserver": dagster_webserver,
}


def find_misuse(name: str, arguments: Sequence[str]) -> str | None:
    """What an installed command has against its arguments, as far as to where it would begin to work; None: nothing."""
    if name not in {script.name for script in entry_points(group="console_scripts")}:
        return f"there is no command {name}"
    if name == "celery":
        return _find_misuse_of_worker(arguments)
    try:
        _parse(COMMANDS[name], arguments)
    except click.UsageError as error:
        return error.format_message()
    return None


def _find_misuse_of_worker(arguments: Sequence[str]) -> str | None:
    app, module, subcommand, *options = arguments
    known = {option for parameter in worker.params for option in parameter.opts}
    if (app, subcommand) != ("--app", worker.name) or not find_spec(module):
        return f"{app} {module} {subcommand} starts no worker"
    unknown = {*options[::2]} - known
    return f"No such options: {sorted(unknown)}" if unknown else None


def _parse(command: click.Command, arguments: Sequence[str]) -> None:
    context = command.make_context(command.name, list(arguments))
    if isinstance(command, click.Group):
        _, subcommand, rest = command.resolve_command(context, [*context._protected_args, *context.args])
        assert subcommand is not None
        _parse(subcommand, rest)
