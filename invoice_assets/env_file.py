"""The file `.env`: variables changed in it, and every other line and comment left as it is.

What the variables mean lives in `settings.py`; `.env.example` is what a new file begins as. How lines are read is
python-dotenv's business, which reads them for Dagster too. https://saurabh-kumar.com/python-dotenv/
"""

import os
import re
import stat
from collections.abc import Mapping
from io import StringIO
from pathlib import Path
from tempfile import mkstemp

from dotenv import dotenv_values, load_dotenv
from dotenv.parser import parse_stream

from invoice_assets.errors import PermanentError

ENV_FILE, EXAMPLE = Path(".env"), Path(".env.example")
_OWNER_ONLY = 0o600
_PLAIN = re.compile(r"[\w./:@%+,=~-]*", re.ASCII)
_AHEAD = re.compile(r"\s*(export[^\S\r\n]+)?")
"""What stands before a name, as python-dotenv reads it."""

_LINE_END = re.compile(r"\r\n|\n|\r")


class EnvFileError(PermanentError):
    """The file cannot be read or written, or a value cannot stand in it; the message shows no value."""


def read_variables(path: Path) -> dict[str, str]:
    """What the file sets, empty values left out; nothing where there is no file.

    Raises:
        EnvFileError: It cannot be read.
    """
    return _parse(_read(path))


def load_variables(path: Path) -> None:
    """Set what the file sets in this process's environment, but for what is set there already, as Dagster does.

    Raises:
        EnvFileError: It cannot be read.
    """
    load_dotenv(stream=StringIO(_leave_out_broken_lines(_read(path))))


def find_broken_lines(path: Path) -> list[int]:
    """The numbers of the lines, from 1, on which something begins that cannot be read, and so sets nothing.

    Raises:
        EnvFileError: The file cannot be read.
    """
    numbers, before = [], ""
    for binding in parse_stream(StringIO(_read(path), newline="")):
        if binding.error:
            blank = binding.original.string[: -len(binding.original.string.lstrip())]
            numbers.append(1 + len(_LINE_END.findall(before + blank)))
        before += binding.original.string
    return numbers


def require_writable(path: Path) -> None:
    """Find out whether the file could be written, before something is obtained that could only stand there.

    Raises:
        EnvFileError: It could not.
    """
    target = path.resolve()
    try:
        descriptor, temporary = mkstemp(prefix=f"{target.name}.", dir=target.parent)
        os.close(descriptor)
        os.unlink(temporary)
    except OSError as error:
        raise _describe_unwritable(path, error) from error


def set_variables(path: Path, values: Mapping[str, str]) -> None:
    """Give variables these values in the file, for its owner alone, at once or not at all.

    A new file begins as the folder's `.env.example`, where there is one. A link is followed.

    Raises:
        EnvFileError: It cannot be written; it is as it was.
    """
    target = path.resolve()
    text = change_variables(_read(target) if target.exists() else _read(path.with_name(EXAMPLE.name)), values)
    try:
        descriptor, temporary = mkstemp(prefix=f"{target.name}.", dir=target.parent)
        try:
            with open(descriptor, "w", encoding="utf-8", newline="") as file:
                os.fchmod(descriptor, _OWNER_ONLY)
                file.write(text)
                file.flush()
                os.fsync(descriptor)
            os.replace(temporary, target)
        except OSError:
            os.unlink(temporary)
            raise
    except OSError as error:
        raise _describe_unwritable(path, error) from error


def change_variables(text: str, values: Mapping[str, str]) -> str:
    """The text with these values: on the lines that set them, else at the end.

    Raises:
        EnvFileError: A value would be read as another one.
    """
    left, pieces = dict(values), []
    for binding in parse_stream(StringIO(text, newline="")):
        if binding.key not in values:
            pieces.append(binding.original.string)
        elif binding.key in left:
            ahead = _AHEAD.match(binding.original.string)
            pieces.append(f"{ahead[0] if ahead else ''}{_render(binding.key, left.pop(binding.key))}\n")
    changed = "".join(pieces)
    changed += "\n" if left and changed and not changed.endswith("\n") else ""
    changed += "".join(f"{_render(name, value)}\n" for name, value in left.items())
    read = _parse(changed)
    if wrong := [name for name, value in values.items() if value and read.get(name) != value]:
        raise EnvFileError(f"{', '.join(wrong)} has characters that .env cannot hold. Copy the value again.")
    return changed


def is_for_the_owner_alone(path: Path) -> bool:
    """Whether nobody else may read the file."""
    return not stat.S_IMODE(path.stat().st_mode) & 0o077


def _read(path: Path) -> str:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            text = file.read()
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no UTF-8"
        raise EnvFileError(f"{path} cannot be read ({reason}). Mend it, or move it away.") from error
    if "\0" in text:
        raise EnvFileError(f"{path} cannot be read (it is no text). Mend it, or move it away.")
    return text


def _describe_unwritable(path: Path, error: OSError) -> EnvFileError:
    return EnvFileError(f"{path} cannot be written ({error.strerror}). Make room, or mend its folder.")


def _parse(text: str) -> dict[str, str]:
    values = dotenv_values(stream=StringIO(_leave_out_broken_lines(text)))
    return {name: value for name, value in values.items() if value}


def _leave_out_broken_lines(text: str) -> str:
    """What python-dotenv reads without a word: of a broken line it would log the number, and not the file."""
    bindings = parse_stream(StringIO(text, newline=""))
    return "".join(binding.original.string for binding in bindings if not binding.error)


def _render(name: str, value: str) -> str:
    quoted = "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
    return f"{name}={value if _PLAIN.fullmatch(value) else quoted}"
