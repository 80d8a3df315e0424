"""`api/organizations.py`: which organisations a login may read."""

from __future__ import annotations

import pytest

from invoice_assets.api.organizations import list_organizations
from invoice_assets.errors import InvoicingError
from invoice_assets_tests.conftest import OpenSession
from invoice_assets_tests.sandbox.server import Sandbox


def test_all_organisations_of_a_login_are_listed_without_naming_one(open_session: OpenSession) -> None:
    with Sandbox(rows=0, other_organization_ids=("4815000000000000012",)) as sandbox:
        found = list_organizations(open_session(to=sandbox, organization_id=""))

    assert [one.organization_id for one in found] == [sandbox.organization_id, "4815000000000000012"]
    assert [(one.name, one.time_zone, one.is_active) for one in found] == [
        ("Sandbox Company 1", "America/New_York", True),
        ("Sandbox Company 2", "America/New_York", True),
    ]


def test_a_list_that_cannot_be_read_is_an_error_of_ours(sandbox: Sandbox, open_session: OpenSession) -> None:
    sandbox.script("missing_wrapper_key", times=None)

    with pytest.raises(InvoicingError, match="GET organizations, page 1, answered 200 without a list"):
        list_organizations(open_session(organization_id=""))
