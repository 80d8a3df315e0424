"""What every request here has in common: time-outs, and an address that secrets may travel to."""

import ipaddress
from urllib.parse import urlsplit

from invoice_assets.api.errors import ConfigurationError

TIMEOUT_S = (5.0, 60.0)
"""Connect and read, in seconds: the longest list page seen takes a few seconds to be rendered."""


def require_protected_transport(url: str, *, variable: str) -> None:
    """Accept https anywhere, and http on the loopback interface only.

    Raises:
        ConfigurationError: The address is missing, is none, or would carry secrets in clear.
    """
    scheme, host = _split(url)
    if scheme not in ("http", "https") or not host:
        raise ConfigurationError(f"{variable} is {url!r}: set it to an address such as https://www.example.com/….")
    if scheme == "http" and not _is_loopback(host):
        raise ConfigurationError(f"{variable} begins with http://, which would send secrets in clear. Use https://.")


def _split(url: str) -> tuple[str, str]:
    """Scheme and host; empty where the address cannot be read."""
    try:
        parts = urlsplit(url)
        _ = parts.port  # read, because only that refuses a port that is none
    except ValueError:
        return "", ""
    return parts.scheme, parts.hostname or ""


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
