"""How notices are put together: one message for all that a channel is told at one time.

Which entries a message has, in which order and how many fit. How one entry reads lives in `wording.py`; what is worth
telling is decided in `incidents.py`.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from enum import IntEnum, StrEnum

from invoice_assets.alerts.incidents import Notice, NoticeKind
from invoice_assets.alerts.observations import Severity
from invoice_assets.alerts.wording import LONGEST_NAME, Moment, clean, shorten, word_entry

BODY_LIMIT = 3500
"""Characters of a body, however much there is to tell: nearly every chat takes as many in one piece."""

TITLE_LIMIT = 150
"""Characters of a title: as many as Slack's headers take."""

IN_FULL, BY_NAME = 10, 10
"""Entries that are told in full, and how many more by name."""


_GAP = "\n\n"


class MessageKind(StrEnum):
    """How a message is coloured, in Apprise's words."""

    FAILURE = "failure"
    WARNING = "warning"
    SUCCESS = "success"
    INFO = "info"


@dataclass(frozen=True, kw_only=True)
class Message:
    """What a channel delivers."""

    title: str
    """One line of plain text."""
    body: str
    """Markdown that reads well as it stands, because many channels show it so."""
    kind: MessageKind


class _State(IntEnum):
    """What a notice leaves its subject in, the worst first."""

    FAILING = 0
    WARNING = 1
    CHANGING = 2
    STILL_FAILING = 3
    RECOVERED = 4


_HEADLINES = {
    _State.FAILING: ("Failing", "failing", "failing"),
    _State.WARNING: ("Warning", "warning", "warnings"),
    _State.CHANGING: ("Keeps changing", "keeps changing", "keep changing"),
    _State.STILL_FAILING: ("Still failing", "still failing", "still failing"),
    _State.RECOVERED: ("Recovered", "recovered", "recovered"),
}
"""Before a name, after the number one, and after any other."""


@dataclass(frozen=True, kw_only=True)
class _Entry:
    """One paragraph: a notice, or several that have one cause."""

    notices: tuple[Notice, ...]
    state: _State
    is_past: bool

    @property
    def names(self) -> list[str]:
        return [notice.observation.report.title for notice in self.notices]


def compose(notices: Sequence[Notice], *, now: float, time_zone: tzinfo, limit: int = BODY_LIMIT) -> Message:
    """The one message that tells of all the notices (at least one), as of `now` (epoch seconds).

    Times are told in `time_zone`. The body has at most `limit` characters: what does not fit is left out by whole
    entries, and counted.
    """
    entries = _arrange(notices)
    moment = Moment(now=now, time_zone=time_zone)
    body = _compose_body(entries, moment=moment, limit=min(limit, BODY_LIMIT))
    return Message(title=_compose_title(entries), body=body, kind=_choose_kind(entries))


def compose_test(channel: str, *, now: float) -> Message:
    """The message that shows that a channel, by its masked name, can be reached."""
    at = datetime.fromtimestamp(now, UTC)
    body = f"This is the test message of {at:%Y-%m-%d %H:%M:%S} UTC to {channel}. Alerts will arrive here."
    return Message(title="Test: alerts arrive", body=body, kind=MessageKind.INFO)


def _arrange(notices: Sequence[Notice]) -> list[_Entry]:
    """Entries, the worst first by what they leave their subjects in, else in the order in which they happened."""
    last = {notice.observation.subject: notice for notice in notices}
    groups: dict[object, list[Notice]] = {}
    for number, notice in enumerate(notices):
        is_past = last[notice.observation.subject] is not notice
        groups.setdefault(_shared_cause(notice, is_past=is_past) or number, []).append(notice)
    entries = [
        _Entry(
            notices=tuple(group),
            state=_name_state(last[group[0].observation.subject]),
            is_past=last[group[0].observation.subject] is not group[0],
        )
        for group in groups.values()
    ]
    return sorted(entries, key=lambda entry: entry.state)


def _shared_cause(notice: Notice, *, is_past: bool) -> object:
    """Equal for notices that one entry can tell of; None where a notice stands for itself."""
    seen = notice.observation
    if not seen.cause or seen.severity is None or is_past or notice.kind is NoticeKind.FLAPPING:
        return None
    report = seen.report
    return notice.kind, seen.severity, seen.cause, report.summary, report.what_to_do, report.partition


