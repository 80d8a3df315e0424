"""Apprise, and all that is particular to it: sending to an address, and keeping the address to ourselves.

An address is a URL that holds tokens and passwords: nothing that leaves this module shows more of it than its scheme
and, where that is no token itself, its host. Which addresses there are, and who is told what, lives in `channels.py`.
Apprise is loaded when it is first needed: it is slow to load, and most processes of a code location never send.
https://github.com/caronc/apprise
"""

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import unquote

from invoice_assets.alerts.messages import BODY_LIMIT, TITLE_LIMIT, Message
from invoice_assets.alerts.wording import clean, shorten

if TYPE_CHECKING:
    from apprise import AppriseAsset, NotifyBase

SEND_TIMEOUT_S = 20
"""For one message, whatever it takes. Apprise's own limits lie below: 4 s to connect and 4 s to read, 15 s for mail."""

SHORTEST_BODY_LIMIT = 200
"""Characters that a body may have in any case; where a service takes fewer, Apprise sends it in pieces."""

_LONGEST_REASON = 300
_LONG = 4
"""Characters from which on a secret is hidden within words too; shorter ones would take words of the reason along."""

_LOGGERS = ("apprise", "urllib3.connectionpool")
_HIDDEN = "***"


class ServiceError(Exception):
    """An address cannot be used, or a message was not accepted; the message says why and shows no secret."""


@dataclass(frozen=True, kw_only=True)
class ServiceProfile:
    """What may be known of an address."""

    name: str
    """Scheme and host, such as `mailto://gmail.com`; `***` where the address has no host but tokens."""
    body_limit: int
    """Characters of a body that arrive in one piece."""


def profile_service(address: str) -> ServiceProfile:
    """What may be known of the address; nothing is sent.

    Raises:
        ServiceError: Apprise has no such service, or cannot make sense of the address.
    """
    service = _open_service(address)
    room = service.body_maxlen - TITLE_LIMIT
    return ServiceProfile(name=_name_service(service), body_limit=max(min(room, BODY_LIMIT), SHORTEST_BODY_LIMIT))


def send(address: str, message: Message) -> None:
    """Send the message, and return when the service has accepted it.

    Raises:
        ServiceError: It did not, or not in time.
    """
    from apprise import Apprise, NotifyFormat, NotifyType

    service = _open_service(address)
    apprise = Apprise(service, asset=service.asset)
    with _capture_logs() as said:
        is_accepted = apprise.notify(
            message.body,
            title=message.title,
            notify_type=NotifyType(message.kind.value),
            body_format=NotifyFormat.MARKDOWN,
        )
    if not is_accepted:
        raise ServiceError(_mask(said, address=address, service=service) or "it gave no reason")


def _open_service(address: str) -> "NotifyBase":
    """A service that is used once: Apprise's objects remember when they last sent, and wait."""
    from apprise import Apprise, OverflowMode

    with _capture_logs() as said:
        service = Apprise.instantiate(address, asset=_build_asset())
    if service is None:
        raise ServiceError(_explain_refusal(address, said))
    if service.overflow_mode is OverflowMode.UPSTREAM:
        # A service would refuse what is too long, and refuse it again at every attempt.
        service.overflow_mode = OverflowMode.SPLIT
    # Whether a message arrived must not be an option of its address, and when it is sent again is ours to say.
    service.optional, service.retry, service.request_rate_per_sec = False, 0, 0
    return service


def _build_asset() -> "AppriseAsset":
    """Apprise's settings: nothing on disk, no images fetched from elsewhere.

    A redirect is no delivery: clients follow it with a GET, and whatever answers that has no message.
    """
    from apprise import AppriseAsset

    return AppriseAsset(
        app_id="invoice-assets",
        app_desc="Alerts of invoice-assets",
        app_url="",
        image_url_mask="",
        image_url_logo="",
        storage_mode="memory",
        pgp_autogen=False,
        pem_autogen=False,
        http_redirects=False,
        service_timeout=SEND_TIMEOUT_S,
    )


def _explain_refusal(address: str, said: list[str]) -> str:
    from apprise import NotificationManager

    scheme = address.partition("://")[0].lower()
    if scheme not in NotificationManager():  # type: ignore[no-untyped-call]  # upstream: its constructor has no types
        return f"Apprise knows no service {scheme}:// (a webhook of one's own is json:// or jsons://)"
    return _mask(said[:1], address=address, service=None) or "Apprise cannot make sense of it"


def _name_service(service: "NotifyBase") -> str:
    host = shorten(clean(service.host), 60) if _has_host(service) else _HIDDEN
    return f"{service.schema}://{host}"


def _has_host(service: "NotifyBase") -> bool:
    """Whether what stands in the host's place of the URL is a host, and never a token."""
    templates: tuple[str, ...] = service.templates
    return bool(service.host) and all("{host}" in template for template in templates)


class _Capture(logging.Filter):
    """Keeps what is logged while an address is in use: records would show it to whoever reads the logs."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record may be logged."""
        said = _SAID.get()
        if said is None:
            return True
        if record.levelno >= logging.WARNING:
            said.append(record.getMessage())
        return False


_SAID: ContextVar[list[str] | None] = ContextVar("said", default=None)
_CAPTURE = _Capture()


@contextmanager
def _capture_logs() -> Iterator[list[str]]:
    """Warnings of Apprise that this thread causes, and those that it starts; none of them is logged.

    The filter stays: a call that Apprise no longer waits for may log later.
    """
    for name in _LOGGERS:
        logging.getLogger(name).addFilter(_CAPTURE)
    said: list[str] = []
    token = _SAID.set(said)
    try:
        yield said
    finally:
        _SAID.reset(token)


def _mask(said: list[str], *, address: str, service: "NotifyBase | None") -> str:
    """What was said, on one line, with everything of the address hidden but its scheme and a true host."""
    text = re.sub(r"\w+://\S+", _HIDDEN, clean(" ".join(dict.fromkeys(said))))
    shown = service.host.lower() if service is not None and _has_host(service) else ""
    for secret in sorted(_list_secrets(address), key=len, reverse=True):
        if secret.lower() != shown:
            pattern = re.escape(secret) if len(secret) >= _LONG else rf"(?<!\w){re.escape(secret)}(?!\w)"
            text = re.sub(pattern, _HIDDEN, text, flags=re.IGNORECASE)
    return shorten(text, _LONGEST_REASON)


def _list_secrets(address: str) -> set[str]:
    """Whatever may be one: each part of the address, and the value of each argument, as written and as meant."""
    location, _, query = address.partition("://")[2].partition("?")
    values = [argument.partition("=")[2] for argument in query.split("&")]
    parts = [*values, *(part for text in (location, *values) for part in re.split(r"[/:@#,;]+", text))]
    return {form for part in parts for form in (part, unquote(part))} - {"", "yes", "no"}
