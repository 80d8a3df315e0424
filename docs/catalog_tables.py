"""`make docs`: the parts of the docs that derive from the catalog, written between their markers.

Prose stays in the Markdown files; the markers are the business of `generated_parts.py`.
"""

from collections.abc import Callable, Mapping
from pathlib import Path

from docs.generated_parts import ROOT, replace_part
from invoice_assets.catalog import RESOURCES
from invoice_assets.resource_spec import ResourceSpec


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


TABLES: Mapping[str, Callable[[], str]] = {
    "resources": render_resource_table,
    "personal columns": render_personal_columns,
}
PAGES: Mapping[Path, str] = {ROOT / "README.md": "resources", ROOT / "docs" / "operations.md": "personal columns"}


def replace_table(page: Path) -> str:
    """The text of a page with its table made anew."""
    name = PAGES[page]
    return replace_part(page.read_text(encoding="utf-8"), name, TABLES[name]())


def _render_row(spec: ResourceSpec) -> str:
    scopes = ", ".join(f"`{scope}`" for scope in sorted(spec.scopes))
    return (
        f"| `invoicing/{spec.name}` | {spec.description} | {spec.cadence} | `{spec.primary_key}` "
        f"| {len(spec.columns)} | {scopes} |\n"
    )


if __name__ == "__main__":
    for path in PAGES:
        path.write_text(replace_table(path), encoding="utf-8")
