"""Who owes what: which payment pays which invoice, and the balances and statuses that follow from it.

Invoices and payments come in blocks of six that belong to one customer, invoice block n to payment block n:

    payment 0 pays invoice 0             payments 1 and 2 pay invoice 1 in two instalments
    payment 3 pays invoices 2 and 3      payment 4 pays two fifths of invoice 4
    payment 5 is an advance              invoice 5 is unpaid, a draft or void

A sum over one customer is therefore arithmetic on indexes. An invoice's balance is its total less its payments; an
applied credit note names an invoice that was paid, and does not enter that sum. How the rows look is in the `rows_*`
modules.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from invoice_assets_tests.sandbox.world import RESOURCE_CODES, Currency, World

BLOCK = 6
PAYMENTS_OF_PLACE: tuple[tuple[int, ...], ...] = ((0,), (1, 2), (3,), (3,), (4,), ())
INVOICES_OF_PLACE: tuple[tuple[int, ...], ...] = ((0,), (1,), (1,), (2, 3), (4,), ())
BIG_TOTAL_CENTS = 1_234_567_890_105
INDEX_WITH_BIG_TOTAL = 3
"""One that is paid: it tries the decimals, and does not stand among what customers owe."""
TERMS = (0, 7, 14, 30, 45, 60)
NOT_OWED = frozenset({"draft", "void", "paid"})


class Invoice(NamedTuple):
    """The facts of one invoice: cents, days since the history began, and positions in it."""

    contact: int
    currency: Currency
    total: int
    balance: int
    status: str
    day: int
    due_day: int
    created: int
    modified: int
    last_payment: int | None
    bits: int


class Payment(NamedTuple):
    """The facts of one payment: what it applies to which invoice, and what is left over, in cents."""

    contact: int
    currency: Currency
    applied: list[tuple[int, int]]
    unused: int
    day: int
    created: int
    modified: int
    bits: int

    @property
    def amount(self) -> int:
        """The whole amount received."""
        return sum(cents for _, cents in self.applied) + self.unused


class CreditNote(NamedTuple):
    """The facts of one credit note; `applied_to` is the index of an invoice."""

    contact: int
    currency: Currency
    total: int
    balance: int
    status: str
    applied_to: int | None
    created: int
    modified: int
    bits: int


def invoice_number(index: int) -> str:
    """Return the number printed on an invoice."""
    return f"INV-{index + 1:06d}"


def invoice_facts(world: World, index: int) -> Invoice:
    """Return what is true of the invoice at `index`; one past the generated rows has no payments."""
    count = world.counts.get("invoices", 0)
    bits = world.draw(RESOURCE_CODES["invoices"], index)
    contact = _contact_of_block(world, index)
    total = _invoice_total(index, bits)
    created = world.position(index, count)
    modified = world.modified_position(created, bits)
    paid, last_payment = 0, None
    for payment, cents in _payments_of(world, index, total):
        paid += cents
        last_payment = max(last_payment or 0, _payment_position(world, payment))
    day = world.day_of(created) - (400 + (bits >> 8) % 800 if bits % 41 == 0 else 0)
    due_day = day + TERMS[(bits >> 20) % len(TERMS)]
    status = _status(paid=paid, total=total, is_late=due_day < world.days - 1, draw=bits >> 40)
    return Invoice(
        contact=contact,
        currency=world.currency_of_contact(contact),
        total=total,
        balance=total - paid,
        status=status,
        day=day,
        due_day=due_day,
        created=created,
        modified=max(modified, last_payment or 0),
        last_payment=last_payment,
        bits=bits,
    )


def payment_facts(world: World, index: int) -> Payment:
    """Return what is true of the payment at `index`; without an invoice to pay it is an advance."""
    bits = world.draw(RESOURCE_CODES["customer_payments"], index)
    contact = _contact_of_block(world, index)
    created = _payment_position(world, index)
    applied = list(_applied_by(world, index))
    unused = (0, 0, 0, 1000)[(bits >> 12) % 4] if applied else 1000 + bits % 400_000
    is_back_dated = not applied and bits % 7 == 0
    return Payment(
        contact=contact,
        currency=world.currency_of_contact(contact),
        applied=applied,
        unused=unused,
        day=world.day_of(created) - (300 if is_back_dated else 0),
        created=created,
        modified=world.modified_position(created, bits),
        bits=bits,
    )


def credit_note_facts(world: World, index: int) -> CreditNote:
    """Return what is true of the credit note at `index`; a closed one was applied or refunded in full."""
    bits = world.draw(RESOURCE_CODES["credit_notes"], index)
    rank = index % world.customers
    contact = world.contact_of_customer(rank)
    status = ("open", "closed", "closed", "open", "draft", "closed", "void", "open")[bits % 8]
    total = 500 + (bits >> 8) % 300_000
    paid_invoice = rank * BLOCK
    is_applied = status == "closed" and bits >> 30 & 1 and paid_invoice < world.counts.get("invoices", 0)
    created = world.position(index, world.counts.get("credit_notes", 0))
    return CreditNote(
        contact=contact,
        currency=world.currency_of_contact(contact),
        total=total,
        balance=0 if status in {"closed", "void"} else total,
        status=status,
        applied_to=paid_invoice if is_applied else None,
        created=created,
        modified=world.modified_position(created, bits >> 3),
        bits=bits,
    )


def outstanding_cents(world: World, contact: int) -> int:
    """Return the sum of a customer's open invoice balances, in the customer's currency."""
    facts = (invoice_facts(world, index) for index in _indexes_of(world, contact, world.counts.get("invoices", 0)))
    return sum(invoice.balance for invoice in facts if invoice.status not in NOT_OWED)


def unused_credit_cents(world: World, contact: int) -> int:
    """Return what a customer has paid in advance plus the open credit notes, in the customer's currency."""
    payments = world.counts.get("customer_payments", 0)
    advances = sum(payment_facts(world, index).unused for index in _indexes_of(world, contact, payments))
    notes = range(world.customer_rank(contact), world.counts.get("credit_notes", 0), world.customers)
    facts = (credit_note_facts(world, index) for index in notes)
    return advances + sum(note.balance for note in facts if note.status == "open")


