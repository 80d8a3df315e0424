"""How a peer reaches the API and where it loads to, as the benchmark says it in the environment.

Standard library only: the peers' own environments import it.
"""

import os
from dataclasses import dataclass, field
from typing import Self

SCHEMA = "invoicing"
"""The DuckDB schema in which every peer leaves its tables."""


@dataclass(frozen=True, kw_only=True)
class Access:
    """One organization's access to the API, and the DuckDB file that a loader fills."""

    base_url: str
    """With a slash at its end."""
    token_url: str
    client_id: str
    client_secret: str = field(repr=False)
    refresh_token: str = field(repr=False)
    organization_id: str
    database: str
    """Path of a DuckDB file that does not exist yet."""

    @classmethod
    def from_env(cls) -> Self:
        """Read the variables that the benchmark sets.

        Raises:
            KeyError: One of them is missing.
        """
        return cls(
            base_url=os.environ["INVOICE_API_BASE_URL"],
            token_url=os.environ["INVOICE_API_TOKEN_URL"],
            client_id=os.environ["INVOICE_API_CLIENT_ID"],
            client_secret=os.environ["INVOICE_API_CLIENT_SECRET"],
            refresh_token=os.environ["INVOICE_API_REFRESH_TOKEN"],
            organization_id=os.environ["INVOICE_API_ORGANIZATION_ID"],
            database=os.environ["BENCHMARK_DATABASE"],
        )

    def refresh_grant(self) -> dict[str, str]:
        """Return the body of a request for an access token (RFC 6749, section 6)."""
        return {
            "grant_type": "refresh_token",
            "client_id": self.client_id,
            "client_secret": self.client_secret,
            "refresh_token": self.refresh_token,
        }

    def organization_header(self) -> dict[str, str]:
        """Return the header that names the organization."""
        return {"X-com-zoho-invoice-organizationid": self.organization_id}
