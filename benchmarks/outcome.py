"""What a part of the benchmark has found: tables, targets and bars, kept as JSON from one run to the next.

How they look in RESULTS.md is the business of `report.py`.
"""

import os
import platform
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version
from pathlib import Path

import msgspec

from benchmarks.peers.environments import ENVIRONMENTS

RESULTS = ENVIRONMENTS / "results"
TIMES = "\N{MULTIPLICATION SIGN}"
"""What a ratio is counted in."""
PACKAGES = ("dagster", "dlt", "duckdb", "pyarrow", "requests")


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table as it is shown: texts first, in as many columns as the header has."""

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""
    """What the figures are, and how they were taken."""


@dataclass(frozen=True, kw_only=True)
class Target:
    """What was to be reached, and what was."""

    claim: str
    figure: float
    bound: float
    unit: str = ""
    """What both are counted in, with the blank before it."""
    is_minimum: bool = False
    """Whether the figure must be at least the bound, and not at most."""

    @property
    def is_met(self) -> bool:
        """Whether it was reached."""
        return self.figure >= self.bound if self.is_minimum else self.figure <= self.bound


@dataclass(frozen=True, kw_only=True)
class Bar:
    """One loader in the plot."""

    label: str
    cpu_s: float
    peak_mb: float
    times_limit: float
    is_ours: bool = False


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What one part has found."""

    title: str
    tables: tuple[Table, ...]
    targets: tuple[Target, ...] = ()
    bars: tuple[Bar, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Record:
    """An outcome with when and where it was found; parts of one run share the time at which the run began."""

    part: str
    began_at: datetime
    machine: str
    outcome: Outcome


def describe_machine() -> str:
    """Cores, Python and the versions of the packages that matter."""
    packages = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    system = f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}"
    return f"{system}, Python {platform.python_version()}, {packages}"


def save(record: Record) -> None:
    """Keep a record, in the place of what the same part found before."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    _path_of(record.part).write_bytes(msgspec.json.format(msgspec.json.encode(record)))


def load(parts: Iterable[str]) -> list[Record]:
    """What these parts have found, in their order; those that never ran are left out."""
    paths = [_path_of(part) for part in parts]
    return [msgspec.json.decode(path.read_bytes(), type=Record) for path in paths if path.is_file()]


def _path_of(part: str) -> Path:
    return RESULTS / f"{part}.json"
