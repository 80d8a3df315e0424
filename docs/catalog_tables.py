"""`make docs`: the parts of the docs that derive from the catalog, written between their markers.

Prose stays in the Markdown files; a marker is `<!-- resources -->` … `<!-- /resources -->`.
"""

import re
from pathlib import Path

from invoice_assets.catalog import RESOURCES
from invoice_assets.resource_spec import ResourceSpec

ROOT = Path(__file__).parent.parent
PAGES = (ROOT / "README.md", ROOT / "docs" / "operations.md")


def render_resource_table() -> str:
    """The nine resources as a Markdown table."""
    header = "| asset | what it holds | cadence | primary key | columns | OAuth scope |\n|---|---|---|---|---|---|\n"
    return header + "".join(_render_row(spec) for spec in RESOURCES.values())


def render_personal_columns() -> str:
    """The personal columns of each resource that has any as a Markdown table."""
    rows = (
        f"| `{spec.name}` | {', '.join(f'`{column.name}`' for column in spec.personal_columns)} |\n"
        for spec in RESOURCES.values()
        if spec.personal_columns
    )
    return "| table | personal columns |\n|---|---|\n" + "".join(rows)


TABLES = {"resources": render_resource_table, "personal columns": render_personal_columns}


def replace_tables(text: str) -> str:
    """The text of a page with its tables made anew.

    Raises:
        ValueError: The page has no marker to write between.
    """
    names = "|".join(TABLES)
    pattern = re.compile(rf"(<!-- ({names}) -->\n).*?(<!-- /\2 -->)", re.DOTALL)
    if not pattern.search(text):
        raise ValueError("no <!-- resources --> … <!-- /resources --> to write between")
    return pattern.sub(lambda found: found[1] + TABLES[found[2]]() + found[3], text)


def _render_row(spec: ResourceSpec) -> str:
    scopes = ", ".join(f"`{scope}`" for scope in sorted(spec.scopes))
    return (
        f"| `invoicing/{spec.name}` | {spec.description} | {spec.cadence} | `{spec.primary_key}` "
        f"| {len(spec.columns)} | {scopes} |\n"
    )


if __name__ == "__main__":
    for page in PAGES:
        page.write_text(replace_tables(page.read_text(encoding="utf-8")), encoding="utf-8")
