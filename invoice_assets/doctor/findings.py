"""What an examination finds: one kind of row, for people and machines alike.

What is looked at lives in the other modules of this package; how findings are shown, in the command line.
"""

import logging
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from invoice_assets.errors import InvoicingError
from invoice_assets.variables import SettingsError

_log = logging.getLogger(__name__)


class State(StrEnum):
    """How bad a finding is."""

    FINE = "fine"
    WARNING = "warning"
    """Loads run; somebody should know."""
    FAILING = "failing"
    """Loads do not run, or not as they should."""
    NOT_EXAMINED = "not examined"
    """What it depends on fails."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that was looked at. It holds no secret and no value of a row."""

    name: str
    state: State
    what: str
    what_to_do: str = ""
    organization: str = ""
    """The slug of the organisation that it is about; empty where it is about all, or there is one."""


def fine(name: str, what: str) -> Finding:
    """A finding that all is well."""
    return Finding(name=name, state=State.FINE, what=what)


def not_examined(name: str, what: str) -> Finding:
    """A finding that nothing is known."""
    return Finding(name=name, state=State.NOT_EXAMINED, what=what)


def describe_error(name: str, error: InvoicingError | SettingsError, *, state: State = State.FAILING) -> Finding:
    """An error of ours as a finding: its first sentence, or all before its colon, is what; the rest what to do."""
    what, _, what_to_do = str(error).partition(". ")
    if not what_to_do and ": " in what:
        what, _, what_to_do = what.rpartition(": ")
    return Finding(name=name, state=state, what=what.rstrip("."), what_to_do=what_to_do[:1].upper() + what_to_do[1:])


def collect(name: str, look: Callable[[], Iterable[Finding]]) -> Iterator[Finding]:
    """What a look finds; an error that ends it is a finding too, so that one thing does not hide the others."""
    try:
        yield from look()
    except (InvoicingError, SettingsError) as error:
        yield describe_error(name, error)
    except Exception as error:
        _log.debug("%s", name, exc_info=True)
        yield Finding(
            name=name,
            state=State.FAILING,
            what=f"the look at it ended in an error that nobody foresaw ({type(error).__name__})",
            what_to_do="Run `invoice-assets --debug doctor` for its traceback, and report it.",
        )
