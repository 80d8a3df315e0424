"""Rows of money that came in, was given back or was spent: customer payments, credit notes, expenses.

A row function returns the JSON text that goes over the wire. What pays what is worked out in `receivables.py`.
"""

from __future__ import annotations

from invoice_assets_tests.sandbox.receivables import (
    Payment,
    credit_note_facts,
    invoice_number,
    payment_facts,
)
from invoice_assets_tests.sandbox.wire import quote, render_cents
from invoice_assets_tests.sandbox.world import CURRENCIES, FIRST_NAMES, RESOURCE_CODES, World

PAYMENT_MODES = (("banktransfer", "Bank Transfer"), ("check", "Check"), ("creditcard", "Credit Card"), ("cash", "Cash"))
ACCOUNTS = ("Travel Expense", "Büromaterial", "Meals & Entertainment", 'Subscriptions "SaaS"', "Fuel/Mileage Expenses")
NO_CHECK = '{"check_id":"","check_status":"","check_number":"","memo":"","expiry_date":""}'
NOTHING = '""'


def customer_payment_row(world: World, index: int) -> str:
    """Return the wire text of one payment; its amount is what it applies to invoices plus what is unused."""
    facts = payment_facts(world, index)
    bits = facts.bits
    to_base = facts.currency.to_base_cents
    mode, mode_formatted = PAYMENT_MODES[bits >> 4 & 3]
    is_check = mode == "check"
    is_card = mode == "creditcard"
    return (
        f'{{"payment_id":"{world.key("customer_payments", index)}","payment_number":"{index + 1}",'
        f'"invoice_numbers":"{", ".join(invoice_number(invoice) for invoice, _ in facts.applied)}",'
        f'"date":"{world.date_text(facts.day)}","payment_mode":"{mode}","payment_mode_formatted":"{mode_formatted}",'
        f'"amount":{render_cents(facts.amount)},"bcy_amount":{render_cents(to_base(facts.amount))},'
        f'"unused_amount":{render_cents(facts.unused)},"bcy_unused_amount":{render_cents(to_base(facts.unused))},'
        f'"description":{quote("Überweisung, vielen Dank!") if bits & 64 else NOTHING},'
        f'"reference_number":"{f"TX{bits % 10**8:08d}" if bits & 128 else ""}",'
        f'"is_paid_via_check":{"true" if is_check else "false"},'
        f'"check_details":{_check_details(index) if is_check else NO_CHECK},'
        f'"customer_id":"{world.key("contacts", facts.contact)}",'
        f'"customer_name":{quote(world.contact_name(facts.contact))},"created_time":"{world.stamp(facts.created)}",'
        f'"last_modified_time":"{world.stamp(facts.modified)}",'
        f'"last_four_digits":"{f"{bits % 10000:04d}" if is_card else ""}",'
        f'"gateway_transaction_id":"{f"ch_{bits:016x}" if is_card else ""}",'
        f'"payment_gateway":"{"stripe" if is_card else ""}","bcy_refunded_amount":0.00,'
        f'"applied_invoices":{_applied_invoices(world, facts)},'
        f'"has_attachment":{"true" if bits & 768 == 0 else "false"},'
        f'"documents":"","custom_fields_list":"","tax_amount_withheld":0.00,'
        f'"payment_type":"{"Invoice Payment" if facts.applied else "Customer Advance"}","payment_status":"paid",'
        f'"settlement_status":"","sales_channel":"","product_description":""}}'
    )


def credit_note_row(world: World, index: int) -> str:
    """Return the wire text of one credit note; what it was applied to is a string here, not a list."""
    facts = credit_note_facts(world, index)
    bits = facts.bits
    day = world.date_text(world.day_of(facts.created))
    created = world.stamp(facts.created)
    is_draft = facts.status == "draft"
    is_viewed = bits >> 33 & 1
    applied = "" if facts.applied_to is None else invoice_number(facts.applied_to)
    return (
        f'{{"creditnote_id":"{world.key("credit_notes", index)}","creditnote_number":"CN-{index + 1:05d}",'
        f'"status":"{facts.status}","reference_number":"{f"RMA {index}" if bits >> 34 & 1 else ""}","date":"{day}",'
        f'"issued_date":"{"" if is_draft else day}","total":{render_cents(facts.total)},'
        f'"balance":{render_cents(facts.balance)},"customer_id":"{world.key("contacts", facts.contact)}",'
        f'"customer_name":{quote(world.contact_name(facts.contact))},"applied_invoices":"{applied}",'
        f'"is_emailed":{"true" if bits >> 35 & 1 else "false"},"has_attachment":false,"salesperson_name":"",'
        f'"salesperson_id":"{"-1" if bits >> 36 & 1 else ""}","sales_channel":"",'
        f'"is_viewed_by_client":{"true" if is_viewed else "false"},'
        f'"client_viewed_time":"{created if is_viewed else ""}",'
        f'"color_code":"","current_sub_status_id":"","current_sub_status":"{facts.status}",'
        f'"currency_id":"{facts.currency.currency_id}","currency_code":"{facts.currency.code}",'
        f'"created_time":"{created}","last_modified_time":"{world.stamp(facts.modified)}",'
        f'"exchange_rate":{facts.currency.rate_text},"template_id":"4815000000000017009","template_type":"standard",'
        f'"rounding_mode":"round_half_up","price_precision":2}}'
    )


