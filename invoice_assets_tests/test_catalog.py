"""`catalog.py` against a table written by hand from docs/api.md, "The nine resources"; nothing here derives from it."""

from __future__ import annotations

import ast
from dataclasses import FrozenInstanceError, dataclass
from pathlib import Path

import pytest

import invoice_assets
from invoice_assets.catalog import RESOURCES
from invoice_assets.resource_spec import Cadence, IncrementalRead

PACKAGE = Path(invoice_assets.__file__).parent


@dataclass(frozen=True, kw_only=True)
class Documented:
    """One resource as docs/api.md has it; `required` are the names in bold, `empty` those that are "" when missing."""

    path: str
    wrapper: str
    key: str
    scope: str
    required: str
    text: str
    empty: str = ""
    decimal: str = ""
    bigint: str = ""
    bool: str = ""
    date: str = ""
    timestamp: str = ""
    json: str = ""
    incremental: IncrementalRead = IncrementalRead.NONE
    sorts: str
    filter_by: str | None = None

    @property
    def kinds(self) -> dict[str, str]:
        """The data type of each column, by name."""
        kinds = ("decimal", "bigint", "bool", "date", "timestamp", "json")
        found = {name: kind for kind in kinds for name in getattr(self, kind).split()}
        return {**found, **dict.fromkeys(f"{self.text} {self.empty}".split(), "text")}


