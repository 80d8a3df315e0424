"""`api/transport.py`: which addresses secrets may travel to."""

from __future__ import annotations

import pytest

from invoice_assets.api.errors import ConfigurationError
from invoice_assets.api.session import ApiAccount
from invoice_assets.api.transport import require_protected_transport


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
    ],
)
def test_plain_http_to_another_machine_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError, match=r"^INVOICE_API_TOKEN_URL .* in clear\. Use https://\.$"):
        require_protected_transport(url, variable="INVOICE_API_TOKEN_URL")


@pytest.mark.parametrize(
    "url",
    [
        pytest.param("", id="empty"),
        pytest.param("www.zohoapis.com/invoice/v3/", id="no-scheme"),
        pytest.param("ftp://www.zohoapis.com/", id="another-scheme"),
        pytest.param("https:///invoice/v3/", id="no-host"),
        pytest.param("https://[::1/", id="broken-ipv6"),
        pytest.param("https://www.zohoapis.com:port/", id="broken-port"),
    ],
)
def test_what_is_no_address_is_refused_with_an_example_of_one(url: str) -> None:
    with pytest.raises(ConfigurationError, match=r"^INVOICE_API_BASE_URL is .*https://www\.example\.com/"):
        require_protected_transport(url, variable="INVOICE_API_BASE_URL")
