"""The organisations that a login may read, as the API lists them (docs/api.md, "Hosts and organisation").

What a deployment makes of them lives in `invoice_assets/organizations.py`.
"""

from dataclasses import dataclass

from invoice_assets.api.envelope import PAGE_SIZE, read_page
from invoice_assets.api.session import ApiSession

WRAPPER = "organizations"


@dataclass(frozen=True, kw_only=True)
class ListedOrganization:
    """One of them: its id, its name, and its time zone ("America/New_York")."""

    organization_id: str
    name: str
    time_zone: str
    is_active: bool


def list_organizations(session: ApiSession) -> list[ListedOrganization]:
    """All organisations of the login, in the API's order. The session needs no organisation of its own.

    Raises:
        InvoicingError: The list could not be read.
    """
    found, number, has_more_page = [], 0, True
    while has_more_page:
        number += 1
        response = session.get(
            f"{session.account.base_url}{WRAPPER}", params={"page": str(number), "per_page": str(PAGE_SIZE)}
        )
        page = read_page(response.json(), wrapper=WRAPPER, request=f"GET {WRAPPER}, page {number},")
        found += page.rows
        has_more_page = page.has_more_page and bool(page.rows)
    return [
        ListedOrganization(
            organization_id=str(row["organization_id"]),
            name=str(row.get("name") or ""),
            time_zone=str(row.get("time_zone") or ""),
            is_active=row.get("is_org_active") is not False,
        )
        for row in found
    ]
