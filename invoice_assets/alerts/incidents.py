"""What is worth telling: a state machine that turns observations into notices, and nothing else.

It knows no clock, no channel and no storage: the time is an argument, and what it must not forget is a `Memory`.
How notices are worded lives in `messages.py`.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum

from invoice_assets.alerts.memory import OVERLAP_S, Flap, Incident, Memory
from invoice_assets.alerts.observations import Observation, Severity


@dataclass(frozen=True, kw_only=True)
class AlertPolicy:
    """When a failure is told of again, and from when on changes are too many to tell. Times are in seconds."""

    remind_after_s: float = 24 * 3600
    flap_changes: int = 4
    """Changes of one subject that are told within `flap_window_s`; with one more it is flapping."""
    flap_window_s: float = 3600


class NoticeKind(StrEnum):
    """What has happened to a subject."""

    FAILED = "failed"
    """It passed, or was unknown, and fails now."""
    WORSE = "worse"
    """It was failing, and fails more severely or for another cause now."""
    RECOVERED = "recovered"
    """It failed and passes now."""
    REMINDER = "reminder"
    """It still fails, and that was told long ago."""
    FLAPPING = "flapping"
    """It keeps changing; the next word comes once it has been stable."""
    SETTLED = "settled"
    """It was flapping and has been stable since: failing or passing, as the observation says."""


@dataclass(frozen=True, kw_only=True)
class Notice:
    """One thing to tell of one subject."""

    kind: NoticeKind
    since: float
    """When the streak of failures began, or the flapping that leaves it passing; epoch seconds."""
    observation: Observation


def start_memory(current: Iterable[Observation], *, now: float) -> Memory:
    """The memory of a channel that is new: what fails at `now` counts as told then, so nothing is."""
    observations = list(current)
    return Memory(
        read_until=now,
        recent={seen.subject: seen.at for seen in observations if seen.at > now - OVERLAP_S},
        incidents={
            seen.subject: Incident(since=seen.at, told_at=now, told_severity=seen.severity, observation=seen)
            for seen in observations
            if seen.severity is not None
        },
    )


def forget(memory: Memory, *, knows: Callable[[str], bool]) -> Memory:
    """The memory without subjects that there are no more: nobody can mend them, so nobody is reminded."""
    return replace(
        memory,
        incidents={subject: incident for subject, incident in memory.incidents.items() if knows(subject)},
        flaps={subject: flap for subject, flap in memory.flaps.items() if knows(subject)},
    )


def advance(
    memory: Memory, observations: Iterable[Observation], *, now: float, policy: AlertPolicy
) -> tuple[tuple[Notice, ...], Memory]:
    """What is to be told at `now` (epoch seconds), in the order in which it happened, and the memory after that.

    Observations that the memory has taken in before change nothing, so a look may read some again. A notice follows
    from the observations alone, however they are spread over looks; only a reminder depends on when a look is.
    """
    look = _Look(memory, now=now, policy=policy)
    notices: list[Notice] = []
    for observation in sorted(observations, key=lambda seen: seen.at):
        if look.is_new(observation):
            notices += look.settle(until=observation.at)
            notices += look.take(observation)
    notices += look.settle(until=now)
    notices += look.remind()
    return tuple(notices), look.close()


class _Look:
    """One look's working copy of a memory."""

    def __init__(self, memory: Memory, *, now: float, policy: AlertPolicy) -> None:
        self._memory, self._now, self._policy = memory, now, policy
        self._recent = dict(memory.recent)
        self._incidents = dict(memory.incidents)
        self._changes = dict(memory.changes)
        self._flaps = dict(memory.flaps)

    def is_new(self, observation: Observation) -> bool:
        """Whether no look has taken it in, nor a later one of its subject."""
        return observation.at > max(self._memory.read_from, self._recent.get(observation.subject, float("-inf")))

    def take(self, observation: Observation) -> Iterator[Notice]:
        """Take a new observation in; the notice that it is worth, if any."""
        subject = observation.subject
        self._recent[subject] = observation.at
        incident = self._incidents.get(subject)
        kind = _name_change(incident, observation)
        since = incident.since if incident else observation.at
        if observation.severity is None:
            self._incidents.pop(subject, None)
        elif incident is None or kind is not None:
            self._incidents[subject] = Incident(
                since=since, told_at=self._now, told_severity=observation.severity, observation=observation
            )
        else:
            self._incidents[subject] = replace(incident, observation=observation)
        if kind is not None:
            yield from self._damp(Notice(kind=kind, since=since, observation=observation))

    def _damp(self, notice: Notice) -> Iterator[Notice]:
        """The notice, unless its subject has changed too often of late."""
        subject, at = notice.observation.subject, notice.observation.at
        if flap := self._flaps.get(subject):
            self._flaps[subject] = replace(flap, changed_at=at, observation=notice.observation)
            return
        earliest = at - self._policy.flap_window_s
        changes = (*(change for change in self._changes.get(subject, ()) if change > earliest), at)
        self._changes[subject] = changes
        if len(changes) <= self._policy.flap_changes:
            yield notice
            return
        del self._changes[subject]
        self._flaps[subject] = Flap(since=changes[0], changed_at=at, told_at=self._now, observation=notice.observation)
        yield replace(notice, kind=NoticeKind.FLAPPING, since=changes[0])

    def settle(self, *, until: float) -> list[Notice]:
        """Notices of what had been stable for long enough by then, in the order in which that came about."""
        window_s = self._policy.flap_window_s
        settled = [subject for subject, flap in self._flaps.items() if flap.changed_at + window_s <= until]
        settled.sort(key=lambda subject: (self._flaps[subject].changed_at, subject))
        return [self._settle_one(subject) for subject in settled]

    def _settle_one(self, subject: str) -> Notice:
        flap = self._flaps.pop(subject)
        if subject not in self._incidents:
            return Notice(kind=NoticeKind.SETTLED, since=flap.since, observation=flap.observation)
        return self._tell_again(subject, NoticeKind.SETTLED)

    def remind(self) -> Iterator[Notice]:
        """Notices of what was last told of too long ago; what is flapping is said to flap still."""
        due = self._now - self._policy.remind_after_s
        for subject, flap in list(self._flaps.items()):
            if flap.told_at <= due:
                self._flaps[subject] = replace(flap, told_at=self._now)
                yield Notice(kind=NoticeKind.FLAPPING, since=flap.since, observation=flap.observation)
        for subject, incident in list(self._incidents.items()):
            if subject not in self._flaps and incident.told_at <= due:
                yield self._tell_again(subject, NoticeKind.REMINDER)

    def _tell_again(self, subject: str, kind: NoticeKind) -> Notice:
        incident = self._incidents[subject]
        severity = incident.observation.severity or incident.told_severity
        self._incidents[subject] = replace(incident, told_at=self._now, told_severity=severity)
        return Notice(kind=kind, since=incident.since, observation=incident.observation)

    def close(self) -> Memory:
        """The memory after the look, without what no later look can ask for."""
        is_clock_back = self._now < self._memory.read_from
        read_until = self._now if is_clock_back else max(self._memory.read_until, self._now)
        # Times that a clock put into the future, before it was set right, would hide what is observed until then.
        latest = self._now if is_clock_back else float("inf")
        earliest_change = read_until - self._policy.flap_window_s
        return Memory(
            read_until=read_until,
            recent={subject: at for subject, at in self._recent.items() if read_until - OVERLAP_S < at <= latest},
            incidents=self._incidents,
            changes={subject: times for subject, times in self._changes.items() if times[-1] > earliest_change},
            flaps=self._flaps,
        )


def _name_change(incident: Incident | None, observation: Observation) -> NoticeKind | None:
    if incident is None:
        return None if observation.severity is None else NoticeKind.FAILED
    if observation.severity is None:
        return NoticeKind.RECOVERED
    rises = observation.severity is Severity.ERROR and incident.told_severity is Severity.WARN
    return NoticeKind.WORSE if rises or observation.cause != incident.observation.cause else None