DOCUMENTED = {
    "items": Documented(
        path="items",
        wrapper="items",
        key="item_id",
        scope="ZohoInvoice.settings.READ",
        required="item_id name status rate",
        text="item_id name item_name status source product_type",
        empty="unit zcrm_product_id description tax_id tax_name sku image_name image_type image_document_id",
        decimal="rate tax_percentage",
        bool="is_linked_with_zohocrm has_attachment",
        timestamp="created_time last_modified_time",
        sorts="name",
    ),
    "users": Documented(
        path="users",
        wrapper="users",
        key="user_id",
        scope="ZohoInvoice.settings.READ",
        required="user_id name email status",
        text="user_id role_id name email user_role user_type status photo_url",
        empty="invitation_type mobile",
        bool="is_current_user is_customer_segmented is_vendor_segmented is_employee is_super_admin",
        sorts="name",
    ),
    "contacts": Documented(
        path="contacts",
        wrapper="contacts",
        key="contact_id",
        scope="ZohoInvoice.contacts.READ",
        required="""contact_id contact_name contact_type status currency_id currency_code created_time
            last_modified_time""",
        text="""contact_id contact_name customer_name vendor_name contact_type contact_type_formatted status
            customer_sub_type source payment_terms_id payment_terms_label currency_id currency_code portal_status
            portal_status_formatted created_time_formatted last_modified_time_formatted""",
        empty="""company_name website language_code language_code_formatted twitter facebook first_name last_name email
            phone mobile pan_no gst_no gst_treatment place_of_contact""",
        decimal="""outstanding_receivable_amount outstanding_receivable_amount_bcy unused_credits_receivable_amount
            unused_credits_receivable_amount_bcy""",
        bigint="payment_terms",
        bool="is_linked_with_zohocrm ach_supported has_attachment",
        timestamp="created_time last_modified_time",
        json="custom_fields custom_field_hash contactperson_custom_fields registration_details",
        incremental=IncrementalRead.KEYSET,
        sorts="contact_name last_modified_time",
        filter_by="Status.All",
    ),
    "invoices": Documented(
        path="invoices",
        wrapper="invoices",
        key="invoice_id",
        scope="ZohoInvoice.invoices.READ",
        required="""invoice_id customer_id customer_name status invoice_number date due_date total balance created_time
            last_modified_time currency_id currency_code""",
        text="""invoice_id customer_id customer_name status invoice_number created_by current_sub_status currency_id
            currency_code currency_symbol template_type template_id invoice_url invoice_source sales_channel
            transaction_type""",
        empty="""zcrm_potential_id zcrm_potential_name company_name reference_number due_days email project_name country
            phone salesperson_name color_code current_sub_status_id documents salesperson_id client_viewed_time
            schedule_time mail_first_viewed_time mail_last_viewed_time""",
        decimal="""total balance shipping_charge adjustment write_off_amount exchange_rate
            unprocessed_payment_amount""",
        bigint="reminders_sent",
        bool="ach_payment_initiated is_viewed_by_client has_attachment is_emailed is_viewed_in_mail",
        date="date due_date issued_date payment_expected_date last_reminder_sent_date last_payment_date",
        timestamp="created_time last_modified_time updated_time",
        json="billing_address shipping_address custom_fields custom_field_hash",
        incremental=IncrementalRead.KEYSET,
        sorts="created_time last_modified_time",
    ),
    "recurring_invoices": Documented(
        path="recurringinvoices",
        wrapper="recurring_invoices",
        key="recurring_invoice_id",
        scope="ZohoInvoice.invoices.READ",
        required="recurring_invoice_id recurrence_name customer_id status total start_date recurrence_frequency",
        text="""recurring_invoice_id recurrence_name customer_id customer_name status recurrence_frequency
            child_entity_type""",
        empty="reference_number last_four_digits salesperson_id salesperson_name",
        decimal="total",
        bigint="repeat_every",
        date="start_date end_date last_sent_date next_invoice_date",
        timestamp="created_time last_modified_time",
        sorts="created_time",
    ),
    "customer_payments": Documented(
        path="customerpayments",
        wrapper="customerpayments",
        key="payment_id",
        scope="ZohoInvoice.customerpayments.READ",
        required="payment_id date amount customer_id created_time last_modified_time",
        text="""payment_id payment_number invoice_numbers payment_mode payment_mode_formatted customer_id customer_name
            payment_type payment_status""",
        empty="""description reference_number last_four_digits gateway_transaction_id payment_gateway documents
            custom_fields_list settlement_status sales_channel product_description""",
        decimal="amount bcy_amount unused_amount bcy_unused_amount bcy_refunded_amount tax_amount_withheld",
        bool="is_paid_via_check has_attachment",
        date="date",
        timestamp="created_time last_modified_time",
        json="check_details applied_invoices",
        incremental=IncrementalRead.KEYSET,
        sorts="date last_modified_time",
    ),
    "credit_notes": Documented(
        path="creditnotes",
        wrapper="creditnotes",
        key="creditnote_id",
        scope="ZohoInvoice.creditnotes.READ",
        required="""creditnote_id creditnote_number status date total balance customer_id currency_id currency_code
            created_time last_modified_time""",
        text="""creditnote_id creditnote_number status customer_id customer_name current_sub_status currency_id
            currency_code template_id template_type rounding_mode""",
        empty="""reference_number applied_invoices salesperson_name salesperson_id sales_channel color_code
            current_sub_status_id client_viewed_time""",
        decimal="total balance exchange_rate",
        bigint="price_precision",
        bool="is_emailed has_attachment is_viewed_by_client",
        date="date issued_date",
        timestamp="created_time last_modified_time",
        incremental=IncrementalRead.KEYSET,
        sorts="created_time last_modified_time",
    ),
    "expenses": Documented(
        path="expenses",
        wrapper="expenses",
        key="expense_id",
        scope="ZohoInvoice.expenses.READ",
        required="expense_id date currency_id currency_code total status created_time last_modified_time",
        text="expense_id account_name currency_id currency_code status mileage_unit mileage_type expense_type",
        empty="""user_name description reference_number customer_id customer_name expense_receipt_name report_id
            report_name report_number custom_fields_list""",
        decimal="""bcy_total bcy_total_without_tax total total_without_tax exchange_rate distance mileage_rate
            start_reading end_reading""",
        bool="is_billable is_personal has_attachment",
        date="date",
        timestamp="created_time last_modified_time",
        incremental=IncrementalRead.FILTER,
        sorts="created_time",
    ),
    "taxes": Documented(
        path="settings/taxes",
        wrapper="taxes",
        key="tax_id",
        scope="ZohoInvoice.settings.READ",
        required="tax_id tax_name tax_percentage tax_type",
        text="tax_id tax_name tax_type status tax_authority_id tax_authority_name",
        empty="tax_specific_type tax_specification diff_rate_reason",
        decimal="tax_percentage",
        bool="is_inactive is_default_tax is_editable is_value_added",
        date="start_date end_date",
        timestamp="last_modified_time",
        sorts="tax_name",
        filter_by="Status.All",
    ),
}

each_resource = pytest.mark.parametrize(
    ("name", "documented"), [pytest.param(name, documented, id=name) for name, documented in DOCUMENTED.items()]
)


def test_the_nine_documented_resources_are_in_the_catalog() -> None:
    assert set(RESOURCES) == set(DOCUMENTED)


@each_resource
def test_a_resource_is_where_the_api_has_it(name: str, documented: Documented) -> None:
    spec = RESOURCES[name]

    assert (spec.name, spec.path, spec.data_selector, spec.primary_key) == (
        name,
        documented.path,
        documented.wrapper,
        documented.key,
    )


@each_resource
def test_every_documented_column_is_there_with_its_type(name: str, documented: Documented) -> None:
    assert {column.name: str(column.data_type) for column in RESOURCES[name].columns} == documented.kinds


@each_resource
def test_the_required_columns_are_those_that_are_never_empty(name: str, documented: Documented) -> None:
    required = {column.name for column in RESOURCES[name].columns if not column.nullable}

    assert required == set(documented.required.split())


