"""Observations as tests write them: a subject, a time, and what was seen.

What is done with them lives in the test modules.
"""

from collections.abc import Iterable

from invoice_assets.alerts.incidents import Notice
from invoice_assets.alerts.observations import Observation, Report, Severity

WARN, ERROR = Severity.WARN, Severity.ERROR
PASS = None
KEYS_UNIQUE = "invoices: primary_key_is_unique"
KEYS_PRESENT = "contacts: primary_key_is_present"


def observe(
    at: float,
    severity: Severity | None,
    *,
    subject: str = KEYS_UNIQUE,
    cause: str = "",
    resource: str | None = None,
    report: Report | None = None,
) -> Observation:
    """The subject, seen at `at`; its resource and its report's title follow from it where nothing else is said."""
    return Observation(
        subject=subject,
        resource=subject.partition(":")[0] if resource is None else resource,
        at=at,
        severity=severity,
        cause=cause,
        report=report or Report(title=subject, summary="All is well." if severity is None else "3 keys occur twice."),
    )


def outline(notices: Iterable[Notice]) -> list[tuple[str, str, float]]:
    """What a test compares: kind, subject, and when the observation was made."""
    return [(notice.kind.value, notice.observation.subject, notice.observation.at) for notice in notices]


class Timeline:
    """Reads observations out of a list, in which tests write down what happens."""

    def __init__(self, *observations: Observation) -> None:
        self.observations = list(observations)
        self.reads: list[float] = []
        """What `read_since` was asked for."""
        self.gone: set[str] = set()
        """Subjects that there are no more."""

    def read_current(self) -> list[Observation]:
        """The latest observation of each subject."""
        return list({seen.subject: seen for seen in sorted(self.observations, key=lambda seen: seen.at)}.values())

    def read_since(self, since: float) -> list[Observation]:
        """Every observation made after the instant."""
        self.reads.append(since)
        return sorted((seen for seen in self.observations if seen.at > since), key=lambda seen: seen.at)

    def knows(self, subject: str) -> bool:
        """Whether the subject is not gone."""
        return subject not in self.gone


class Notebook:
    """Keeps memories in a dictionary. With `broken` set, it saves nothing for that channel and raises."""

    def __init__(self) -> None:
        self.texts: dict[str, str] = {}
        self.saves = 0
        self.broken: str | None = None

    def load(self, channel_id: str) -> str | None:
        """The text that was saved last."""
        return self.texts.get(channel_id)

    def save(self, channel_id: str, text: str) -> None:
        """Keep the text, or raise `OSError` as a storage that has gone away."""
        if channel_id == self.broken:
            raise OSError("the storage has gone away")
        self.saves += 1
        self.texts[channel_id] = text
