"""`make docs`: the parts of the docs that derive from the catalog, written between their markers.

Prose stays in the Markdown files; the markers are the business of `generated_parts.py`.
"""

from docs.generated_parts import ROOT, replace_part
from invoice_assets.catalog import RESOURCES
from invoice_assets.resource_spec import ResourceSpec

PAGES = (ROOT / "README.md",)


def render_resource_table() -> str:
    """The nine resources as a Markdown table."""
    header = "| asset | what it holds | cadence | primary key | columns | OAuth scope |\n|---|---|---|---|---|---|\n"
    return header + "".join(_render_row(spec) for spec in RESOURCES.values())


def replace_tables(text: str) -> str:
    """The text of a page with its tables made anew."""
    return replace_part(text, "resources", render_resource_table())


def _render_row(spec: ResourceSpec) -> str:
    scopes = ", ".join(f"`{scope}`" for scope in sorted(spec.scopes))
    return (
        f"| `invoicing/{spec.name}` | {spec.description} | {spec.cadence} | `{spec.primary_key}` "
        f"| {len(spec.columns)} | {scopes} |\n"
    )


if __name__ == "__main__":
    for page in PAGES:
        page.write_text(replace_tables(page.read_text(encoding="utf-8")), encoding="utf-8")
