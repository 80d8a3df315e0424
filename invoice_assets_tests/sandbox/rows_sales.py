"""Rows of what is billed: invoices and recurring invoices.

A row function returns the JSON text that goes over the wire. Totals, balances and statuses come from `receivables.py`;
money that was received or spent is in `rows_money.py`.
"""

from __future__ import annotations

from invoice_assets_tests.sandbox.receivables import TERMS, Invoice, invoice_facts, invoice_number
from invoice_assets_tests.sandbox.wire import quote, render_cents
from invoice_assets_tests.sandbox.world import RESOURCE_CODES, WORKDAY_SECONDS, World

SALESPEOPLE = ("", "Ana Almeida", "", 'Grace "Admiral" Hopper')
CITIES = (
    ("München", "BY", "Germany"),
    ("São Paulo", "SP", "Brazil"),
    ("Austin", "TX", "U.S.A."),
    ("Oslo", "", "Norway"),
)
WITHOUT_URL = frozenset({"draft", "void"})
NOTHING = '""'
NO_ADDRESS = (
    '{"address":"","street2":"","city":"","state":"","zipcode":"","country":"","phone":"","fax":"","attention":""}'
)
FREQUENCIES = ("months", "weeks", "years", "days")


def invoice_row(world: World, index: int) -> str:
    """Return the wire text of one invoice."""
    facts = invoice_facts(world, index)
    bits = facts.bits
    customer = quote(world.contact_name(facts.contact))
    currency = facts.currency
    created, modified = world.stamp(facts.created), world.stamp(facts.modified)
    is_draft = facts.status == "draft"
    day = world.date_text(facts.day)
    address = _address(facts.contact, bits)
    salesperson, salesperson_id = _salesperson(bits)
    return (
        f'{{"ach_payment_initiated":false,"invoice_id":"{world.key("invoices", index)}","zcrm_potential_id":"",'
        f'"customer_id":"{world.key("contacts", facts.contact)}","zcrm_potential_name":"","customer_name":{customer},'
        f'"company_name":{customer if facts.contact % 3 else NOTHING},"status":"{facts.status}",'
        f'"invoice_number":"{invoice_number(index)}","reference_number":"{f"PO-{index}" if bits & 32 else ""}",'
        f'"date":"{day}","due_date":"{world.date_text(facts.due_day)}","issued_date":"{"" if is_draft else day}",'
        f'"due_days":"{_due_days(world, facts)}",'
        f'"email":"{f"billing{facts.contact + 1}@example.com" if bits & 64 else ""}",'
        f'"project_name":"","billing_address":{address},"shipping_address":{address if bits & 128 else NO_ADDRESS},'
        f'"country":{quote(CITIES[facts.contact % len(CITIES)][2])},"phone":"","created_by":"Ana Almeida 1",'
        f'"total":{render_cents(facts.total)},"balance":{render_cents(facts.balance)},"payment_expected_date":"",'
        f'"custom_fields":[],"custom_field_hash":{{}},"salesperson_name":{salesperson},"shipping_charge":0.00,'
        f'"adjustment":{"-0.05" if bits % 23 == 0 else "0.00"},"created_time":"{created}",'
        f'"last_modified_time":"{modified}",'
        f'"updated_time":"{modified}","is_viewed_by_client":{"true" if bits & 256 else "false"},'
        f'"has_attachment":{"true" if bits & 1536 == 0 else "false"},'
        f'"client_viewed_time":"{created if bits & 256 else ""}",'
        f'{_emailed(created, bits, is_draft=is_draft)},"color_code":"","current_sub_status_id":"",'
        f'"current_sub_status":"{facts.status}","currency_id":"{currency.currency_id}",'
        f'"currency_code":"{currency.code}",'
        f'"currency_symbol":"{currency.symbol}","schedule_time":{"null" if bits % 89 == 0 else NOTHING},'
        f'"template_type":"standard","template_id":"4815000000000017003",{_link(index, facts)}'
        f'"invoice_source":"Client","sales_channel":"direct_sales","transaction_type":"renewal",'
        f'"reminders_sent":{bits >> 50 & 3},"last_reminder_sent_date":"{_reminder_date(world, facts)}",'
        f'"last_payment_date":"{_last_payment_date(world, facts)}","documents":"","salesperson_id":"{salesperson_id}",'
        f'"write_off_amount":0.00,"exchange_rate":{currency.rate_text},"unprocessed_payment_amount":0.00}}'
    )


