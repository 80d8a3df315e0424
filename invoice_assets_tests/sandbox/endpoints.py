"""The list endpoints, one frozen row each: path, wrapper, key, sorts, filters and scope.

A tenth resource is one more `Endpoint` with a plain list of sample records. How a list request is answered is in
`listing.py`; what the rows contain is in the `rows_*` modules.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from invoice_assets_tests.sandbox.rows_money import credit_note_row, customer_payment_row, expense_row
from invoice_assets_tests.sandbox.rows_people import contact_row, user_row
from invoice_assets_tests.sandbox.rows_sales import invoice_row, recurring_invoice_row
from invoice_assets_tests.sandbox.rows_settings import item_row, tax_row
from invoice_assets_tests.sandbox.world import World

SETTINGS_SCOPE = "ZohoInvoice.settings.READ"
FULL_ACCESS_SCOPE = "ZohoInvoice.fullaccess.all"
RowGenerator = Callable[[World, int], str]


@dataclass(frozen=True)
class DefaultFilter:
    """A filter that a list applies unless it is asked for `filter_by=Status.All`: it hides rows that look like this."""

    name: str
    column: str
    hidden_value: str | bool


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """One list endpoint of the API.

    `sort_columns` are the accepted values of `sort_column` besides the default one. Rows come from `generate`, which
    returns the wire text of row number n, or are the `records` given.
    """

    name: str
    path: str
    wrapper: str
    key: str
    default_sort: tuple[str, str]
    sort_columns: tuple[str, ...] = ()
    filters_modified_time: bool = False
    filters_date: bool = False
    default_filter: DefaultFilter | None = None
    scope: str = SETTINGS_SCOPE
    report_name: str = ""
    needs_organization: bool = True
    generate: RowGenerator | None = None
    records: tuple[Mapping[str, Any], ...] = ()

    @property
    def accepted_sort_columns(self) -> tuple[str, ...]:
        """Every accepted value of `sort_column`, the default one first."""
        return tuple(dict.fromkeys((self.default_sort[0], *self.sort_columns)))


ENDPOINTS: tuple[Endpoint, ...] = (
    Endpoint(
        name="items",
        path="items",
        wrapper="items",
        key="item_id",
        default_sort=("name", "A"),
        sort_columns=("rate", "tax_name", "created_time"),
        report_name="Items",
        generate=item_row,
    ),
    Endpoint(
        name="users",
        path="users",
        wrapper="users",
        key="user_id",
        default_sort=("name", "A"),
        sort_columns=("email", "user_role", "status"),
        report_name="Users",
        generate=user_row,
    ),
    Endpoint(
        name="contacts",
        path="contacts",
        wrapper="contacts",
        key="contact_id",
        default_sort=("contact_name", "A"),
        sort_columns=(
            "first_name",
            "last_name",
            "email",
            "outstanding_receivable_amount",
            "created_time",
            "last_modified_time",
        ),
        filters_modified_time=True,
        default_filter=DefaultFilter("Status.Customers", "contact_type", "vendor"),
        scope="ZohoInvoice.contacts.READ",
        report_name="Contacts",
        generate=contact_row,
    ),
    Endpoint(
        name="invoices",
        path="invoices",
        wrapper="invoices",
        key="invoice_id",
        default_sort=("created_time", "D"),
        sort_columns=(
            "customer_name",
            "invoice_number",
            "date",
            "due_date",
            "total",
            "balance",
            "last_modified_time",
        ),
        filters_modified_time=True,
        filters_date=True,
        scope="ZohoInvoice.invoices.READ",
        report_name="Invoices",
        generate=invoice_row,
    ),
    Endpoint(
        name="recurring_invoices",
        path="recurringinvoices",
        wrapper="recurring_invoices",
        key="recurring_invoice_id",
        default_sort=("created_time", "D"),
        sort_columns=("customer_name", "recurrence_name", "total", "start_date", "end_date", "next_invoice_date"),
        scope="ZohoInvoice.invoices.READ",
        report_name="Recurring Invoices",
        generate=recurring_invoice_row,
    ),
    Endpoint(
        name="customer_payments",
        path="customerpayments",
        wrapper="customerpayments",
        key="payment_id",
        default_sort=("date", "D"),
        sort_columns=("customer_name", "payment_mode", "amount", "created_time", "last_modified_time"),
        filters_modified_time=True,
        filters_date=True,
        scope="ZohoInvoice.customerpayments.READ",
        report_name="Payments Received",
        generate=customer_payment_row,
    ),
    Endpoint(
        name="credit_notes",
        path="creditnotes",
        wrapper="creditnotes",
        key="creditnote_id",
        default_sort=("created_time", "D"),
        sort_columns=("customer_name", "creditnote_number", "date", "total", "balance", "last_modified_time"),
        filters_modified_time=True,
        scope="ZohoInvoice.creditnotes.READ",
        report_name="Credit Notes",
        generate=credit_note_row,
    ),
    Endpoint(
        # last_modified_time filters expenses, but as a sort column it is refused (docs/api.md, "Pagination").
        name="expenses",
        path="expenses",
        wrapper="expenses",
        key="expense_id",
        default_sort=("created_time", "D"),
        sort_columns=("date", "account_name", "total", "bcy_total", "reference_number", "customer_name"),
        filters_modified_time=True,
        filters_date=True,
        scope="ZohoInvoice.expenses.READ",
        report_name="Expenses",
        generate=expense_row,
    ),
    Endpoint(
        name="taxes",
        path="settings/taxes",
        wrapper="taxes",
        key="tax_id",
        default_sort=("tax_name", "A"),
        sort_columns=("tax_percentage", "tax_type"),
        default_filter=DefaultFilter("Status.Active", "is_inactive", True),
        report_name="Taxes",
        generate=tax_row,
    ),
)


def build_organizations_endpoint(records: tuple[Mapping[str, Any], ...]) -> Endpoint:
    """Return the one list that belongs to a login rather than to an organisation."""
    return Endpoint(
        name="organizations",
        path="organizations",
        wrapper="organizations",
        key="organization_id",
        default_sort=("name", "A"),
        report_name="Organizations",
        needs_organization=False,
        records=records,
    )