def _contact_of_block(world: World, index: int) -> int:
    return world.contact_of_customer(index // BLOCK % world.customers)


def _indexes_of(world: World, contact: int, count: int) -> Iterator[int]:
    """Yield the indexes below `count` of the invoices, or payments, of one customer."""
    for first in range(world.customer_rank(contact) * BLOCK, count, world.customers * BLOCK):
        yield from range(first, min(first + BLOCK, count))


def _invoice_total(index: int, bits: int) -> int:
    if index == INDEX_WITH_BIG_TOTAL:
        return BIG_TOTAL_CENTS
    return 500 + (bits >> 16) % 5_000_000


def _share(place: int, total: int) -> int:
    """Return what the payment at this place of a block pays of an invoice."""
    return {1: total // 2, 2: total - total // 2, 4: total * 2 // 5}.get(place, total)


def _payments_of(world: World, invoice: int, total: int) -> Iterator[tuple[int, int]]:
    if invoice >= world.counts.get("invoices", 0):
        return
    block, place = divmod(invoice, BLOCK)
    for payment_place in PAYMENTS_OF_PLACE[place]:
        payment = block * BLOCK + payment_place
        if payment < world.counts.get("customer_payments", 0):
            yield payment, _share(payment_place, total)


def _applied_by(world: World, payment: int) -> Iterator[tuple[int, int]]:
    if payment >= world.counts.get("customer_payments", 0):
        return
    for invoice in _invoices_paid_by(world, payment):
        total = _invoice_total(invoice, world.draw(RESOURCE_CODES["invoices"], invoice))
        yield invoice, _share(payment % BLOCK, total)


def _invoices_paid_by(world: World, payment: int) -> list[int]:
    block, place = divmod(payment, BLOCK)
    invoices = (block * BLOCK + invoice_place for invoice_place in INVOICES_OF_PLACE[place])
    return [invoice for invoice in invoices if invoice < world.counts.get("invoices", 0)]


def _payment_position(world: World, payment: int) -> int:
    """Return when a payment arrived: in its own turn, but not before the invoices that it pays were written."""
    position = world.position(payment, world.counts.get("customer_payments", 0))
    invoices = world.counts.get("invoices", 0)
    return max([position, *(world.position(invoice, invoices) for invoice in _invoices_paid_by(world, payment))])


def _status(*, paid: int, total: int, is_late: bool, draw: int) -> str:
    if paid == total:
        return "paid"
    if paid:
        return "overdue" if is_late else "partially_paid"
    if draw % 8 < 2:
        return "draft" if draw % 16 < 8 else "void"
    return "overdue" if is_late else ("sent", "viewed", "unpaid")[draw // 16 % 3]
