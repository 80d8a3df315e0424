"""What a channel remembers from one look to the next, and how that is written down.

What is made of observations lives in `incidents.py`; where the text is kept is the business of whoever calls
`dispatch.py`. The text holds what was observed, and nothing of the channel's address.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from invoice_assets.alerts.observations import Observation, Report, Severity
from invoice_assets.errors import PermanentError

OVERLAP_S = 300
"""How late an observation may be written and still be told of: each look reads this much again."""

VERSION = 1
"""Of the text. One of another version is refused: a fresh start in its place would leave failures untold."""


class AlertMemoryError(PermanentError):
    """A channel's memory cannot be read: what it was told, and what it was not, is not known."""


@dataclass(frozen=True, kw_only=True)
class Incident:
    """A subject that fails, as the channel's readers know it. Times are epoch seconds."""

    since: float
    """When this streak of failures began."""
    told_at: float
    told_severity: Severity
    observation: Observation
    """The latest failure, for reminders."""


@dataclass(frozen=True, kw_only=True)
class Flap:
    """A subject that keeps changing: told once, and again when it has settled. Times are epoch seconds."""

    since: float
    """When the changes began."""
    changed_at: float
    told_at: float
    observation: Observation
    """The latest change."""


@dataclass(frozen=True, kw_only=True)
class Memory:
    """All that a channel knows. It grows with what fails or has just been seen, not with what there is.

    Times are epoch seconds; the mappings are by subject.
    """

    read_until: float
    recent: Mapping[str, float] = field(default_factory=dict)
    """The latest `at` that was taken in, of what the next look may read again."""
    incidents: Mapping[str, Incident] = field(default_factory=dict)
    changes: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    """When a subject changed and that was told, as far back as flapping counts."""
    flaps: Mapping[str, Flap] = field(default_factory=dict)
    attempts: int = 0
    """Deliveries that have failed in a row."""
    next_attempt_at: float = 0.0

    @property
    def read_from(self) -> float:
        """Since when the next look reads, in epoch seconds."""
        return self.read_until - OVERLAP_S

    def to_json(self) -> str:
        """The memory as text that `from_json` reads."""
        return json.dumps({"version": VERSION, **asdict(self)}, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> "Memory":
        """The memory that `to_json` wrote.

        Raises:
            AlertMemoryError: The text is of another version, or none of this project's.
        """
        try:
            record = json.loads(text)
            if record["version"] != VERSION:
                raise AlertMemoryError(f"it is of version {record['version']!r}, and this release reads {VERSION}")
            return _parse_memory(record)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise AlertMemoryError(f"it is damaged ({type(error).__name__})") from error


def _parse_memory(record: Mapping[str, Any]) -> Memory:
    return Memory(
        read_until=float(record["read_until"]),
        recent={subject: float(at) for subject, at in record["recent"].items()},
        incidents={subject: _parse_incident(incident) for subject, incident in record["incidents"].items()},
        changes={subject: tuple(float(at) for at in times) for subject, times in record["changes"].items()},
        flaps={subject: _parse_flap(flap) for subject, flap in record["flaps"].items()},
        attempts=int(record["attempts"]),
        next_attempt_at=float(record["next_attempt_at"]),
    )


def _parse_incident(record: Mapping[str, Any]) -> Incident:
    return Incident(
        since=float(record["since"]),
        told_at=float(record["told_at"]),
        told_severity=Severity(record["told_severity"]),
        observation=_parse_observation(record["observation"]),
    )


def _parse_flap(record: Mapping[str, Any]) -> Flap:
    return Flap(
        since=float(record["since"]),
        changed_at=float(record["changed_at"]),
        told_at=float(record["told_at"]),
        observation=_parse_observation(record["observation"]),
    )


def _parse_observation(record: Mapping[str, Any]) -> Observation:
    report = {
        **record["report"],
        "sample_keys": tuple(record["report"]["sample_keys"]),
        "links": tuple((text, address) for text, address in record["report"]["links"]),
    }
    return Observation(
        subject=record["subject"],
        resource=record["resource"],
        at=float(record["at"]),
        severity=Severity(record["severity"]) if record["severity"] else None,
        cause=record["cause"],
        report=Report(**report),
    )
