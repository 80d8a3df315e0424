"""The views of the group `reporting`: what each holds, its columns, and what its sums must come to in the tables.

The SQL of each stands in the file of its name beside this one, written for DuckDB and to be run in the dataset of its
tables; the same file is in docs/reporting.md. How it becomes a view elsewhere lives in `ingest/report_views.py`.
"""

from dataclasses import dataclass
from importlib.resources import files

from invoice_assets.resource_spec import Column, date, integer, money, text

ISSUED = "status NOT IN ('draft', 'void')"
"""Documents that count: a draft is not issued yet, a void one no more."""


@dataclass(frozen=True, kw_only=True)
class Total:
    """What a column of a view must sum up to: `amount` of the resource's live rows for which `predicate` holds."""

    column: str
    resource: str
    amount: str
    predicate: str

    @property
    def is_count(self) -> bool:
        """Whether rows are counted, and not money added up."""
        return self.amount == "1"


@dataclass(frozen=True, kw_only=True)
class ReportView:
    """One view: its name is that of its SQL file, too."""

    name: str
    description: str
    columns: tuple[Column, ...]
    totals: tuple[Total, ...]

    @property
    def sql(self) -> str:
        """The statement that the view is made from."""
        return files(__package__).joinpath(f"{self.name}.sql").read_text(encoding="utf-8")


def _total(resource: str, predicate: str, *, rows: str, **amounts: str) -> tuple[Total, ...]:
    """The totals over the same rows of a resource: their number in the column `rows`, and amounts by column."""
    columns = {rows: "1", **amounts}
    return tuple(
        Total(column=column, resource=resource, amount=amount, predicate=predicate)
        for column, amount in columns.items()
    )


_CURRENCY = text("currency_code", "ISO 4217 code of the currency; no amount is a sum of several", required=True)
_CUSTOMERS_CURRENCY = text("currency_code", "ISO 4217 code of the currency; NULL where the customer is not there")
_CUSTOMER_ID = text("customer_id", "Identifier of the customer", required=True)
_CUSTOMER_NAME = text("customer_name", "Name of the customer, as one of the documents has it", personal=True)
_MONTH = date("month", "First day of the month of the document's date", required=True)
_OWED = f"{ISSUED} AND balance <> 0"
_UNUSED = "unused_amount <> 0"
_TAXED, _WITHHELD = "total <> total_without_tax", "tax_amount_withheld <> 0"

RECEIVABLES_BY_AGE = ReportView(
    name="receivables_by_age",
    description="What customers owe, by how long it has been due today.",
    columns=(
        _CURRENCY,
        text("age", "Days since the due date: current, 1-30, 31-60, 61-90 or 90+", required=True),
        integer("days_overdue_from", "Where the age begins, to sort by: 0, 1, 31, 61 or 91"),
        integer("invoices", "Invoices with an open balance"),
        money("balance", "Sum of their open balances", required=True),
    ),
    totals=_total("invoices", _OWED, rows="invoices", balance="balance"),
)

REVENUE_BY_MONTH = ReportView(
    name="revenue_by_month",
    description="What was invoiced less what was credited, by month; tax is included, for the lists do not tell it.",
    columns=(
        _MONTH,
        _CURRENCY,
        integer("invoices", "Invoices of the month, without drafts and void ones"),
        integer("credit_notes", "Credit notes of the month, without drafts and void ones"),
        money("invoiced", "Sum of the invoices' totals", required=True),
        money("credited", "Sum of the credit notes' totals", required=True),
        money("revenue", "Invoiced less credited", required=True),
    ),
    totals=(
        *_total("invoices", ISSUED, rows="invoices", invoiced="total"),
        *_total("credit_notes", ISSUED, rows="credit_notes", credited="total"),
    ),
)

TOP_DEBTORS = ReportView(
    name="top_debtors",
    description="Every customer with an open balance, the largest of each currency first: `place <= 10` is its ten.",
    columns=(
        integer("place", "Rank within the currency, 1 for the largest balance"),
        _CUSTOMER_ID,
        _CUSTOMER_NAME,
        _CURRENCY,
        integer("invoices", "Invoices with an open balance"),
        money("balance", "Sum of their open balances", required=True),
        money("overdue", "What of it is overdue today", required=True),
        date("oldest_due_date", "Due date of the oldest of them", required=True),
    ),
    totals=_total("invoices", _OWED, rows="invoices", balance="balance"),
)

TAX_BY_MONTH = ReportView(
    name="tax_by_month",
    description="The tax that the lists tell, by month: paid on expenses, and withheld by customers. The tax that was "
    "collected stands on the lines of invoices, which the lists do not carry.",
    columns=(
        _MONTH,
        _CUSTOMERS_CURRENCY,
        integer("expenses", "Expenses with tax"),
        integer("payments", "Payments from which tax was withheld"),
        money("tax_paid", "Tax on the expenses", required=True),
        money("tax_withheld", "Tax that customers have withheld", required=True),
    ),
    totals=(
        *_total("expenses", _TAXED, rows="expenses", tax_paid="total - total_without_tax"),
        *_total("customer_payments", _WITHHELD, rows="payments", tax_withheld="tax_amount_withheld"),
    ),
)

UNAPPLIED_CREDITS = ReportView(
    name="unapplied_credits",
    description="What customers have to their credit: open credit notes, and payments that no invoice has taken up.",
    columns=(
        _CUSTOMER_ID,
        _CUSTOMER_NAME,
        _CUSTOMERS_CURRENCY,
        integer("credit_notes", "Credit notes that are not used up"),
        integer("payments", "Payments that are not used up"),
        money("credit_note_balance", "What is left of the credit notes", required=True),
        money("unused_payments", "What is left of the payments", required=True),
        money("unapplied", "Both together", required=True),
    ),
    totals=(
        *_total("credit_notes", _OWED, rows="credit_notes", credit_note_balance="balance"),
        *_total("customer_payments", _UNUSED, rows="payments", unused_payments="unused_amount"),
    ),
)

REPORT_VIEWS = (RECEIVABLES_BY_AGE, REVENUE_BY_MONTH, TOP_DEBTORS, TAX_BY_MONTH, UNAPPLIED_CREDITS)
