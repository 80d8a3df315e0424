"""`make docs`: the SQL and the columns of each report, written into docs/reporting.md between their markers.

The SQL is that of the files in `invoice_assets/reporting/`, which the views are made from.
"""

from docs.generated_parts import ROOT, replace_part
from invoice_assets.reporting.views import REPORT_VIEWS, ReportView

PAGE = ROOT / "docs" / "reporting.md"


def render_report(view: ReportView) -> str:
    """What a view holds: its description, its columns as a Markdown table, and its SQL."""
    columns = "".join(f"| `{column.name}` | {column.type_name} | {column.description} |\n" for column in view.columns)
    return (
        f"{view.description}\n\n| column | type | what it says |\n|---|---|---|\n{columns}\n"
        f"```sql\n{view.sql.rstrip()}\n```\n"
    )


def replace_reports(text: str) -> str:
    """The text of the page with every report made anew."""
    for view in REPORT_VIEWS:
        text = replace_part(text, view.name, render_report(view))
    return text


if __name__ == "__main__":
    PAGE.write_text(replace_reports(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
