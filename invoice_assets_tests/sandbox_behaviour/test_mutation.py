"""Changing rows while the sandbox runs, and the ledger of what was asked."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from invoice_assets_tests.sandbox.application import ServedPage
from invoice_assets_tests.sandbox.clock import SandboxClock
from invoice_assets_tests.sandbox.endpoints import ENDPOINTS
from invoice_assets_tests.sandbox_behaviour.client import Client
from invoice_assets_tests.sandbox_behaviour.conftest import OpenSandbox

RESOURCES = [endpoint.name for endpoint in ENDPOINTS]


def _first_key(client: Client, resource: str) -> str:
    return str(next(client.sandbox.rows(resource))[client.key(resource)])


def _row(client: Client, resource: str, key: str) -> dict[str, object]:
    return next(row for row in client.sandbox.rows(resource) if row[client.key(resource)] == key)


@pytest.mark.parametrize("resource", RESOURCES)
def test_an_inserted_row_is_served(open_sandbox: OpenSandbox, resource: str) -> None:
    client = open_sandbox(5)

    inserted = client.sandbox.insert(resource)

    assert client.sandbox.count(resource) == 6
    assert inserted[client.key(resource)] in {row[client.key(resource)] for row in client.rows(resource)}


def test_an_inserted_row_is_stamped_by_the_clock(open_sandbox: OpenSandbox) -> None:
    clock = SandboxClock(datetime(2026, 7, 1, 16, 0, 0, tzinfo=UTC), is_frozen=True)
    client = open_sandbox(1, clock=clock)
    clock.advance(90)

    row = client.sandbox.insert("contacts")

    assert row["created_time"] == row["last_modified_time"] == "2026-07-01T12:01:30-0400"
    assert row["last_modified_time_formatted"] == "01 Jul 2026"


def test_given_stamps_and_decimals_are_served_as_given(open_sandbox: OpenSandbox) -> None:
    client = open_sandbox(0)
    client.sandbox.insert("invoices", total=Decimal("7.10"), last_modified_time="2020-01-01T00:00:00+0000")

    assert '"total":7.10,' in client.get("invoices").text
    assert '"last_modified_time":"2020-01-01T00:00:00+0000"' in client.get("invoices").text


def test_a_key_cannot_be_inserted_twice(open_sandbox: OpenSandbox) -> None:
    client = open_sandbox(1)

    with pytest.raises(ValueError, match="exists already"):
        client.sandbox.insert("items", item_id=_first_key(client, "items"))
    assert client.sandbox.count("items") == 1


def test_the_hour_that_summer_time_repeats_is_told_apart_by_its_offset(open_sandbox: OpenSandbox) -> None:
    clock = SandboxClock(datetime(2026, 11, 1, 5, 30, tzinfo=UTC), is_frozen=True)
    client = open_sandbox(0, clock=clock)

    first = client.sandbox.insert("invoices")
    clock.advance(3600)
    second = client.sandbox.insert("invoices")

    assert first["created_time"] == "2026-11-01T01:30:00-0400"
    assert second["created_time"] == "2026-11-01T01:30:00-0500"
    assert [row["invoice_id"] for row in client.rows("invoices")] == [second["invoice_id"], first["invoice_id"]]


def test_an_edit_bumps_last_modified_time_and_keeps_other_digits(open_sandbox: OpenSandbox) -> None:
    client = open_sandbox(3)
    key = _first_key(client, "invoices")
    before = _row(client, "invoices", key)

    client.sandbox.edit("invoices", key, reference_number="changed")

    after = _row(client, "invoices", key)
    assert {name for name in after if after[name] != before[name]} == {
        *("reference_number", "last_modified_time", "updated_time"),
    }
    assert str(after["shipping_charge"]) == "0.00"
    assert client.rows("invoices", sort_column="last_modified_time", sort_order="D")[0]["invoice_id"] == key


def test_a_silent_change_leaves_last_modified_time_alone(open_sandbox: OpenSandbox) -> None:
    client = open_sandbox(3)
    key = _first_key(client, "contacts")
    before = _row(client, "contacts", key)

    client.sandbox.set_silently("contacts", key, outstanding_receivable_amount=Decimal("1.00"))

    assert _row(client, "contacts", key) == {**before, "outstanding_receivable_amount": Decimal("1.00")}


def test_a_deleted_row_leaves_no_trace(open_sandbox: OpenSandbox) -> None:
    client = open_sandbox(3)
    key = _first_key(client, "invoices")

    client.sandbox.delete("invoices", key)

    assert key not in client.get("invoices").text
    assert client.sandbox.count("invoices") == 2


@pytest.mark.parametrize("change", ["edit", "set_silently", "delete"])
def test_changing_a_row_that_is_not_there_is_a_key_error(open_sandbox: OpenSandbox, change: str) -> None:
    with pytest.raises(KeyError, match="no row has invoice_id 1"):
        getattr(open_sandbox(1).sandbox, change)("invoices", "1")


def test_a_new_field_comes_with_every_row(open_sandbox: OpenSandbox) -> None:
    client = open_sandbox(3)
    client.sandbox.add_field("items", "cf_colour", Decimal("1.50"))
    client.sandbox.insert("items")

    assert client.get("items").text.count('"cf_colour":1.50') == 4


def test_a_field_that_is_removed_is_gone_from_every_row_and_nothing_else_is(open_sandbox: OpenSandbox) -> None:
    client = open_sandbox(3)
    before = list(client.sandbox.rows("invoices"))

    client.sandbox.remove_field("invoices", "reference_number")

    for row in before:
        del row["reference_number"]
    assert list(client.sandbox.rows("invoices")) == before


def test_a_page_hook_runs_before_the_next_request_is_read(open_sandbox: OpenSandbox) -> None:
    seen: list[ServedPage] = []
    clients: list[Client] = []

    def delete_the_newest(served: ServedPage) -> None:
        seen.append(served)
        newest = max(clients[0].sandbox.rows("invoices"), key=lambda row: row["created_time"])
        clients[0].sandbox.delete("invoices", newest["invoice_id"])

    clients.append(open_sandbox(10, page_hook=delete_the_newest))
    pages = [clients[0].rows("invoices", per_page=4, page=page) for page in (1, 2)]

    numbers = [row["invoice_number"] for rows in pages for row in rows]
    assert seen[0] == ServedPage("invoices", 1, 4, True)
    assert numbers == [f"INV-{number:06d}" for number in (10, 9, 8, 7, 5, 4, 3, 2)]  # page drift: 6 is skipped


# --- the ledger


def test_the_ledger_says_what_was_asked(open_sandbox: OpenSandbox) -> None:
    client = open_sandbox(1)
    client.get("invoices", page=2, organization_id=client.sandbox.organization_id)

    token, entry = client.sandbox.ledger.entries

    assert (token.method, token.path, token.resource, token.status) == ("POST", "/oauth/v2/token", None, 200)
    assert (entry.method, entry.path, entry.resource, entry.status) == ("GET", "/invoice/v3/invoices", "invoices", 200)
    assert (entry.page, entry.query["page"], entry.authorization_scheme) == (2, "2", "Zoho-oauthtoken")
    assert entry.organization_header == entry.organization_parameter == client.sandbox.organization_id


def test_the_ledger_tells_resources_apart_and_can_be_cleared(open_sandbox: OpenSandbox) -> None:
    client = open_sandbox(1)
    for resource in ("items", "invoices", "items"):
        client.get(resource)
    ledger = client.sandbox.ledger

    assert (len(ledger.requests()), len(ledger.requests("items"))) == (3, 2)
    ledger.clear()
    assert ledger.entries == []


def test_the_environment_points_at_the_sandbox(open_sandbox: OpenSandbox) -> None:
    sandbox = open_sandbox(0).sandbox

    assert sandbox.environment() == {
        "INVOICE_API_BASE_URL": sandbox.api_base_url,
        "INVOICE_API_TOKEN_URL": sandbox.token_url,
        "INVOICE_API_CLIENT_ID": sandbox.client_id,
        "INVOICE_API_CLIENT_SECRET": sandbox.client_secret,
        "INVOICE_API_REFRESH_TOKEN": sandbox.refresh_token,
        "INVOICE_API_ORGANIZATION_ID": sandbox.organization_id,
        "INVOICE_API_REQUESTS_PER_MINUTE": "0",
        "INVOICE_TIMEZONE": "America/New_York",
        "INVOICE_START_DATE": "2026-01-01",
    }
