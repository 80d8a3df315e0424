"""What is observed of a check or a load, and who reads it: the words that the rest of this package is written in.

Where observations come from is the business of `defs/`; what is made of them that of `incidents.py`.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


class Severity(StrEnum):
    """How bad a failure is, in Dagster's words for asset checks."""

    WARN = "warn"
    ERROR = "error"


@dataclass(frozen=True, kw_only=True)
class Report:
    """What a person is told of a failure. It holds keys of rows and never their values, and no secret."""

    title: str
    """What it is about, such as `invoices: primary_key_is_unique`."""
    summary: str
    """What is wrong, in a sentence or two."""
    what_to_do: str = ""
    rows: int | None = None
    """Offending rows, where rows are what offends."""
    sample_keys: tuple[str, ...] = ()
    partition: str | None = None
    """The partition, or `first...last`, that the run was for."""
    links: tuple[tuple[str, str], ...] = ()
    """Text and address of pages in the Dagster UI."""


@dataclass(frozen=True, kw_only=True)
class Observation:
    """One subject, seen at one time: a check that was evaluated, a load that failed or succeeded."""

    subject: str
    """Identifies what is observed, in every observation of it alike."""
    resource: str
    """The resource that it belongs to, for routing; empty where it belongs to none."""
    at: float
    """When it was so, in epoch seconds."""
    severity: Severity | None
    """None where all is well."""
    cause: str = ""
    """What makes two failures of one subject the same; another cause is worth another message."""
    report: Report


class ObservationReader(Protocol):
    """Reads observations, from wherever they are kept."""

    def read_current(self) -> Iterable[Observation]:
        """The latest observation of each subject: what is known before anything is told."""

    def read_since(self, since: float) -> Iterable[Observation]:
        """Every observation made after the instant (epoch seconds), oldest first; asked again, the same ones."""

    def knows(self, subject: str) -> bool:
        """Whether there still is such a subject; one that is gone will never be seen to pass."""
