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


def parse_command(name: str, arguments: Sequence[str]) -> None:
    """Let an installed command read its arguments, as far as to where it would begin to work.

    Raises:
        click.UsageError: It has no such subcommand or option.
    """
    assert name in {script.name for script in entry_points(group="console_scripts")}
    if name == "celery":
        _parse_worker(arguments)
    else:
        _parse(COMMANDS[name], arguments)


def _parse_worker(arguments: Sequence[str]) -> None:
    app, module, subcommand, *options = arguments
    assert (app, subcommand) == ("--app", worker.name)
    assert find_spec(module)
    known = {option for parameter in worker.params for option in parameter.opts}
    for option in options[::2]:
        if option not in known:
            raise click.NoSuchOption(option)


def _parse(command: click.Command, arguments: Sequence[str]) -> None:
    context = command.make_context(command.name, list(arguments))
    if isinstance(command, click.Group):
        _, subcommand, rest = command.resolve_command(context, [*context._protected_args, *context.args])
        assert subcommand is not None
        _parse(subcommand, rest)
