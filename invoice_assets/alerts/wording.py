"""How one entry of a message reads, in Markdown that is as good to read as plain text.

Which entries there are, and how many fit, lives in `messages.py`. A report comes from checks and servers, so nothing
in it may become markup: a tag in a mail, or a call on everyone in a chat.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from urllib.parse import quote

from invoice_assets.alerts.incidents import Notice, NoticeKind
from invoice_assets.alerts.observations import Report, Severity

LONGEST_TEXT, LONGEST_NAME, LONGEST_KEY, MOST_KEYS = 400, 80, 60, 5
"""Characters of a sentence, of a name and of a key, and how many keys: one entry is well below what a body holds."""

MOST_NAMES = 10
"""Names that one entry lists."""

MOST_LINKS, LONGEST_ADDRESS = 3, 250
"""Links of one entry. An address is told whole or not at all."""

_SAFE_IN_ADDRESS = ":/?#@!$&'*+,;=%~"
_NO_BRACKETS = str.maketrans("[]", "()")

_OPENS_MARKUP = re.compile(r"<(?=[A-Za-z/!?@#])")
_MINUTE_S, _HOUR_S, _DAY_S = 60, 3600, 86400


@dataclass(frozen=True, kw_only=True)
class Moment:
    """When and where a message is read."""

    now: float
    time_zone: tzinfo

    def name(self, at: float) -> str:
        """The instant (epoch seconds) in local time, to the minute."""
        return f"{datetime.fromtimestamp(at, self.time_zone):%Y-%m-%d %H:%M %Z}"

    def name_since(self, since: float) -> str:
        """The instant (epoch seconds) in local time, and how long that is ago."""
        return f"since {self.name(since)} ({name_duration(self.now - since)})"


def name_duration(seconds: float) -> str:
    """The duration in the one or two units that matter, such as `3 h 20 min` or `5 days`."""
    if seconds < _MINUTE_S:
        return "less than a minute"
    if seconds < _HOUR_S:
        return f"{seconds // _MINUTE_S:.0f} min"
    if seconds < 2 * _DAY_S:
        hours, minutes = divmod(seconds // _MINUTE_S, 60)
        return f"{hours:.0f} h {minutes:.0f} min" if minutes else f"{hours:.0f} h"
    return f"{seconds // _DAY_S:.0f} days"


def clean(text: str) -> str:
    """The text on one line, with nothing left in it that a channel could take for a tag or a mention."""
    return _OPENS_MARKUP.sub("< ", " ".join(text.split()))


def shorten(text: str, limit: int) -> str:
    """The text, cut to at most `limit` characters at the end of a word where there is one."""
    if len(text) <= limit:
        return text
    kept = text[: max(limit - 1, 0)]
    return (kept.rpartition(" ")[0] or kept) + "…"


def word_entry(notices: Sequence[Notice], *, moment: Moment, is_past: bool) -> str:
    """The entry of one notice, or of several that differ in their names and times alone.

    `is_past` says that a later notice, which another entry tells of, has overtaken it.
    """
    first = min(notices, key=lambda notice: notice.since)
    names = [shorten(clean(notice.observation.report.title), LONGEST_NAME) for notice in notices]
    left = len(names) - MOST_NAMES
    name = ", ".join(names[:MOST_NAMES]) + (f" and {left} more" if left > 0 else "")
    event = _word_past(first, moment=moment) if is_past else _word_event(first, moment=moment, number=len(notices))
    report = first.observation.report
    summary = [shorten(clean(report.summary), LONGEST_TEXT)] if report.summary else []
    text = "\n".join([f"**{name}** {event}", *summary])
    if is_past or first.observation.severity is None:
        return text
    # Markdown takes lines for a list after a blank line only.
    return "\n".join([text, "", *_word_details(report, number=len(notices))]).rstrip()


def _word_past(notice: Notice, *, moment: Moment) -> str:
    at = moment.name(notice.observation.at)
    if notice.kind is NoticeKind.RECOVERED:
        return f"recovered at {at}, after {name_duration(notice.observation.at - notice.since)}"
    return (
        f"kept changing from {moment.name(notice.since)}" if notice.kind is NoticeKind.FLAPPING else f"failed at {at}"
    )


def _word_event(notice: Notice, *, moment: Moment, number: int) -> str:
    severity, since = notice.observation.severity, moment.name_since(notice.since)
    fails = {Severity.WARN: "warns", Severity.ERROR: "fails", None: "passes"}[severity]
    has = "has"
    if number > 1:
        fails, has = fails.removesuffix("s"), "have"
    match notice.kind:
        case NoticeKind.FAILED:
            return f"{fails} {since}"
        case NoticeKind.WORSE:
            return f"{fails} in another way now; not well {since}"
        case NoticeKind.RECOVERED:
            return _word_past(notice, moment=moment)
        case NoticeKind.REMINDER:
            return f"still {fails}, {since}"
        case NoticeKind.FLAPPING:
            return f"keeps changing, {since}; the next word comes once it has been stable"
        case NoticeKind.SETTLED:
            return (
                f"{has} settled and {fails}, after changes {since}"
                if severity is None
                else f"{has} settled: {fails} {since}"
            )


def _word_details(report: Report, *, number: int) -> Iterator[str]:
    if report.rows is not None and number == 1:
        yield f"- Rows: {report.rows}"
    if report.sample_keys and number == 1:
        keys = [shorten(clean(key).replace("`", "'"), LONGEST_KEY) for key in report.sample_keys[:MOST_KEYS]]
        yield "- Sample keys: " + ", ".join(f"`{key}`" for key in keys)
    if report.partition:
        yield f"- Partition: {shorten(clean(report.partition), LONGEST_NAME)}"
    if report.what_to_do:
        yield f"- What to do: {shorten(clean(report.what_to_do), LONGEST_TEXT)}"
    links = [
        f"[{shorten(clean(text).translate(_NO_BRACKETS), LONGEST_NAME)}]({quote(address, safe=_SAFE_IN_ADDRESS)})"
        for text, address in report.links[:MOST_LINKS]
        if len(address) <= LONGEST_ADDRESS
    ]
    if links:
        yield "- " + " · ".join(links)
