"""What each report must say, worked out from the sandbox's rows in plain Python: no SQL, exact decimals.

That the views say the same is tested in `test_views.py`.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable
from datetime import date
from decimal import Decimal
from typing import Any

from invoice_assets_tests.sandbox.server import Sandbox

Rows = set[tuple[Any, ...]]
NOT_ISSUED = {"draft", "void"}


def receivables_by_age(sandbox: Sandbox, today: date) -> Rows:
    """Currency, age, where it begins, invoices, balance."""
    groups = _group(_open_invoices(sandbox), lambda row: (row["currency_code"], *_age(row, today)))
    return {(*key, len(rows), _sum(rows, "balance")) for key, rows in groups.items()}


def revenue_by_month(sandbox: Sandbox, _today: date) -> Rows:
    """Month, currency, invoices, credit notes, invoiced, credited, revenue."""
    by_month = (_group(_issued(sandbox, name), _month_and_currency) for name in ("invoices", "credit_notes"))
    invoices, credit_notes = by_month
    found = set()
    for key in invoices.keys() | credit_notes.keys():
        ours, theirs = invoices[key], credit_notes[key]
        invoiced, credited = _sum(ours, "total"), _sum(theirs, "total")
        found.add((*key, len(ours), len(theirs), invoiced, credited, invoiced - credited))
    return found


def top_debtors(sandbox: Sandbox, today: date) -> Rows:
    """Place, customer, their name, currency, invoices, balance, overdue, oldest due date."""
    found = set()
    for currency, owed in _group(_open_invoices(sandbox), lambda row: row["currency_code"]).items():
        debtors = _group(owed, lambda row: row["customer_id"])
        ranked = sorted(debtors.items(), key=lambda debtor: (-_sum(debtor[1], "balance"), debtor[0]))
        for place, (customer, rows) in enumerate(ranked, start=1):
            overdue = [row for row in rows if date.fromisoformat(row["due_date"]) < today]
            name, oldest = rows[0]["customer_name"], min(date.fromisoformat(row["due_date"]) for row in rows)
            sums = _sum(rows, "balance"), _sum(overdue, "balance")
            found.add((place, customer, name, currency, len(rows), *sums, oldest))
    return found


def tax_by_month(sandbox: Sandbox, _today: date) -> Rows:
    """Month, currency, expenses, payments, tax paid, tax withheld."""
    taxed = [row for row in sandbox.rows("expenses") if row["total"] != row["total_without_tax"]]
    expenses = _group(taxed, _month_and_currency)
    payments = _group(_payments(sandbox, "tax_amount_withheld"), _month_and_currency)
    return {
        (
            *key,
            len(expenses[key]),
            len(payments[key]),
            _sum(expenses[key], "total") - _sum(expenses[key], "total_without_tax"),
            _sum(payments[key], "tax_amount_withheld"),
        )
        for key in expenses.keys() | payments.keys()
    }


def unapplied_credits(sandbox: Sandbox, _today: date) -> Rows:
    """Customer, their name, currency, credit notes, payments, what is left of each, and of both."""
    notes = [row for row in _issued(sandbox, "credit_notes") if row["balance"]]
    credit_notes = _group(notes, _customer_and_currency)
    payments = _group(_payments(sandbox, "unused_amount"), _customer_and_currency)
    found = set()
    for key in credit_notes.keys() | payments.keys():
        left, unused = _sum(credit_notes[key], "balance"), _sum(payments[key], "unused_amount")
        found.add((*key, len(credit_notes[key]), len(payments[key]), left, unused, left + unused))
    return found


def _issued(sandbox: Sandbox, name: str) -> list[dict[str, Any]]:
    return [row for row in sandbox.rows(name) if row["status"] not in NOT_ISSUED]


def _open_invoices(sandbox: Sandbox) -> list[dict[str, Any]]:
    return [row for row in _issued(sandbox, "invoices") if row["balance"]]


def _payments(sandbox: Sandbox, amount: str) -> list[dict[str, Any]]:
    """The payments with such an amount, each with its customer's currency, which the list does not tell."""
    currencies = {row["contact_id"]: row["currency_code"] for row in sandbox.rows("contacts")}
    return [
        {**row, "currency_code": currencies[row["customer_id"]]}
        for row in sandbox.rows("customer_payments")
        if row[amount]
    ]


def _group(rows: Iterable[dict[str, Any]], key: Callable[[dict[str, Any]], Any]) -> dict[Any, list[dict[str, Any]]]:
    groups: dict[Any, list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        groups[key(row)].append(row)
    return groups


def _sum(rows: Iterable[dict[str, Any]], column: str) -> Decimal:
    return sum((Decimal(row[column]) for row in rows), Decimal())


def _age(row: dict[str, Any], today: date) -> tuple[str, int]:
    days = (today - date.fromisoformat(row["due_date"])).days
    ages = {"90+": 91, "61-90": 61, "31-60": 31, "1-30": 1}
    return next(((age, begin) for age, begin in ages.items() if days >= begin), ("current", 0))


def _month_and_currency(row: dict[str, Any]) -> tuple[date, str]:
    return date.fromisoformat(row["date"]).replace(day=1), row["currency_code"]


def _customer_and_currency(row: dict[str, Any]) -> tuple[str, str, str]:
    return row["customer_id"], row["customer_name"], row["currency_code"]
