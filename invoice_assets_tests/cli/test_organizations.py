"""`invoice-assets organizations`: the draft of a file that loads."""

from __future__ import annotations

from pathlib import Path

import pytest

from invoice_assets.organizations import split_by_organization
from invoice_assets.settings import Settings
from invoice_assets_tests.cli.conftest import Run
from invoice_assets_tests.sandbox.server import Sandbox


def test_organizations_drafts_a_file_that_loads(run: Run, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Sandbox(rows=1, other_organization_ids=("4815000000000000012",)) as sandbox:
        for name, value in sandbox.environment().items():
            monkeypatch.setenv(name, value)

        status, output = run("organizations")

        assert len(sandbox.ledger.requests()) == 1
    (home / "organizations.toml").write_text(output)
    monkeypatch.setenv("INVOICE_ORGANIZATIONS", "organizations.toml")
    first, second = split_by_organization(Settings.from_env())
    assert status == 0
    assert (first.slug, second.slug) == ("sandbox_company_1", "sandbox_company_2")
    assert (first.organization_id, second.organization_id) == (sandbox.organization_id, "4815000000000000012")
    assert (first.base_url, first.time_zone) == (sandbox.api_base_url, "America/New_York")


def test_organizations_without_an_address_says_what_to_set(run: Run) -> None:
    status, output = run("organizations")

    assert status == 1
    assert output == "INVOICE_API_BASE_URL is not set: run `invoice-assets authorize`, which writes .env.\n"
