"""Claims about the views of the group `reporting`, and how each is judged by what `ingest/report_views.py` has found.

How a verdict becomes a Dagster check result lives in `checks.py`; the claims about tables in `claims.py`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from invoice_assets.defs.claims import Offence, Verdict
from invoice_assets.ingest.report_views import ViewInspection
from invoice_assets.reporting.views import ReportView


class ReportCheckName(StrEnum):
    """The asset checks of every view; each name is what it claims of the view."""

    COLUMNS_ARE_AS_DECLARED = "columns_are_as_declared"
    SUMS_AGREE_WITH_TABLES = "sums_agree_with_tables"
    COUNTS_ONLY_LIVE_ROWS = "counts_only_live_rows"


@dataclass(frozen=True, kw_only=True)
class ReportClaim:
    """A statement about a view, and how it is judged."""

    name: ReportCheckName
    description: str
    what_to_do: str
    judge: Callable[[ReportView, ViewInspection], Verdict]


def judge_columns(view: ReportView, found: ViewInspection) -> Verdict:
    """Columns that are missing, or of another type, offend: an amount that is no exact decimal among them."""
    offences = [
        Offence(
            what=column.name,
            says=f"is {found.types[column.name]}, declared as {column.type_name}"
            if column.name in found.types
            else "is not in the view",
        )
        for column in view.columns
        if found.types.get(column.name) != column.type_name
    ]
    return Verdict(offences=tuple(offences), numbers={"columns": len(found.types)})


def judge_sums(view: ReportView, found: ViewInspection) -> Verdict:
    """Amounts that do not add up to those of the tables offend, each in its currency."""
    return _judge_totals(found, are_counts=False)


def judge_counts(view: ReportView, found: ViewInspection) -> Verdict:
    """Counts offend that differ from the rows which the source still has and which are neither drafts nor void."""
    return _judge_totals(found, are_counts=True)


def judge_missing_view(view: ReportView) -> Verdict:
    """A view that does not exist offends every claim about it."""
    return Verdict(offences=(Offence(what=view.name, says="does not exist yet: materialize its asset first"),))


def _judge_totals(found: ViewInspection, *, are_counts: bool) -> Verdict:
    totals = [one for one in found.totals if one.total.is_count is are_counts]
    offences = [
        Offence(
            what=one.total.column, says=f"is {in_view:f} {currency or ''}".rstrip() + f", in the tables {in_table:f}"
        )
        for one in totals
        for currency, (in_view, in_table) in one.differences.items()
    ]
    return Verdict(offences=tuple(offences), numbers={"totals": len(totals)}, sql=found.sql)


_MAKE_ANEW = (
    "Somebody has changed the view, or a row stands in a table twice: see to the checks of the tables, then "
    "materialize the view again."
)

REPORT_CLAIMS = (
    ReportClaim(
        name=ReportCheckName.COLUMNS_ARE_AS_DECLARED,
        description="The view is there with its columns; amounts are exact decimals, never floats.",
        what_to_do="Materialize the view again.",
        judge=judge_columns,
    ),
    ReportClaim(
        name=ReportCheckName.SUMS_AGREE_WITH_TABLES,
        description="Every amount adds up to what the tables say, in each currency.",
        what_to_do=_MAKE_ANEW,
        judge=judge_sums,
    ),
    ReportClaim(
        name=ReportCheckName.COUNTS_ONLY_LIVE_ROWS,
        description="Every row that the source still has is counted once; no deleted, draft or void document is.",
        what_to_do=_MAKE_ANEW,
        judge=judge_counts,
    ),
)
