"""`make docs`: which destinations can be the warehouse and what suits each, from the rows that loads go by.

Prose stays in the Markdown file; the markers are the business of `generated_parts.py`.
"""

from docs.generated_parts import ROOT, replace_part
from invoice_assets.destinations import DESTINATIONS, DestinationSpec

PAGE = ROOT / "docs" / "destinations.md"
HEADER = (
    "| destination | dlt's type | extra | load files | merge | JSON | views | loads of a table "
    "are kept apart by | tested here |\n|---|---|---|---|---|---|---|---|---|\n"
)


def render_destination_table() -> str:
    """The destinations as a Markdown table."""
    return HEADER + "".join(map(_render_row, DESTINATIONS))


def replace_table(text: str) -> str:
    """The text of the page with its table made anew."""
    return replace_part(text, "destinations", render_destination_table())


def _render_row(row: DestinationSpec) -> str:
    cells = (
        row.title,
        f"`{row.destination_type}`",
        f"`{row.extra}`" if row.extra else "none",
        row.file_format,
        row.merge_strategy,
        "JSON" if row.has_json else "text",
        "yes" if row.has_views else "no",
        row.apart,
        "yes" if row.is_tested else "no",
    )
    return f"| {' | '.join(cells)} |\n"


if __name__ == "__main__":
    PAGE.write_text(replace_table(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
