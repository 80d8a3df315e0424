"""The generated rows: their rendering (docs/api.md, "Values on the wire"), and that they agree with one another."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from invoice_assets_tests.sandbox.endpoints import ENDPOINTS, Endpoint
from invoice_assets_tests.sandbox.server import Sandbox
from invoice_assets_tests.sandbox.wire import Row
from invoice_assets_tests.sandbox_behaviour.client import Client

RESOURCES = [endpoint.name for endpoint in ENDPOINTS]
MONEY = {
    "items": ["rate"],
    "contacts": ["outstanding_receivable_amount", "outstanding_receivable_amount_bcy"],
    "invoices": ["total", "balance", "shipping_charge", "adjustment", "write_off_amount"],
    "recurring_invoices": ["total"],
    "customer_payments": ["amount", "bcy_amount", "unused_amount", "bcy_unused_amount"],
    "credit_notes": ["total", "balance"],
    "expenses": ["total", "bcy_total", "total_without_tax", "bcy_total_without_tax"],
}
PRESENT_AND_NOT_EMPTY = {
    "items": ["item_id", "name", "status", "rate"],
    "users": ["user_id", "name", "email", "status"],
    "contacts": [
        *("contact_id", "contact_name", "contact_type", "status", "currency_id", "currency_code"),
        *("created_time", "last_modified_time"),
    ],
    "invoices": [
        *("invoice_id", "customer_id", "customer_name", "status", "invoice_number", "date", "due_date", "total"),
        *("balance", "created_time", "last_modified_time", "currency_id", "currency_code"),
    ],
    "recurring_invoices": [
        *("recurring_invoice_id", "recurrence_name", "customer_id", "status", "total", "start_date"),
        "recurrence_frequency",
    ],
    "customer_payments": ["payment_id", "date", "amount", "customer_id", "created_time", "last_modified_time"],
    "credit_notes": [
        *("creditnote_id", "creditnote_number", "status", "date", "total", "balance", "customer_id"),
        *("currency_id", "currency_code", "created_time", "last_modified_time"),
    ],
    "expenses": [
        *("expense_id", "date", "currency_id", "currency_code", "total", "status", "created_time"),
        "last_modified_time",
    ],
    "taxes": ["tax_id", "tax_name", "tax_percentage", "tax_type"],
}


@pytest.fixture(scope="module")
def company() -> Iterator[dict[str, list[Row]]]:
    """Return all rows of all resources, 450 of each."""
    with Sandbox(450) as sandbox:
        yield {name: list(sandbox.rows(name)) for name in RESOURCES}


def _by_key(company: dict[str, list[Row]], resource: str) -> dict[str, Row]:
    key = next(endpoint.key for endpoint in ENDPOINTS if endpoint.name == resource)
    return {row[key]: row for row in company[resource]}


# --- rendering


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda endpoint: endpoint.name)
def test_ids_are_unique_strings_of_15_to_19_digits(company: dict[str, list[Row]], endpoint: Endpoint) -> None:
    keys = [row[endpoint.key] for row in company[endpoint.name]]

    assert len(set(keys)) == 450
    assert all(isinstance(key, str) and re.fullmatch(r"\d{15,19}", key) for key in keys)


@pytest.mark.parametrize(("resource", "columns"), PRESENT_AND_NOT_EMPTY.items(), ids=PRESENT_AND_NOT_EMPTY.keys())
def test_required_columns_are_present_and_not_empty(
    company: dict[str, list[Row]], resource: str, columns: list[str]
) -> None:
    assert all(row[column] not in ("", None) for row in company[resource] for column in columns)


@pytest.mark.parametrize(("resource", "columns"), MONEY.items(), ids=MONEY.keys())
def test_money_has_two_decimals_on_the_wire(company: dict[str, list[Row]], resource: str, columns: list[str]) -> None:
    values = [row[column] for row in company[resource] for column in columns]

    assert all(isinstance(value, Decimal) and value.as_tuple().exponent == -2 for value in values)


@pytest.mark.parametrize("resource", [name for name in RESOURCES if name != "users"])
def test_timestamps_have_the_offset_of_their_instant(company: dict[str, list[Row]], resource: str) -> None:
    zone = ZoneInfo("America/New_York")
    stamps = [row["last_modified_time"] for row in company[resource]]

    for text in stamps:
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d-0[45]00", text)
        assert datetime.fromisoformat(text).astimezone(zone).strftime("%z") == text[-5:]
    assert {text[-5:] for text in stamps} == {"-0500", "-0400"}


@pytest.mark.parametrize("resource", RESOURCES)
def test_nothing_was_modified_before_it_was_created(company: dict[str, list[Row]], resource: str) -> None:
    for row in company[resource]:
        if "created_time" in row:
            created, modified = (datetime.fromisoformat(row[name]) for name in ("created_time", "last_modified_time"))
            assert created <= modified
            assert date(2026, 1, 1) <= created.date() <= modified.date() <= date(2026, 6, 30)


def test_many_rows_can_share_one_stamp(company: dict[str, list[Row]]) -> None:
    stamps = [row["last_modified_time"] for row in company["invoices"]]

    assert max(map(stamps.count, set(stamps))) > 5


def test_tax_percentages_alternate_between_integers_and_decimals(company: dict[str, list[Row]]) -> None:
    for resource in ("taxes", "items"):
        assert {type(row["tax_percentage"]) for row in company[resource]} == {int, Decimal}


def test_invoice_url_is_absent_on_drafts_and_void_invoices_only(company: dict[str, list[Row]]) -> None:
    for row in company["invoices"]:
        assert ("invoice_url" in row) == (row["status"] not in {"draft", "void"})


def test_keys_about_mail_come_only_with_emailed_invoices(company: dict[str, list[Row]]) -> None:
    mail_keys = {"is_viewed_in_mail", "mail_first_viewed_time", "mail_last_viewed_time"}

    assert {row["is_emailed"] for row in company["invoices"]} == {True, False}
    for row in company["invoices"]:
        assert (mail_keys & row.keys()) == (mail_keys if row["is_emailed"] else set())


def test_some_contacts_have_custom_fields_in_all_three_shapes(company: dict[str, list[Row]]) -> None:
    with_fields = [row for row in company["contacts"] if row["custom_fields"]]

    assert 0 < len(with_fields) < 450
    for row in with_fields:
        assert row["custom_field_hash"]["cf_region"] == row["custom_fields"][0]["value"] == row["cf_region"]


def test_applied_invoices_is_a_list_on_payments_and_a_text_on_credit_notes(company: dict[str, list[Row]]) -> None:
    assert {type(row["applied_invoices"]) for row in company["customer_payments"]} == {list}
    assert {type(row["applied_invoices"]) for row in company["credit_notes"]} == {str}
    assert any(row["applied_invoices"] for row in company["credit_notes"])


def test_awkward_values_occur(company: dict[str, list[Row]]) -> None:
    names = "".join(row["contact_name"] for row in company["contacts"])

    assert "日本" in names
    assert '"' in names
    assert "\\" in names
    assert Decimal("12345678901.05") in [row["total"] for row in company["invoices"]]
    assert any(len(str(row["exchange_rate"]).split(".")[1]) >= 6 for row in company["invoices"])
    assert any(row["website"] is None for row in company["contacts"])
    assert {row["salesperson_id"] for row in company["credit_notes"]} == {"", "-1"}
    assert {type(row["start_reading"]) for row in company["expenses"]} == {str, int}
    assert len({frozenset(row) for row in company["users"]}) > 3


@pytest.mark.parametrize(
    ("resource", "statuses"),
    [
        ("invoices", {"draft", "void", "paid", "overdue", "sent", "viewed", "unpaid", "partially_paid"}),
        ("credit_notes", {"open", "closed", "draft", "void"}),
        ("expenses", {"nonbillable", "unbilled", "invoiced", "reimbursed", "billable"}),
        ("recurring_invoices", {"active", "stopped", "expired"}),
        ("users", {"active", "inactive", "invited", "deleted"}),
    ],
)
def test_every_status_occurs(company: dict[str, list[Row]], resource: str, statuses: set[str]) -> None:
    assert {row["status"] for row in company[resource]} == statuses


def test_some_documents_are_dated_long_before_they_were_written(company: dict[str, list[Row]]) -> None:
    assert min(row["date"] for row in company["invoices"]) < "2025-01-01"


# --- agreement


@pytest.mark.parametrize(
    "resource", ["invoices", "recurring_invoices", "customer_payments", "credit_notes", "expenses"]
)
def test_a_documents_customer_is_a_contact_of_that_name(company: dict[str, list[Row]], resource: str) -> None:
    contacts = _by_key(company, "contacts")

    for row in company[resource]:
        if row["customer_id"]:
            contact = contacts[row["customer_id"]]
            assert (contact["contact_name"], contact["contact_type"]) == (row["customer_name"], "customer")
            if resource in {"invoices", "credit_notes"}:
                assert contact["currency_code"] == row["currency_code"]


def test_a_balance_is_the_total_less_the_payments_applied(company: dict[str, list[Row]]) -> None:
    applied: dict[str, Decimal] = defaultdict(Decimal)
    for payment in company["customer_payments"]:
        for line in payment["applied_invoices"]:
            applied[line["invoice_id"]] += line["amount_applied"]

    for invoice in company["invoices"]:
        assert invoice["balance"] == invoice["total"] - applied[invoice["invoice_id"]]


def test_an_invoices_status_agrees_with_its_balance_and_its_due_date(company: dict[str, list[Row]]) -> None:
    for row in company["invoices"]:
        is_late = row["due_date"] < "2026-06-30"
        assert row["date"] <= row["due_date"]
        assert (row["status"] == "paid") == (row["balance"] == 0)
        if row["status"] in {"sent", "viewed", "unpaid", "partially_paid", "overdue"}:
            assert (row["status"] == "overdue") == is_late
        if row["status"] == "partially_paid":
            assert 0 < row["balance"] < row["total"]


def test_a_payments_amounts_and_invoices_add_up(company: dict[str, list[Row]]) -> None:
    invoices = _by_key(company, "invoices")

    for payment in company["customer_payments"]:
        lines = payment["applied_invoices"]
        assert payment["amount"] == sum(line["amount_applied"] for line in lines) + payment["unused_amount"]
        assert payment["invoice_numbers"] == ", ".join(line["invoice_number"] for line in lines)
        for line in lines:
            invoice = invoices[line["invoice_id"]]
            assert (invoice["invoice_number"], invoice["customer_id"]) == (
                line["invoice_number"],
                payment["customer_id"],
            )
            assert datetime.fromisoformat(invoice["created_time"]) <= datetime.fromisoformat(payment["created_time"])
            assert datetime.fromisoformat(payment["created_time"]) <= datetime.fromisoformat(
                invoice["last_modified_time"]
            )


def test_some_payments_cover_two_invoices_and_some_none(company: dict[str, list[Row]]) -> None:
    assert {len(row["applied_invoices"]) for row in company["customer_payments"]} == {0, 1, 2}


def test_a_contacts_outstanding_amount_is_the_sum_of_its_open_balances(company: dict[str, list[Row]]) -> None:
    owed: dict[str, Decimal] = defaultdict(Decimal)
    for invoice in company["invoices"]:
        if invoice["status"] not in {"draft", "void"}:
            owed[invoice["customer_id"]] += invoice["balance"]

    assert any(owed.values())
    for contact in company["contacts"]:
        assert contact["outstanding_receivable_amount"] == owed[contact["contact_id"]]


def test_a_contacts_unused_credits_are_its_advances_and_open_credit_notes(company: dict[str, list[Row]]) -> None:
    unused: dict[str, Decimal] = defaultdict(Decimal)
    for payment in company["customer_payments"]:
        unused[payment["customer_id"]] += payment["unused_amount"]
    for note in company["credit_notes"]:
        unused[note["customer_id"]] += note["balance"] if note["status"] == "open" else 0

    for contact in company["contacts"]:
        assert contact["unused_credits_receivable_amount"] == unused[contact["contact_id"]]


def test_an_applied_credit_note_names_an_invoice_of_its_customer(company: dict[str, list[Row]]) -> None:
    customers = {row["invoice_number"]: row["customer_id"] for row in company["invoices"]}

    for note in company["credit_notes"]:
        if note["applied_invoices"]:
            assert customers[note["applied_invoices"]] == note["customer_id"]
            assert (note["status"], note["balance"]) == ("closed", 0)


def test_an_items_tax_exists_and_agrees(company: dict[str, list[Row]]) -> None:
    taxes = _by_key(company, "taxes")

    for item in company["items"]:
        if item["tax_id"]:
            tax = taxes[item["tax_id"]]
            assert (tax["tax_name"], tax["tax_percentage"]) == (item["tax_name"], item["tax_percentage"])


@pytest.mark.parametrize(
    "rows",
    [
        pytest.param({"invoices": 50, "customer_payments": 20, "contacts": 5}, id="few-payments-few-contacts"),
        pytest.param({"invoices": 20, "customer_payments": 50, "contacts": 3}, id="few-invoices"),
        pytest.param({"contacts": 40, "invoices": 7, "customer_payments": 7, "credit_notes": 60}, id="uneven"),
    ],
)
def test_sums_agree_whatever_the_numbers_of_rows(rows: dict[str, int]) -> None:
    with Sandbox(rows) as sandbox:
        company = {name: list(sandbox.rows(name)) for name in RESOURCES}

    test_a_balance_is_the_total_less_the_payments_applied(company)
    test_a_payments_amounts_and_invoices_add_up(company)
    test_a_contacts_unused_credits_are_its_advances_and_open_credit_notes(company)
    test_an_applied_credit_note_names_an_invoice_of_its_customer(company)


def test_without_contacts_customers_dangle(company: dict[str, list[Row]]) -> None:
    with Sandbox({"invoices": 5}) as sandbox:
        assert all(row["customer_id"] for row in sandbox.rows("invoices"))
        assert sandbox.count("contacts") == 0


# --- determinism and scale


def test_the_same_seed_makes_the_same_bytes() -> None:
    with Sandbox(20) as first, Sandbox(20) as second, Client(first) as one, Client(second) as two:
        assert [one.get(name).content for name in RESOURCES] == [two.get(name).content for name in RESOURCES]
        assert first.environment() | {"INVOICE_API_BASE_URL": "", "INVOICE_API_TOKEN_URL": ""} == (
            second.environment() | {"INVOICE_API_BASE_URL": "", "INVOICE_API_TOKEN_URL": ""}
        )


def test_another_seed_makes_other_rows_and_other_secrets() -> None:
    with Sandbox(20, seed=1) as first, Sandbox(20, seed=2) as second:
        assert list(first.rows("invoices")) != list(second.rows("invoices"))
        assert first.client_secret != second.client_secret


def test_a_history_in_another_zone_has_its_offset() -> None:
    history = (date(2024, 2, 1), date(2024, 2, 29))
    with Sandbox(30, history=history, time_zone="Asia/Kolkata") as sandbox:
        stamps = [row["created_time"] for row in sandbox.rows("invoices")]

    assert {text[-5:] for text in stamps} == {"+0530"}
    assert (min(stamps)[:10], max(stamps)[:7]) == ("2024-02-01", "2024-02")


def test_a_large_sandbox_pages_through_everything() -> None:
    with Sandbox({"users": 25_000}) as sandbox, Client(sandbox) as client:
        assert len({row["user_id"] for row in client.all_rows("users")}) == 25_000
