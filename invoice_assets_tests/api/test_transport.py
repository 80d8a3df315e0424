"""`api/transport.py`: which addresses secrets may travel to, and which servers are believed to be there."""

from __future__ import annotations

import ast
import ssl
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

import invoice_assets
from invoice_assets.api.errors import ConfigurationError, UntrustedServerError
from invoice_assets.api.oauth import RefreshTokenGrant, request_access_token
from invoice_assets.api.retries import RetryPolicy
from invoice_assets.api.session import ApiAccount
from invoice_assets.api.transport import require_protected_transport
from invoice_assets.errors import PermanentError
from invoice_assets_tests.conftest import Answer, AnsweringServer, OpenSession
from invoice_assets_tests.sandbox.server import Sandbox

PACKAGE = Path(invoice_assets.__file__).parent


@pytest.fixture
def untrusted_server(tmp_path: Path) -> Iterator[AnsweringServer]:
    """A server that speaks TLS under a certificate that it has signed itself."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(write_own_certificate(tmp_path / "server.pem"))
    with AnsweringServer(tls=context) as running:
        running.answers = [Answer(200)]
        yield running


def write_own_certificate(path: Path) -> Path:
    """A key, and a certificate for this machine that nobody else has signed."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    form = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    pem = serialization.Encoding.PEM
    path.write_bytes(key.private_bytes(pem, *form) + certificate.public_bytes(pem))
    return path


@pytest.mark.parametrize(
    "url",
    [
        pytest.param("https://www.zohoapis.eu/invoice/v3/", id="https"),
        pytest.param("https://10.0.0.7/invoice/v3/", id="https-on-a-private-address"),
        pytest.param("http://localhost:8000/", id="localhost"),
        pytest.param("http://LOCALHOST:8000/", id="localhost-in-capitals"),
        pytest.param("http://127.0.0.1:8000/", id="loopback"),
        pytest.param("http://127.8.9.10/", id="loopback-network"),
        pytest.param("http://[::1]:8000/", id="loopback-ipv6"),
        pytest.param("http://[0:0:0:0:0:0:0:1]/", id="loopback-ipv6-at-length"),
    ],
)
def test_https_and_the_loopback_interface_are_accepted(url: str) -> None:
    account = ApiAccount(base_url=url, organization_id="1")

    assert url.startswith(account.origin)


@pytest.mark.parametrize(
    "url",
    [
        pytest.param("http://www.zohoapis.com/invoice/v3/", id="public-host"),
        pytest.param("http://192.168.1.5/", id="private-network"),
        pytest.param("http://0.0.0.0/", id="any-address"),
        pytest.param("http://[fe80::1]/", id="link-local-ipv6"),
        pytest.param("http://localhost.example.com/", id="host-that-begins-with-localhost"),
        pytest.param("http://127.0.0.1.example.com/", id="host-that-begins-with-loopback"),
        pytest.param("http://example.com/127.0.0.1", id="loopback-in-the-path"),
        pytest.param("http://127.0.0.1@example.com/", id="loopback-as-user"),
        pytest.param("HTTP://example.com/", id="capitals"),
        pytest.param("http://127.1/", id="loopback-that-only-some-clients-complete"),
        pytest.param("http://2130706433/", id="loopback-as-a-number"),
        pytest.param("http://0x7f000001/", id="loopback-in-hexadecimal"),
        pytest.param("http://017700000001/", id="loopback-in-octal"),
        pytest.param("http://0/", id="any-address-as-a-number"),
        pytest.param("http://[::]/", id="any-address-ipv6"),
        pytest.param("http://[::ffff:8.8.8.8]/", id="mapped-ipv4"),
        pytest.param("http://localhost./", id="localhost-that-the-name-server-is-asked-for"),
        pytest.param("http://localhost%2eexample.com/", id="encoded-dot"),
        pytest.param(r"http://example.com\@127.0.0.1/", id="backslash-that-two-parsers-read-differently"),
        pytest.param("http://example.com#127.0.0.1/", id="loopback-in-the-fragment"),
    ],
)
def test_plain_http_to_another_machine_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError, match=r"^INVOICE_API_TOKEN_URL .* in clear\. Use https://\.$"):
        require_protected_transport(url, variable="INVOICE_API_TOKEN_URL")