@each_resource
def test_an_empty_string_is_no_value_where_the_api_says_so(name: str, documented: Documented) -> None:
    """Numbers, dates and the like have no other way of being empty; of texts only those that docs/api.md marks."""
    empty_texts = {c.name for c in RESOURCES[name].columns if c.data_type == "text" and c.empty_is_null}
    others = {c.name: c.empty_is_null for c in RESOURCES[name].columns if c.data_type != "text"}

    assert empty_texts == set(documented.empty.split())
    assert all(others.values())


PERSONAL = {
    "items": "",
    "users": "name email photo_url mobile",
    "contacts": "contact_name customer_name vendor_name company_name website twitter facebook first_name last_name "
    "email phone mobile custom_fields custom_field_hash contactperson_custom_fields pan_no registration_details gst_no",
    "invoices": "zcrm_potential_name customer_name company_name email billing_address shipping_address phone "
    "created_by custom_fields custom_field_hash salesperson_name invoice_url documents",
    "recurring_invoices": "recurrence_name customer_name last_four_digits salesperson_name",
    "customer_payments": "description reference_number check_details customer_name last_four_digits documents "
    "custom_fields_list product_description",
    "credit_notes": "customer_name salesperson_name",
    "expenses": "user_name description customer_name expense_receipt_name report_name custom_fields_list",
    "taxes": "",
}
"""Names of people and companies, how to reach them, numbers that stand for them, free text about them, and the link."""


@each_resource
def test_what_says_something_about_a_person_is_personal(name: str, documented: Documented) -> None:
    assert {column.name for column in RESOURCES[name].personal_columns} == set(PERSONAL[name].split())


@each_resource
def test_a_resource_asks_for_the_scope_of_its_endpoint(name: str, documented: Documented) -> None:
    assert RESOURCES[name].scopes == {documented.scope}


@each_resource
def test_a_resource_is_read_incrementally_only_as_the_api_can(name: str, documented: Documented) -> None:
    assert RESOURCES[name].incremental is documented.incremental


@each_resource
def test_a_complete_read_follows_a_sort_that_the_endpoint_accepts(name: str, documented: Documented) -> None:
    sort = RESOURCES[name].sort

    assert sort.column in documented.sorts.split()
    assert sort.order == "A"


@each_resource
def test_a_filter_that_hides_rows_by_default_is_lifted(name: str, documented: Documented) -> None:
    expected = {} if documented.filter_by is None else {"filter_by": documented.filter_by}

    assert dict(RESOURCES[name].parameters) == expected


def test_the_documents_that_move_money_are_the_transactions() -> None:
    transactions = {name for name, spec in RESOURCES.items() if spec.cadence is Cadence.TRANSACTIONS}

    assert transactions == {"invoices", "customer_payments", "credit_notes", "expenses"}


def test_exchange_rates_keep_more_decimals_than_amounts() -> None:
    assert RESOURCES["invoices"].column("exchange_rate").scale == 18
    assert RESOURCES["invoices"].column("total").scale == 6


def test_the_catalog_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        RESOURCES["tenth"] = RESOURCES["items"]  # type: ignore[index]  # that it cannot is the point
    with pytest.raises(FrozenInstanceError):
        RESOURCES["items"].path = "elsewhere"  # type: ignore[misc]  # that it cannot is the point


def _names_compared(source: str) -> set[str]:
    """The resources' names that a module's source compares with something, `match` patterns included."""
    compared = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Compare | ast.MatchValue)]
    constants = (part.value for node in compared for part in ast.walk(node) if isinstance(part, ast.Constant))
    return {value for value in constants if isinstance(value, str) and value in DOCUMENTED}


@pytest.mark.parametrize(
    "source",
    [
        pytest.param('if spec.name == "invoices":\n    pass', id="equal"),
        pytest.param('if "invoices" != name:\n    pass', id="not-equal"),
        pytest.param('keyset = name in ("contacts", "invoices")', id="in-a-tuple"),
        pytest.param('match name:\n    case "invoices" | "taxes":\n        pass', id="match"),
    ],
)
def test_a_comparison_with_a_resource_s_name_is_found(source: str) -> None:
    assert "invoices" in _names_compared(source)


@pytest.mark.parametrize(
    "module",
    [
        pytest.param(path, id=str(path.relative_to(PACKAGE)))
        for path in sorted(PACKAGE.rglob("*.py"))
        if path != PACKAGE / "catalog.py"
    ],
)
def test_no_module_compares_with_a_resource_s_name(module: Path) -> None:
    """A difference between resources is a field of the catalog."""
    assert _names_compared(module.read_text()) == set()