def recurring_invoice_row(world: World, index: int) -> str:
    """Return the wire text of one recurring invoice."""
    bits = world.draw(RESOURCE_CODES["recurring_invoices"], index)
    contact = world.contact_of_customer(bits % world.customers)
    status = ("active", "active", "stopped", "expired")[bits >> 20 & 3]
    created = world.position(index, world.counts.get("recurring_invoices", 0))
    start = world.day_of(created)
    salesperson, salesperson_id = _salesperson(bits)
    ends = status == "expired" or bits >> 24 & 1
    was_sent = bits >> 26 & 3 > 0
    end_day = start + (0 if status == "expired" else 365)
    return (
        f'{{"recurring_invoice_id":"{world.key("recurring_invoices", index)}",'
        f'"recurrence_name":{quote(f"Pflege & Wartung {index + 1}")},"reference_number":"",'
        f'"customer_id":"{world.key("contacts", contact)}","customer_name":{quote(world.contact_name(contact))},'
        f'"status":"{status}","total":{render_cents(1000 + (bits >> 30) % 900_000)},'
        f'"start_date":"{world.date_text(start)}","end_date":"{world.date_text(end_day) if ends else ""}",'
        f'"last_sent_date":"{world.date_text(start) if was_sent else ""}",'
        f'"next_invoice_date":"{world.date_text(world.days + 5) if status == "active" else ""}",'
        f'"recurrence_frequency":"{FREQUENCIES[bits >> 28 & 3]}","repeat_every":{1 + bits % 3},'
        f'"child_entity_type":"invoice","last_four_digits":"{f"{bits % 10000:04d}" if bits & 4096 else ""}",'
        f'"salesperson_id":"{salesperson_id}","salesperson_name":{salesperson},"created_time":"{world.stamp(created)}",'
        f'"last_modified_time":"{world.stamp(world.modified_position(created, bits >> 7))}"}}'
    )


def _salesperson(bits: int) -> tuple[str, str]:
    """Return the quoted name and the id of a salesperson; nobody is "" or, sometimes, "-1"."""
    place = bits >> 44 & 3
    if not SALESPEOPLE[place]:
        return NOTHING, "-1" if bits >> 46 & 1 else ""
    return quote(SALESPEOPLE[place]), f"48150000000003340{place:02d}"


def _address(contact: int, bits: int) -> str:
    if bits >> 48 & 3 == 0:
        return NO_ADDRESS
    city, state, country = CITIES[contact % len(CITIES)]
    return (
        f'{{"address":"{contact + 1} Straße des 17. Juni","street2":"","city":"{city}","state":"{state}",'
        f'"zipcode":"{contact % 99999:05d}","country":"{country}","phone":"","fax":"","attention":""}}'
    )


def _due_days(world: World, facts: Invoice) -> str:
    if facts.status in {"paid", "draft", "void"}:
        return ""
    days = facts.due_day - (world.days - 1)
    return f"Due in {days} day(s)" if days > 0 else f"Overdue by {-days} day(s)" if days else "Due Today"


def _emailed(created: str, bits: int, *, is_draft: bool) -> str:
    """Return is_emailed and, only when it is true, the three keys about the mail."""
    if is_draft or bits & 2048 == 0:
        return '"is_emailed":false'
    viewed = created if bits & 8192 else ""
    return (
        f'"is_emailed":true,"is_viewed_in_mail":{"true" if viewed else "false"},'
        f'"mail_first_viewed_time":"{viewed}","mail_last_viewed_time":"{viewed}"'
    )


def _link(index: int, facts: Invoice) -> str:
    """Return invoice_url, a bearer link that drafts and void invoices do not have."""
    if facts.status in WITHOUT_URL:
        return ""
    return f'"invoice_url":"https://pay.example.com/secure?CInvoiceID=2-{facts.bits:016x}{index:08x}",'


def _reminder_date(world: World, facts: Invoice) -> str:
    if not facts.bits >> 50 & 3:
        return ""
    return world.date_text(min(world.day_of(facts.created) + TERMS[1], world.end // WORKDAY_SECONDS))


def _last_payment_date(world: World, facts: Invoice) -> str:
    return "" if facts.last_payment is None else world.date_text(world.day_of(facts.last_payment))
