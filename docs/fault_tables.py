"""`make docs`: what comes of each fault, from the rows that are played against the project.

The test that plays them is `invoice_assets_tests/reliability/test_faults.py`. Prose stays in the Markdown file; the
markers are the business of `generated_parts.py`.
"""

from collections.abc import Iterable

from docs.generated_parts import ROOT, replace_part
from invoice_assets_tests.reliability.api_faults import API_FAULTS
from invoice_assets_tests.reliability.faults import Fault, Warehouse
from invoice_assets_tests.reliability.warehouse_faults import WAREHOUSE_FAULTS

PAGE = ROOT / "docs" / "reliability.md"
HEADER = "| fault | what happens | what the user sees |\n|---|---|---|\n"


def render_fault_table(faults: Iterable[Fault]) -> str:
    """Faults and their outcomes as a Markdown table."""
    return HEADER + "".join(f"| {fault.name} | {_tell_outcome(fault)} | {_tell_error(fault)} |\n" for fault in faults)


def replace_tables(text: str) -> str:
    """The text of the page with its tables made anew."""
    of_duckdb = [fault for fault in WAREHOUSE_FAULTS if fault.warehouse is Warehouse.DUCKDB]
    of_postgres = [fault for fault in WAREHOUSE_FAULTS if fault.warehouse is Warehouse.POSTGRES]
    for name, faults in (("API faults", API_FAULTS), ("DuckDB faults", of_duckdb), ("PostgreSQL faults", of_postgres)):
        text = replace_part(text, name, render_fault_table(faults))
    return text


def _tell_outcome(fault: Fault) -> str:
    if not fault.lasting:
        return "exact"
    outcome = f"fails; a rerun {'can' if fault.error.transient else 'cannot'} help"
    if fault.is_retried:
        outcome = f"tried again, exact; if it lasts, {outcome}"
    return f"{outcome}; later loads of the run fail alike" if fault.concerns_all else outcome


def _tell_error(fault: Fault) -> str:
    return f"`{fault.error.__name__}`: {fault.says}" if fault.lasting else ""


if __name__ == "__main__":
    PAGE.write_text(replace_tables(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
