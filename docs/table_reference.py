"""`make docs`: each table's columns, from the catalog, written into docs/tables.md between their markers.

The picture of what refers to what is drawn in `reference_diagram.py`.
"""

from docs.generated_parts import ROOT, replace_part
from docs.reference_diagram import write_diagram
from invoice_assets.catalog import RESOURCES
from invoice_assets.defs.translator import find_documentation
from invoice_assets.resource_spec import Column, ResourceSpec

PAGE = ROOT / "docs" / "tables.md"
DIAGRAM = ROOT / "docs" / "images" / "references.svg"


def render_table(spec: ResourceSpec) -> str:
    """A section on a resource's table: what it holds, its key and references, its columns as a Markdown table."""
    facts = f"{spec.cadence}; primary key `{spec.primary_key}`; [the API's page]({find_documentation(spec)})"
    rows = "".join(_render_row(column, spec) for column in spec.columns)
    return (
        f"## {spec.name}\n\n{spec.description} ({facts})\n\n"
        f"| column | type | may be NULL | what it holds |\n|---|---|---|---|\n{rows}\n"
    )


def replace_tables(text: str) -> str:
    """The text of the page with every table made anew."""
    return replace_part(text, "tables", "\n" + "".join(map(render_table, RESOURCES.values())))


def _render_row(column: Column, spec: ResourceSpec) -> str:
    targets = [reference.resource for reference in spec.references if reference.column == column.name]
    notes = [f"refers to [{target}](#{target})" for target in targets] + ["personal"] * column.personal
    meaning = "; ".join([column.description, *notes])
    return f"| `{column.name}` | {column.type_name} | {'yes' if column.nullable else 'no'} | {meaning} |\n"


if __name__ == "__main__":
    PAGE.write_text(replace_tables(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    write_diagram(DIAGRAM, catalog=RESOURCES)