def expense_row(world: World, index: int) -> str:
    """Return the wire text of one expense; a billable one names a customer, a mileage one has readings."""
    bits = world.draw(RESOURCE_CODES["expenses"], index)
    created = world.position(index, world.counts.get("expenses", 0))
    status = ("nonbillable", "unbilled", "invoiced", "reimbursed", "billable", "nonbillable")[bits % 6]
    currency = CURRENCIES[(0, 0, 0, 1, 2, 0, 3, 0)[bits >> 8 & 7]]
    total = 100 + (bits >> 12) % 500_000
    net = total * 100 // 119 if bits & 64 else total
    is_mileage = bits >> 40 & 7 == 0
    start = (bits >> 44) % 90_000
    day = world.day_of(created) - (400 + (bits >> 50) % 300 if bits % 43 == 0 else 0)
    user = FIRST_NAMES[index % len(FIRST_NAMES)]
    return (
        f'{{"expense_id":"{world.key("expenses", index)}","date":"{world.date_text(day)}","user_name":{quote(user)},'
        f'"account_name":{quote(ACCOUNTS[index % len(ACCOUNTS)])},'
        f'"description":{quote("Taxi → Flughafen") if bits & 128 else NOTHING},"currency_id":"{currency.currency_id}",'
        f'"currency_code":"{currency.code}","bcy_total":{render_cents(currency.to_base_cents(total))},'
        f'"bcy_total_without_tax":{render_cents(currency.to_base_cents(net))},"total":{render_cents(total)},'
        f'"total_without_tax":{render_cents(net)},{_billing(world, bits, status)},'
        f'"reference_number":"{f"R{index}" if bits & 256 else ""}",'
        f'"is_personal":{"true" if bits & 3584 == 0 else "false"},'
        f'"status":"{status}","created_time":"{world.stamp(created)}",'
        f'"last_modified_time":"{world.stamp(world.modified_position(created, bits >> 9))}",'
        f'"expense_receipt_name":"{f"beleg-{index}.pdf" if bits & 4096 else ""}","exchange_rate":{currency.rate_text},'
        f'"distance":{f"{bits % 300}.50" if is_mileage else "0.00"},"mileage_rate":{"0.67" if is_mileage else "0.00"},'
        f'"mileage_unit":"km","mileage_type":"{"odometer" if is_mileage else "non_mileage"}",'
        f'"expense_type":"non_mileage","report_id":"","start_reading":{start if is_mileage else NOTHING},'
        f'"end_reading":{f"{start + bits % 300}.5" if is_mileage else NOTHING},"report_name":"","report_number":"",'
        f'"has_attachment":{"true" if bits & 4096 else "false"},"custom_fields_list":""}}'
    )


def _billing(world: World, bits: int, status: str) -> str:
    """Return is_billable and the customer, whom only an expense that is charged on has."""
    if status in {"nonbillable", "reimbursed"}:
        return '"is_billable":false,"customer_id":"","customer_name":""'
    contact = world.contact_of_customer((bits >> 20) % world.customers)
    return (
        f'"is_billable":true,"customer_id":"{world.key("contacts", contact)}",'
        f'"customer_name":{quote(world.contact_name(contact))}'
    )


def _check_details(index: int) -> str:
    return (
        f'{{"check_id":"{4815000000700000000 + index}","check_status":"cleared","check_number":"{1000 + index}",'
        '"memo":"","expiry_date":""}'
    )


def _applied_invoices(world: World, facts: Payment) -> str:
    applied = (
        f'{{"invoice_id":"{world.key("invoices", invoice)}","invoice_number":"{invoice_number(invoice)}",'
        f'"amount_applied":{render_cents(cents)}}}'
        for invoice, cents in facts.applied
    )
    return "[" + ",".join(applied) + "]"