@pytest.mark.parametrize(
    "url",
    [
        pytest.param("www.zohoapis.com/invoice/v3/", id="no-scheme"),
        pytest.param("ftp://www.zohoapis.com/", id="another-scheme"),
        pytest.param("https:///invoice/v3/", id="no-host"),
        pytest.param("https://[::1/", id="broken-ipv6"),
        pytest.param("https://www.zohoapis.com:port/", id="broken-port"),
        pytest.param("https:www.zohoapis.com/invoice/v3/", id="no-slashes"),
    ],
)
def test_what_is_no_address_is_refused_with_an_example_of_one(url: str) -> None:
    with pytest.raises(ConfigurationError, match=r"^INVOICE_API_BASE_URL is .*https://www\.example\.com/"):
        require_protected_transport(url, variable="INVOICE_API_BASE_URL")


def test_an_address_that_is_not_set_is_told_with_the_command_that_sets_it() -> None:
    """It said of nothing that it is no address that can be used."""
    with pytest.raises(ConfigurationError, match=r"^INVOICE_API_BASE_URL is not set: run `invoice-assets authorize`"):
        require_protected_transport("", variable="INVOICE_API_BASE_URL")


@pytest.mark.parametrize(
    "url",
    [
        pytest.param("https://jules:s3cret@api.example.com/", id="password"),
        pytest.param("https://s3cret@api.example.com/", id="user"),
        pytest.param("https://accounts.example.com/oauth/v2/token?client_secret=s3cret", id="query"),
        pytest.param("https://accounts.example.com/#s3cret", id="fragment"),
    ],
)
def test_an_address_that_carries_more_than_a_place_is_refused_without_being_shown(url: str) -> None:
    """Addresses are shown: in the UI, in errors, in logs."""
    with pytest.raises(ConfigurationError, match=r"^INVOICE_API_TOKEN_URL .* without a user, a query") as refused:
        require_protected_transport(url, variable="INVOICE_API_TOKEN_URL")

    assert "s3cret" not in str(refused.value)


def test_what_is_no_address_is_not_shown_either() -> None:
    with pytest.raises(ConfigurationError) as refused:
        require_protected_transport("jules:s3cret@api", variable="INVOICE_API_BASE_URL")

    assert "s3cret" not in str(refused.value)


def test_the_api_is_not_spoken_to_where_its_certificate_is_nobody_s(
    untrusted_server: AnsweringServer, open_session: OpenSession, waits: list[float]
) -> None:
    session = open_session(base_url=untrusted_server.url("/"))

    with pytest.raises(UntrustedServerError, match=r"^GET /items .*self-signed certificate.*REQUESTS_CA_BUNDLE"):
        session.get(untrusted_server.url("/items"))

    assert (untrusted_server.received, waits) == ([], [])


def test_no_secret_is_sent_to_a_token_url_whose_certificate_is_nobody_s(
    untrusted_server: AnsweringServer, grant: RefreshTokenGrant, policy: RetryPolicy, waits: list[float]
) -> None:
    moved = replace(grant, token_url=untrusted_server.url("/token"))

    with pytest.raises(UntrustedServerError, match=r"^POST https://127\.0\.0\.1.*self-signed certificate"):
        request_access_token(moved, now=0.0, policy=policy)

    assert (untrusted_server.received, waits) == ([], [])


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_to_another_host_takes_no_token_there(
    answering_server: AnsweringServer, sandbox: Sandbox, open_session: OpenSession, status: int
) -> None:
    with AnsweringServer() as elsewhere:
        elsewhere.answers = [Answer(200)]
        answering_server.answers = [Answer(status, headers={"Location": elsewhere.url("/items")})]
        session = open_session(base_url=answering_server.url("/"))

        with pytest.raises(PermanentError, match="Redirects are not followed"):
            session.get(answering_server.url("/items"))

        assert elsewhere.received == []


@pytest.mark.parametrize("module", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_module_switches_the_verification_of_certificates_off(module: Path) -> None:
    calls = [node for node in ast.walk(ast.parse(module.read_text())) if isinstance(node, ast.keyword)]
    switched_off = [call for call in calls if call.arg == "verify" and getattr(call.value, "value", None) is False]

    assert switched_off == []
    assert "CERT_NONE" not in module.read_text()
