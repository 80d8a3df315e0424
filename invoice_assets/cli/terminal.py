"""What commands have in common on a terminal: exit status, questions, words that are not wrapped.

Who answers a question by an option is the business of each command.
"""

import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import typer
from rich.table import Column, Table

from invoice_assets.errors import PermanentError

FAILING = 1
"""Exit status where something fails, did not arrive, or could not be done."""


class UnansweredError(PermanentError):
    """A question has no answer, and nobody can be asked."""


def say(text: str = "") -> None:
    """Print a line as it is, to be read or copied."""
    typer.echo(text)


def build_table(*headers: str) -> Table:
    """A table without rows; where the terminal is narrow, words are broken rather than cut off."""
    return Table(*(Column(header, overflow="fold") for header in headers))


def ask(question: str, *, option: str, default: str = "", is_secret: bool = False) -> str:
    """What the person at the terminal types, a secret unseen; the default for only Enter, or where nobody is there.

    Raises:
        UnansweredError: There is no terminal, and no default; the message names the option to give.
    """
    if not sys.stdin.isatty():
        if default:
            return default
        raise UnansweredError(f"{question}: nobody is there to be asked. Give {option}.")
    hint = " (hidden; Enter keeps the one that is set)" if default and is_secret else " (hidden)" if is_secret else ""
    typed = partial(
        typer.prompt,
        question + hint,
        default=default,
        show_default=bool(default) and not is_secret,
        hide_input=is_secret,
    )
    while not (answer := str(typed()).strip()):
        say("Nothing was typed. Ctrl+C ends this.")
    return answer


def choose(question: str, choices: Sequence[str], *, option: str, default: str = "") -> str:
    """The one of the choices that the person at the terminal types.

    Raises:
        UnansweredError: As `ask`.
    """
    while (answer := ask(question, option=option, default=default)) not in choices:
        say(f"{answer!r} is none of {', '.join(choices)}.")
    return answer


def confirm(question: str, *, option: str) -> bool:
    """Whether the person at the terminal agrees.

    Raises:
        UnansweredError: As `ask`.
    """
    return choose(f"{question} (y/n)", ("y", "n"), option=option) == "y"


def read_secret(path: Path) -> str:
    """A secret from a file, or from standard input where the path is `-`.

    Raises:
        UnansweredError: It cannot be read, or is empty.
    """
    try:
        secret = (sys.stdin.readline() if str(path) == "-" else path.read_text(encoding="utf-8")).strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        raise UnansweredError(f"{path} cannot be read ({reason}). Name a file that has only the secret.") from None
    if not secret:
        raise UnansweredError(f"{path} is empty. Name a file that has only the secret, or - for standard input.")
    return secret
