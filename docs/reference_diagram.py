"""The tables and what refers to what as a picture: who refers stands on the left, who does not on the right.

Written as SVG by hand, in tones that can be read on white and on dark pages alike; Mermaid would be a script to fetch.
https://developer.mozilla.org/docs/Web/SVG
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape

from invoice_assets.resource_spec import ResourceSpec

WIDTH, BOX_WIDTH, LINE_HEIGHT, GAP = 860, 300, 24, 18
LEFT_AT, RIGHT_AT = 10, WIDTH - BOX_WIDTH - 10
FONT = "-apple-system, Segoe UI, Helvetica, Arial, sans-serif"
TEXT, FRAME, ACCENT = "#768390", "#8b949e", "#2f81f7"


@dataclass(frozen=True, kw_only=True)
class Box:
    """A table as it is drawn: its corner, and the lines in it, of which the first is its name."""

    spec: ResourceSpec
    x: int
    y: int

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that it shows: the primary key and those that refer to another table."""
        return (self.spec.primary_key, *(reference.column for reference in self.spec.references))

    @property
    def height(self) -> int:
        """As much as its name and columns take."""
        return LINE_HEIGHT * (len(self.columns) + 1) + 8

    def middle_of(self, column: str) -> int:
        """How far down the middle of a column's line is."""
        return self.y + LINE_HEIGHT * (self.columns.index(column) + 1) + LINE_HEIGHT // 2 + 2


def write_diagram(path: Path, *, catalog: Mapping[str, ResourceSpec]) -> None:
    """Write the picture of a catalog."""
    path.write_text(render_diagram(catalog), encoding="utf-8")


def render_diagram(catalog: Mapping[str, ResourceSpec]) -> str:
    """The picture of a catalog as SVG: a box for each resource, a line for each reference."""
    boxes = place_boxes(catalog)
    height = max(box.y + box.height for box in boxes.values()) + 10
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" '
        f'font-family="{FONT}" font-size="14" fill="{TEXT}">',
        "<title>What refers to what</title>",
        *_draw_lines(boxes),
        *(part for box in boxes.values() for part in _draw_box(box)),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def place_boxes(catalog: Mapping[str, ResourceSpec]) -> dict[str, Box]:
    """A box for each resource, by its name: those with references on the left, the others on the right."""
    referring = [spec for spec in catalog.values() if spec.references]
    others = [spec for spec in catalog.values() if not spec.references]
    return {box.spec.name: box for box in (*_stack(referring, LEFT_AT), *_stack(others, RIGHT_AT))}


def _stack(specs: Iterable[ResourceSpec], x: int) -> Iterator[Box]:
    y = 10
    for spec in specs:
        box = Box(spec=spec, x=x, y=y)
        yield box
        y += box.height + GAP


def _draw_lines(boxes: Mapping[str, Box]) -> Iterator[str]:
    for box in boxes.values():
        for reference in box.spec.references:
            target = boxes[reference.resource]
            begin, y = box.x + BOX_WIDTH, box.middle_of(reference.column)
            end = target.x if target.x > box.x else target.x + BOX_WIDTH
            bend, target_y = begin + 120, target.middle_of(target.spec.primary_key)
            yield (
                f'<path d="M{begin} {y}C{bend} {y} {bend} {target_y} {end} {target_y}" fill="none" stroke="{FRAME}"/>'
                f'<circle cx="{begin}" cy="{y}" r="3"/><circle cx="{end}" cy="{target_y}" r="3" fill="{ACCENT}"/>'
            )


def _draw_box(box: Box) -> Iterator[str]:
    yield (
        f'<rect x="{box.x}" y="{box.y}" width="{BOX_WIDTH}" height="{box.height}" rx="6" fill="none" stroke="{FRAME}"/>'
    )
    count = f"{len(box.spec.columns)} columns"
    yield _text(box.x + 12, box.y + 18, box.spec.name, ' font-weight="600"')
    yield _text(box.x + BOX_WIDTH - 12, box.y + 18, count, ' text-anchor="end" font-size="12"')
    for column in box.columns:
        is_key = column == box.spec.primary_key
        yield _text(box.x + 12, box.middle_of(column) + 5, column, f' fill="{ACCENT}"' if is_key else "")


def _text(x: int, y: int, content: str, attributes: str) -> str:
    return f'<text x="{x}" y="{y}"{attributes}>{escape(content)}</text>'
