"""`api/reachability.py`: a name, a connection and a certificate that fail are told apart."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from invoice_assets.api.reachability import UnreachableError, reach
from invoice_assets_tests.api.test_transport import write_own_certificate
from invoice_assets_tests.conftest import Answer, AnsweringServer
from invoice_assets_tests.sandbox.server import Sandbox


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A certificate of 127.0.0.1 that nobody but its owner has signed."""
    return write_own_certificate(tmp_path / "server.pem")


@pytest.fixture
def encrypted(certificate: Path) -> Iterator[AnsweringServer]:
    """A server that speaks TLS under it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with AnsweringServer(tls=context) as running:
        running.answers = [Answer(200)]
        yield running


def refusal(url: str) -> str:
    with pytest.raises(UnreachableError) as refused:
        reach(url, variable="INVOICE_API_BASE_URL")
    return str(refused.value)


def test_a_host_that_answers_is_reached_without_a_request(sandbox: Sandbox) -> None:
    assert reach(sandbox.api_base_url, variable="X") == "directly, unencrypted"
    assert sandbox.ledger.entries == []


def test_a_name_that_dns_does_not_know_is_told() -> None:
    assert refusal("https://api.invalid/invoice/v3/").startswith("DNS knows no api.invalid")


def test_a_port_at_which_nobody_listens_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]

    assert f"127.0.0.1:{port} takes no connection" in refusal(f"http://127.0.0.1:{port}/")


def test_a_certificate_that_cannot_be_verified_is_told(encrypted: AnsweringServer) -> None:
    told = refusal(encrypted.url("/"))

    assert "certificate of 127.0.0.1 cannot be verified" in told
    assert "REQUESTS_CA_BUNDLE" in told


def test_a_ca_that_the_environment_names_is_believed(
    encrypted: AnsweringServer, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))

    assert reach(encrypted.url("/"), variable="X").startswith("directly, by TLSv1")


def test_a_host_that_speaks_no_tls_is_told(sandbox: Sandbox) -> None:
    assert "but not by TLS" in refusal(sandbox.api_base_url.replace("http://", "https://"))


def test_behind_a_proxy_nothing_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")

    assert reach("https://api.invalid/", variable="X") == "by the proxy of the environment"
