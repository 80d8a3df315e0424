"""`docs/reference_diagram.py`: a box for each table, a line from each column that refers to a key."""

import re
from xml.etree import ElementTree

from docs.reference_diagram import place_boxes, render_diagram
from invoice_assets.resource_spec import Cadence, Reference, ResourceSpec, Sort, build_catalog, text


def declare(name: str, **refers_to: str) -> ResourceSpec:
    """A resource with a key `id` and columns that refer to other resources."""
    return ResourceSpec(
        name=name,
        path=name,
        data_selector=name,
        primary_key="id",
        cadence=Cadence.REFERENCE,
        scopes=frozenset({"none"}),
        sort=Sort(column="id"),
        description="For this test.",
        references=tuple(Reference(column=column, resource=target) for column, target in refers_to.items()),
        columns=(text("id", "Key", required=True), *(text(column, "Reference") for column in refers_to)),
    )


CATALOG = build_catalog([declare("invoices", customer="contacts"), declare("contacts", tax="taxes"), declare("taxes")])


def test_the_picture_names_every_table_its_key_and_what_refers() -> None:
    picture = ElementTree.fromstring(render_diagram(CATALOG))

    words = [element.text for element in picture.iter("{http://www.w3.org/2000/svg}text")]

    columns = [word for word in words if word and not word.endswith("columns")]
    assert columns == ["invoices", "id", "customer", "contacts", "id", "tax", "taxes", "id"]


def test_each_reference_is_a_line_from_its_column_to_the_key_that_it_holds() -> None:
    boxes = place_boxes(CATALOG)

    lines = re.findall(r'd="M\d+ (\d+)C.* (\d+)" fill', render_diagram(CATALOG))

    assert [(int(begin), int(end)) for begin, end in lines] == [
        (boxes["invoices"].middle_of("customer"), boxes["contacts"].middle_of("id")),
        (boxes["contacts"].middle_of("tax"), boxes["taxes"].middle_of("id")),
    ]


def test_boxes_do_not_overlap() -> None:
    boxes = list(place_boxes(CATALOG).values())

    overlapping = [
        (one.spec.name, other.spec.name)
        for one in boxes
        for other in boxes
        if one is not other and one.x == other.x and one.y <= other.y < one.y + one.height
    ]

    assert overlapping == []
