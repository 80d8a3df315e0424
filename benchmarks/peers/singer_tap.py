"""A tap on the Meltano Singer SDK: nine streams, paged by number from 1, typed by `endpoints.py`.

It runs in an environment of its own (`singer.txt`), with the SDK's two documented means of speed: msgspec writes the
messages, and rows that came as JSON are not made to conform to it. The target drops what the schema does not have.
https://sdk.meltano.com/en/latest/dev_guide.html
"""

from collections.abc import Mapping
from functools import cached_property
from typing import Any, ClassVar

from requests import Response
from singer_sdk import RESTStream, Tap
from singer_sdk import typing as th
from singer_sdk.authenticators import OAuthAuthenticator
from singer_sdk.contrib.msgspec import MsgSpecWriter
from singer_sdk.helpers.conform import TypeConformanceLevel
from singer_sdk.pagination import PageNumberPaginator

from benchmarks.peers.endpoints import ENDPOINTS, PAGE_SIZE, Endpoint


class RefreshTokenAuthenticator(OAuthAuthenticator):
    """The SDK's OAuth with the refresh_token grant; the tap's streams share one."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        super().__init__(
            auth_endpoint=config["token_url"], client_id=config["client_id"], client_secret=config["client_secret"]
        )
        self.refresh_token = config["refresh_token"]

    @property
    def oauth_request_body(self) -> dict[str, str | None]:
        """The grant (RFC 6749, section 6)."""
        return {
            "grant_type": "refresh_token",
            "client_id": self.client_id,
            "client_secret": self.client_secret,
            "refresh_token": self.refresh_token,
        }


class HasMorePaginator(PageNumberPaginator):
    """Page numbers for as long as the API says that there are more."""

    def has_more(self, response: Response) -> bool:
        """Return what page_context says."""
        return bool(response.json()["page_context"]["has_more_page"])


class InvoicingStream(RESTStream[int]):
    """One list of the API."""

    TYPE_CONFORMANCE_LEVEL = TypeConformanceLevel.NONE

    def __init__(self, tap: "TapInvoicing", endpoint: Endpoint) -> None:
        super().__init__(tap, name=endpoint.name, schema=endpoint.json_schema(), path=f"/{endpoint.path}")
        self._endpoint, self._authenticator = endpoint, tap.authenticator
        self.primary_keys = (endpoint.primary_key,)

    @property
    def records_jsonpath(self) -> str:
        """The rows of a page."""
        return f"$.{self._endpoint.wrapper}[*]"

    @property
    def url_base(self) -> str:
        """The base URL without the slash at its end, which the path begins with."""
        return str(self.config["base_url"]).rstrip("/")

    @property
    def authenticator(self) -> RefreshTokenAuthenticator:
        """The tap's."""
        return self._authenticator

    @property
    def http_headers(self) -> dict[str, str]:
        """The organization."""
        return {"X-com-zoho-invoice-organizationid": self.config["organization_id"]}

    def get_url_params(self, context: Mapping[str, Any] | None, next_page_token: int | None) -> dict[str, Any]:
        """Return the page and the filter."""
        parameters = self._endpoint.parameters(self.config["organization_id"])
        return parameters | {"page": next_page_token, "per_page": PAGE_SIZE}

    def get_new_paginator(self) -> HasMorePaginator:
        """Return a paginator that begins with the first page."""
        return HasMorePaginator(1)


class TapInvoicing(Tap):
    """The tap."""

    name = "tap-invoicing"
    message_writer_class = MsgSpecWriter
    config_jsonschema: ClassVar[dict[str, Any]] = th.PropertiesList(
        th.Property("base_url", th.StringType, required=True),
        th.Property("token_url", th.StringType, required=True),
        th.Property("client_id", th.StringType, required=True),
        th.Property("client_secret", th.StringType, required=True, secret=True),
        th.Property("refresh_token", th.StringType, required=True, secret=True),
        th.Property("organization_id", th.StringType, required=True),
    ).to_dict()

    @cached_property
    def authenticator(self) -> RefreshTokenAuthenticator:
        """One access token for all streams."""
        return RefreshTokenAuthenticator(self.config)

    def discover_streams(self) -> list[InvoicingStream]:
        """Return the nine streams."""
        return [InvoicingStream(self, endpoint) for endpoint in ENDPOINTS]


if __name__ == "__main__":
    TapInvoicing.cli()