def _name_state(notice: Notice) -> _State:
    severity = notice.observation.severity
    if notice.kind is NoticeKind.FLAPPING:
        return _State.CHANGING
    if severity is None:
        return _State.RECOVERED
    if notice.kind in (NoticeKind.REMINDER, NoticeKind.SETTLED):
        return _State.STILL_FAILING
    return _State.FAILING if severity is Severity.ERROR else _State.WARNING


def _choose_kind(entries: Sequence[_Entry]) -> MessageKind:
    current = [entry for entry in entries if not entry.is_past and entry.state is not _State.RECOVERED]
    if not current:
        return MessageKind.SUCCESS
    is_error = any(
        notice.observation.severity is Severity.ERROR
        for entry in current
        for notice in entry.notices
        if entry.state is not _State.CHANGING
    )
    return MessageKind.FAILURE if is_error else MessageKind.WARNING


def _compose_title(entries: Sequence[_Entry]) -> str:
    """The worst by name, the rest by number."""
    names: dict[_State, list[str]] = {}
    for entry in entries:
        if not entry.is_past:
            names.setdefault(entry.state, []).extend(entry.names)
    worst, *others = sorted(names)
    rest = "".join(f"; {_name_number(state, len(names[state]))}" for state in others)
    is_alone = len(names[worst]) == 1
    head = f"{_HEADLINES[worst][0] if is_alone else _name_number(worst, len(names[worst]))}: "
    return head + _list_names(names[worst], limit=TITLE_LIMIT - len(head) - len(rest)) + rest


def _list_names(names: Sequence[str], *, limit: int) -> str:
    """As many names as fit, the first in any case, and how many there are besides."""
    room = limit - len(f" and {len(names)} more")
    listed = [shorten(clean(names[0]), room if len(names) > 1 else limit)]
    for name in map(clean, names[1:]):
        if len(", ".join([*listed, name])) > room:
            break
        listed.append(name)
    left = len(names) - len(listed)
    return ", ".join(listed) + (f" and {left} more" if left else "")


def _compose_body(entries: Sequence[_Entry], *, moment: Moment, limit: int) -> str:
    total = sum(len(entry.notices) for entry in entries)
    parts = [_count(entries, limit=limit // 4)] if len(entries) > IN_FULL else []
    room = limit - sum(len(part) + len(_GAP) for part in parts) - len(_GAP) - len(_GAP + _tell_rest(total))
    told = 0
    for entry in entries[:IN_FULL]:
        text = word_entry(entry.notices, moment=moment, is_past=entry.is_past)
        if len(_GAP + text) > room:
            break
        parts.append(text)
        room -= len(_GAP + text)
        told += 1
    names = list(_fit_names(entries[told : told + BY_NAME], room=room))
    if names:
        parts.append("\n".join(names))
    if left := total - sum(len(entry.notices) for entry in entries[: told + len(names)]):
        parts.append(_tell_rest(left))
    return _GAP.join(parts)


def _count(entries: Sequence[_Entry], *, limit: int) -> str:
    """How many there are of each state, and of each resource where that fits."""
    states: Counter[_State] = Counter()
    resources: Counter[str] = Counter()
    total = sum(len(entry.notices) for entry in entries)
    for entry in entries:
        states[entry.state] += 0 if entry.is_past else len(entry.notices)
        resources.update(notice.observation.resource for notice in entry.notices if notice.observation.resource)
    kinds = ", ".join(_name_number(state, number) for state, number in sorted(states.items()) if number)
    kinds += f", {past} before that" if (past := total - states.total()) else ""
    most = ", ".join(f"{clean(resource)} {number}" for resource, number in resources.most_common(BY_NAME))
    line = f"{total} changes: {kinds}."
    return f"{line} By resource: {most}." if most and len(line) + len(most) < limit else line


def _fit_names(entries: Sequence[_Entry], *, room: int) -> Iterator[str]:
    for entry in entries:
        headline = "Before that" if entry.is_past else _HEADLINES[entry.state][0]
        line = f"- {headline}: {shorten(clean(', '.join(entry.names)), LONGEST_NAME)}"
        room -= len(line) + 1
        if room < 0:
            return
        yield line


def _name_number(state: _State, number: int) -> str:
    _, one, many = _HEADLINES[state]
    return f"{number} {one if number == 1 else many}"


def _tell_rest(number: int) -> str:
    return f"and {number} more"
