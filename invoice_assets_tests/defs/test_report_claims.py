"""What the claims about a view say of what was found; real views are judged in `test_report_views.py`."""

from decimal import Decimal

import pytest

from invoice_assets.defs.report_claims import REPORT_CLAIMS, judge_columns, judge_counts, judge_missing_view, judge_sums
from invoice_assets.ingest.report_views import TotalFound, ViewInspection
from invoice_assets.reporting.views import TOP_DEBTORS

AS_DECLARED = {column.name: column.type_name for column in TOP_DEBTORS.columns}
INVOICES, BALANCE = TOP_DEBTORS.totals


def inspect(*totals: TotalFound, **types: str) -> ViewInspection:
    return ViewInspection(types=AS_DECLARED | types, totals=totals, sql="SELECT 1")


@pytest.mark.parametrize("kind", ["double", "decimal(18, 2)", "decimal(None, None)"])
def test_an_amount_is_a_decimal_of_the_declared_digits(kind: str) -> None:
    assert judge_columns(TOP_DEBTORS, inspect()).offences == ()
    (offence,) = judge_columns(TOP_DEBTORS, inspect(balance=kind)).offences
    assert (offence.what, offence.says) == ("balance", f"is {kind}, declared as decimal(28, 6)")


def test_counts_and_amounts_are_judged_apart() -> None:
    found = inspect(
        TotalFound(total=INVOICES, in_view={"EUR": Decimal(3)}, in_table={"EUR": Decimal(2)}),
        TotalFound(total=BALANCE, in_view={None: Decimal("5.5")}, in_table={None: Decimal(5)}),
    )

    assert [(o.what, o.says) for o in judge_counts(TOP_DEBTORS, found).offences] == [
        ("invoices", "is 3 EUR, in the tables 2")
    ]
    assert [(o.what, o.says) for o in judge_sums(TOP_DEBTORS, found).offences] == [
        ("balance", "is 5.5, in the tables 5")
    ]


def test_every_claim_says_what_to_do() -> None:
    assert all(claim.what_to_do.endswith(".") and claim.description.endswith(".") for claim in REPORT_CLAIMS)
    assert [offence.what for offence in judge_missing_view(TOP_DEBTORS).offences] == ["top_debtors"]
