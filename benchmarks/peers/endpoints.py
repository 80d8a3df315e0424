"""The nine lists of the API as every peer reads them: path, wrapper, key, hidden filter and columns (docs/api.md).

Standard library only: the peers' own environments import it. What a peer makes of a column's kind is its own business.
"""

from collections.abc import Mapping
from dataclasses import dataclass

PAGE_SIZE = 200
"""The most rows that a page may have."""


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """One list; `columns` maps names to JSON Schema's words for their types.

    Numbers that may be `""` are strings. The custom fields of an organization (`cf_*`) are not among the columns.
    """

    name: str
    path: str
    wrapper: str
    primary_key: str
    columns: Mapping[str, str]
    filter_by: str = ""
    """A filter that takes the place of the API's own, which hides rows."""

    def parameters(self, organization_id: str) -> dict[str, str]:
        """Return the query parameters that every request has, those of paging excepted."""
        shown = {"filter_by": self.filter_by} if self.filter_by else {}
        return {"organization_id": organization_id} | shown

    def json_schema(self) -> dict[str, object]:
        """Return the columns as a JSON Schema in which any of them but the key may be null."""
        kinds = {name: {"type": ["null", kind]} for name, kind in self.columns.items()}
        return {"type": "object", "properties": kinds | {self.primary_key: {"type": "string"}}}


def _columns(**names_by_kind: str) -> dict[str, str]:
    return {name: kind for kind, names in names_by_kind.items() for name in names.split()}


ENDPOINTS: tuple[Endpoint, ...] = (
    Endpoint(
        name="items",
        path="items",
        wrapper="items",
        primary_key="item_id",
        columns=_columns(
            string="""item_id name item_name unit status source zcrm_product_id description tax_id tax_name product_type
                sku image_name image_type image_document_id created_time last_modified_time""",
            number="rate tax_percentage",
            boolean="is_linked_with_zohocrm has_attachment",
        ),
    ),
    Endpoint(
        name="users",
        path="users",
        wrapper="users",
        primary_key="user_id",
        columns=_columns(
            string="user_id role_id name email user_role user_type status photo_url invitation_type mobile",
            boolean="is_current_user is_customer_segmented is_vendor_segmented is_employee is_super_admin",
        ),
    ),
    Endpoint(
        name="contacts",
        path="contacts",
        wrapper="contacts",
        primary_key="contact_id",
        filter_by="Status.All",
        columns=_columns(
            string="""contact_id contact_name customer_name vendor_name company_name website language_code
                language_code_formatted contact_type contact_type_formatted status customer_sub_type source
                payment_terms_id payment_terms_label currency_id currency_code twitter facebook first_name last_name
                email phone mobile portal_status portal_status_formatted created_time created_time_formatted
                last_modified_time last_modified_time_formatted pan_no gst_no gst_treatment place_of_contact""",
            number="""outstanding_receivable_amount outstanding_receivable_amount_bcy
                unused_credits_receivable_amount unused_credits_receivable_amount_bcy""",
            integer="payment_terms",
            boolean="is_linked_with_zohocrm ach_supported has_attachment",
            array="custom_fields contactperson_custom_fields",
            object="custom_field_hash registration_details",
        ),
    ),
    Endpoint(
        name="invoices",
        path="invoices",
        wrapper="invoices",
        primary_key="invoice_id",
        columns=_columns(
            string="""invoice_id zcrm_potential_id customer_id zcrm_potential_name customer_name company_name status
                invoice_number reference_number date due_date issued_date due_days email project_name country phone
                created_by payment_expected_date salesperson_name created_time last_modified_time updated_time
                client_viewed_time mail_first_viewed_time mail_last_viewed_time color_code current_sub_status_id
                current_sub_status currency_id currency_code currency_symbol schedule_time template_type template_id
                invoice_url invoice_source sales_channel transaction_type last_reminder_sent_date last_payment_date
                documents salesperson_id""",
            number="""total balance shipping_charge adjustment write_off_amount exchange_rate
                unprocessed_payment_amount""",
            integer="reminders_sent",
            boolean="ach_payment_initiated is_viewed_by_client has_attachment is_emailed is_viewed_in_mail",
            array="custom_fields",
            object="billing_address shipping_address custom_field_hash",
        ),
    ),
    Endpoint(
        name="recurring_invoices",
        path="recurringinvoices",
        wrapper="recurring_invoices",
        primary_key="recurring_invoice_id",
        columns=_columns(
            string="""recurring_invoice_id recurrence_name reference_number customer_id customer_name status start_date
                end_date last_sent_date next_invoice_date recurrence_frequency child_entity_type last_four_digits
                salesperson_id salesperson_name created_time last_modified_time""",
            number="total",
            integer="repeat_every",
        ),
    ),
    Endpoint(
        name="customer_payments",
        path="customerpayments",
        wrapper="customerpayments",
        primary_key="payment_id",
        columns=_columns(
            string="""payment_id payment_number invoice_numbers date payment_mode payment_mode_formatted description
                reference_number customer_id customer_name created_time last_modified_time last_four_digits
                gateway_transaction_id payment_gateway documents custom_fields_list payment_type payment_status
                settlement_status sales_channel product_description""",
            number="amount bcy_amount unused_amount bcy_unused_amount bcy_refunded_amount tax_amount_withheld",
            boolean="is_paid_via_check has_attachment",
            array="applied_invoices",
            object="check_details",
        ),
    ),
    Endpoint(
        name="credit_notes",
        path="creditnotes",
        wrapper="creditnotes",
        primary_key="creditnote_id",
        columns=_columns(
            string="""creditnote_id creditnote_number status reference_number date issued_date customer_id customer_name
                applied_invoices salesperson_name salesperson_id sales_channel client_viewed_time color_code
                current_sub_status_id current_sub_status currency_id currency_code created_time last_modified_time
                template_id template_type rounding_mode""",
            number="total balance exchange_rate",
            integer="price_precision",
            boolean="is_emailed has_attachment is_viewed_by_client",
        ),
    ),
    Endpoint(
        name="expenses",
        path="expenses",
        wrapper="expenses",
        primary_key="expense_id",
        columns=_columns(
            string="""expense_id date user_name account_name description currency_id currency_code reference_number
                customer_id customer_name status created_time last_modified_time expense_receipt_name mileage_unit
                mileage_type expense_type report_id start_reading end_reading report_name report_number
                custom_fields_list""",
            number="""bcy_total bcy_total_without_tax total total_without_tax exchange_rate distance
                mileage_rate""",
            boolean="is_billable is_personal has_attachment",
        ),
    ),
    Endpoint(
        name="taxes",
        path="settings/taxes",
        wrapper="taxes",
        primary_key="tax_id",
        filter_by="Status.All",
        columns=_columns(
            string="""tax_id tax_name tax_type tax_specific_type tax_specification diff_rate_reason start_date end_date
                status last_modified_time tax_authority_id tax_authority_name""",
            number="tax_percentage",
            boolean="is_inactive is_default_tax is_editable is_value_added",
        ),
    ),
)
"""All nine, in the order in which the peers read them."""
