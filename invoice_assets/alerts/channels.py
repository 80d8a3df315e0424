"""Channels: what `INVOICE_ALERT_URLS` says of where alerts go, and which of them go there.

How a message gets there, and what may be shown of an address, lives in `services.py`.
"""

import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field, replace
from hashlib import sha256

from invoice_assets.alerts.messages import Message
from invoice_assets.alerts.observations import Observation, Severity
from invoice_assets.alerts.services import ServiceError, profile_service, send
from invoice_assets.errors import PermanentError, TransientError
from invoice_assets.variables import ALERT_URLS

_TAGS = r"[\w-]+(?:,[\w-]+)*="
_SCHEME = r"[A-Za-z][\w+.-]*://"
_ENTRY = re.compile(rf"(?P<tags>{_TAGS})?(?P<url>(?P<scheme>{_SCHEME}).+?)(?=,(?:{_TAGS})?{_SCHEME}|$)")


class AlertConfigurationError(PermanentError):
    """An entry of `INVOICE_ALERT_URLS` cannot be used; the message names it by its number and scheme alone."""


class AlertDeliveryError(TransientError):
    """A message did not arrive; the error names the channel, masked, and `reason` is what the service said."""

    def __init__(self, channel: str, *, reason: str) -> None:
        super().__init__(f"{channel} did not accept the message: {reason}. It is sent again later.")
        self.reason = reason


@dataclass(frozen=True, kw_only=True)
class Channel:
    """One place where alerts go. Its address is a secret, and no representation of it shows it."""

    id: str
    """Of the address and its tags: the same after a restart, and wherever the entry stands."""
    name: str
    """For people: the scheme, the host where that is no secret, and the entry's number."""
    severities: frozenset[Severity]
    resources: frozenset[str] | None
    """The resources whose alerts go there; None for all, and for what belongs to no resource."""
    body_limit: int
    """Characters of a body that arrive in one piece."""
    _address: str = field(repr=False)

    def route(self, observations: Iterable[Observation]) -> Iterator[Observation]:
        """What this channel sees of the observations, in their order.

        A failure below its severities is a pass to it, so that an error which has become a warning recovers. One
        above them is left out: it is no recovery.
        """
        for observation in observations:
            if self.resources is not None and observation.resource not in self.resources:
                continue
            if observation.severity is None or observation.severity in self.severities:
                yield observation
            elif observation.severity is Severity.WARN:
                yield _as_pass(observation)

    def deliver(self, message: Message) -> None:
        """Send the message, and return when the service has accepted it.

        Raises:
            AlertDeliveryError: It did not; it may be sent again.
        """
        try:
            send(self._address, message)
        except ServiceError as error:
            raise AlertDeliveryError(self.name, reason=str(error).rstrip(".")) from None


def parse_channels(text: str, *, resources: Collection[str]) -> tuple[Channel, ...]:
    """The channels that the value of `INVOICE_ALERT_URLS` names, each once, in their order.

    Entries stand apart by white space, or by a comma where the next one begins: `[tag,tag=]apprise-url`. A tag is a
    severity or one of `resources`; without a tag of a kind, everything of that kind goes there.

    Raises:
        AlertConfigurationError: An entry is not of that form, has an unknown tag, or is of no use to Apprise.
    """
    channels: dict[str, Channel] = {}
    for number, entry in enumerate(_split(text), 1):
        channel = _parse_entry(entry, number=number, resources=resources)
        channels.setdefault(channel.id, channel)
    return tuple(channels.values())


def _split(text: str) -> Iterator[str]:
    for token in text.split():
        rest = token.strip(",")
        while match := _ENTRY.match(rest):
            yield match[0]
            rest = rest[match.end() :].lstrip(",")
        if rest:
            yield rest


def _parse_entry(entry: str, *, number: int, resources: Collection[str]) -> Channel:
    match = _ENTRY.fullmatch(entry)
    if match is None:
        raise AlertConfigurationError(
            f"{ALERT_URLS}, entry {number} is not of the form [tag,tag=]scheme://...; see docs/checks_and_alerts.md."
            " White space within an address is written %20."
        )
    where = f"{ALERT_URLS}, entry {number} ({match['scheme'].lower()})"
    tags = frozenset(filter(None, (match["tags"] or "").removesuffix("=").lower().split(",")))
    if unknown := tags - set(Severity) - set(resources):
        known = ", ".join([*Severity, *resources])
        raise AlertConfigurationError(f"{where}: no such tag: {', '.join(sorted(unknown))}. Known are: {known}.")
    try:
        profile = profile_service(match["url"])
    except ServiceError as error:
        raise AlertConfigurationError(f"{where}: {error}. What it must look like: docs/checks_and_alerts.md.") from None
    return Channel(
        id=sha256("\n".join([*sorted(tags), match["url"]]).encode()).hexdigest()[:16],
        name=f"{profile.name} (entry {number})",
        severities=frozenset(severity for severity in Severity if severity in tags) or frozenset(Severity),
        resources=frozenset(tags & set(resources)) or None,
        body_limit=profile.body_limit,
        _address=match["url"],
    )


def _as_pass(observation: Observation) -> Observation:
    summary = f"It is a warning now, which does not go to this channel: {observation.report.summary}"
    return replace(observation, severity=None, cause="", report=replace(observation.report, summary=summary))
