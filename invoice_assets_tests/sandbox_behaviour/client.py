"""A plain client of the sandbox: it sends what it is told and follows nothing.

It decides nothing about right and wrong; the tests do.
"""

from __future__ import annotations

from types import TracebackType
from typing import Any, Self

import requests

from invoice_assets_tests.sandbox.server import Sandbox
from invoice_assets_tests.sandbox.wire import Row, decode_row

TIMEOUT_S = 60
"""Only what is broken waits for so long."""


class Client:
    """One HTTP session with an access token of its own, fetched when it is first needed."""

    def __init__(self, sandbox: Sandbox) -> None:
        """Talk to this sandbox."""
        self.sandbox = sandbox
        self.session = requests.Session()
        self._token = ""

    def __enter__(self) -> Self:
        """Open nothing: connections open by themselves."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connections."""
        self.session.close()

    def request_token(self, **changes: str) -> requests.Response:
        """Ask for an access token by refresh token, with these form fields changed."""
        form = {
            "grant_type": "refresh_token",
            "client_id": self.sandbox.client_id,
            "client_secret": self.sandbox.client_secret,
            "refresh_token": self.sandbox.refresh_token,
            **changes,
        }
        return self.session.post(self.sandbox.token_url, data=form, timeout=TIMEOUT_S)

    @property
    def token(self) -> str:
        """The access token, fetched once."""
        if not self._token:
            self._token = self.request_token().json()["access_token"]
        return self._token

    def forget_token(self) -> None:
        """Fetch another token for the next request: this one has expired."""
        self._token = ""

    def get(
        self, resource: str, *, headers: dict[str, str | None] | None = None, timeout_s: float = TIMEOUT_S, **query: Any
    ) -> requests.Response:
        """Request a list; a header given as None is not sent."""
        return self.get_url(self.sandbox.url(resource), headers=headers, timeout_s=timeout_s, **query)

    def get_url(
        self, url: str, *, headers: dict[str, str | None] | None = None, timeout_s: float = TIMEOUT_S, **query: Any
    ) -> requests.Response:
        """Request any URL of the API."""
        sent = {
            "Authorization": f"Zoho-oauthtoken {self.token}",
            "X-com-zoho-invoice-organizationid": self.sandbox.organization_id,
            **(headers or {}),
        }
        return self.session.get(url, headers=sent, params=query, timeout=timeout_s, allow_redirects=False)

    def rows(self, resource: str, **query: Any) -> list[Row]:
        """Return the rows of one page, decimals exact."""
        return [dict(row) for row in self.body(resource, **query)[self.wrapper(resource)]]

    def body(self, resource: str, **query: Any) -> Row:
        """Return the whole answer, decimals exact."""
        return decode_row(self.get(resource, **query).text)

    def all_rows(self, resource: str, **query: Any) -> list[Row]:
        """Return the rows of every page."""
        rows: list[Row] = []
        page = 1
        while True:
            body = self.body(resource, page=page, **query)
            rows += body[self.wrapper(resource)]
            if not body["page_context"]["has_more_page"]:
                return rows
            page += 1

    def wrapper(self, resource: str) -> str:
        """Return the key that holds a resource's rows."""
        return next(endpoint.wrapper for endpoint in self.sandbox.endpoints if endpoint.name == resource)

    def key(self, resource: str) -> str:
        """Return the name of a resource's primary key."""
        return next(endpoint.key for endpoint in self.sandbox.endpoints if endpoint.name == resource)
