"""Whether a host answers at all, and if not, where it ends: at its name, the connection, or the encryption.

For people who set a deployment up: nothing is sent but a TLS greeting, so it costs neither quota nor a token. Which
servers a request believes is the business of `transport.py`.
"""

import os
import socket
import ssl

import requests
from requests.utils import DEFAULT_CA_BUNDLE_PATH, select_proxy
from urllib3.util import Url, parse_url

from invoice_assets.errors import TransientError

PATIENCE_S = 5.0
_PORTS = {"https": 443, "http": 80}


class UnreachableError(TransientError):
    """Nobody answers at an address, or nobody who can prove to be it."""


def reach(url: str, *, variable: str) -> str:
    """How the address can be reached, in words. Through a proxy nothing is tried: only a request would tell.

    Raises:
        UnreachableError: It cannot; the message says why, and what to do.
    """
    environment = requests.Session().merge_environment_settings(url, {}, None, None, None)
    if select_proxy(url, environment["proxies"]):
        return "by the proxy of the environment"
    parts = parse_url(url)
    host, port = (parts.host or "").strip("[]"), parts.port or _PORTS.get(parts.scheme or "", 443)
    _resolve(host, port, variable=variable)
    with _connect(host, port, variable=variable) as connection:
        return _greet(connection, parts, verify=environment["verify"], variable=variable)


def _resolve(host: str, port: int, *, variable: str) -> None:
    try:
        socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise UnreachableError(
            f"DNS knows no {host} ({error.strerror or error}). Check {variable} for a slip, and whether this machine "
            "resolves other names."
        ) from error


def _connect(host: str, port: int, *, variable: str) -> socket.socket:
    try:
        return socket.create_connection((host, port), timeout=PATIENCE_S)
    except TimeoutError as error:
        raise UnreachableError(
            f"{host}:{port} does not answer within {PATIENCE_S:g} s. Let this machine through the firewall to it, or "
            "name your proxy in HTTPS_PROXY."
        ) from error
    except OSError as error:
        raise UnreachableError(
            f"{host}:{port} takes no connection ({error.strerror or error}). Check the host and the port in {variable}."
        ) from error


def _greet(connection: socket.socket, parts: Url, *, verify: object, variable: str) -> str:
    if parts.scheme != "https":
        return "directly, unencrypted"
    bundle = verify if isinstance(verify, str) else DEFAULT_CA_BUNDLE_PATH
    is_folder = os.path.isdir(bundle)
    context = ssl.create_default_context(cafile=None if is_folder else bundle, capath=bundle if is_folder else None)
    host = (parts.host or "").strip("[]")
    try:
        with context.wrap_socket(connection, server_hostname=host) as encrypted:
            return f"directly, by {encrypted.version()}"
    except ssl.SSLCertVerificationError as error:
        raise UnreachableError(
            f"The certificate of {host} cannot be verified ({error.verify_message}). Check {variable}. Where your "
            "network signs certificates itself, name its CA in REQUESTS_CA_BUNDLE."
        ) from error
    except OSError as error:
        raise UnreachableError(
            f"{host} answers, but not by TLS ({error.strerror or error}). Check the port in {variable}, or what stands "
            "between this machine and it."
        ) from error
