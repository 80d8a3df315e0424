"""What every request here has in common: time-outs, an address that secrets may travel to, a server that is believed.

How requests are sent lives in `session.py` and `oauth.py`.
"""

import ipaddress

from urllib3.exceptions import LocationParseError
from urllib3.util import Url, parse_url

from invoice_assets.api.errors import ConfigurationError, UntrustedServerError

TIMEOUT_S = (5.0, 60.0)
"""Connect and read, in seconds: the longest list page seen takes a few seconds to be rendered."""

_HIDDEN = "***"


def require_protected_transport(url: str, *, variable: str) -> None:
    """Accept https anywhere, and http on the loopback interface only; and nothing in the address but a place.

    Raises:
        ConfigurationError: The address is missing, is none, carries secrets itself, or would carry them in clear.
    """
    if not url:
        raise ConfigurationError(f"{variable} is not set: run `invoice-assets authorize`, which writes .env.")
    parts = _parse(url)
    if parts.scheme not in ("http", "https") or not parts.host:
        raise ConfigurationError(f"{variable} is no address that can be used: set it to https://www.example.com/….")
    if parts.scheme == "http" and not _is_loopback(parts.host.strip("[]")):
        raise ConfigurationError(f"{variable} begins with http://, which would send secrets in clear. Use https://.")
    if parts.auth or parts.query or parts.fragment:
        raise ConfigurationError(
            f"{variable} is shown in the UI and in errors: give it without a user, a query and a fragment. Credentials "
            "have variables of their own."
        )


def require_trust(error: BaseException, *, request: str) -> None:
    """Tell a broken connection from a server whose certificate cannot be verified, which no retry mends.

    Raises:
        UntrustedServerError: It is the latter.
    """
    if "CERTIFICATE_VERIFY_FAILED" in str(error):
        reason = str(error).partition("certificate verify failed: ")[2].partition(" (_ssl")[0]
        raise UntrustedServerError(
            f"{request} was not sent: the server's certificate cannot be verified ({reason or 'no reason given'}). "
            "Check the address. Where your network signs certificates itself, name its CA in REQUESTS_CA_BUNDLE."
        ) from error


def hide(text: str, *secrets: str) -> str:
    """What a server has said, without the secrets that it was sent and may have repeated."""
    for secret in filter(None, secrets):
        text = text.replace(secret, _HIDDEN)
    return text


def _parse(url: str) -> Url:
    """The parts as the HTTP client will read them: other parsers find another host in some addresses."""
    try:
        return parse_url(url)
    except LocationParseError:
        return Url()


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
