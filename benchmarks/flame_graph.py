"""A flame graph of where a load spends its time, from the stacks that py-spy samples.

    py-spy record --format raw --rate 400 --output stacks.txt -- python -m benchmarks.loaders.project
    python -m benchmarks.flame_graph stacks.txt picture.svg

Stacks are cut off at their thread's first function that is worth a look: Dagster's way to a step fills a screen.
https://github.com/benfred/py-spy
"""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from xml.sax.saxutils import escape

from benchmarks.plot import FONT, OTHERS, OURS

ROOTS = ("load_resource", "Read.run", "_worker")
"""Functions at which stacks begin: the step's own, the thread that reads a list, dlt's threads that load files."""
WIDTH, ROW_HEIGHT, LEAST_SHARE, DEPTH = 1200, 17, 0.004, 34
TEXT = "#ffffff"


@dataclass
class Frame:
    """A function in its place in the stacks: how often it was seen there, and what it called."""

    name: str
    samples: int = 0
    calls: dict[str, "Frame"] = field(default_factory=dict)

    def add(self, stack: Sequence[str], samples: int) -> None:
        """Count a stack of functions, the outermost first."""
        self.samples += samples
        if stack:
            self.calls.setdefault(stack[0], Frame(stack[0])).add(stack[1:], samples)


def read_stacks(text: str) -> Frame:
    """The stacks of py-spy's raw format as one tree; those without a root are left out."""
    tree = Frame("all")
    for line in text.splitlines():
        stack, samples = line.rsplit(" ", 1)
        names = [_name(frame) for frame in stack.split(";")]
        first = next((n for n, name in enumerate(names) if name.split(" (")[0].endswith(ROOTS)), None)
        if first is not None:
            tree.add(names[first:], int(samples))
    return tree


def draw(tree: Frame) -> str:
    """The tree as SVG, callers above what they call."""
    boxes = list(_place(tree, x=0.0, depth=0, scale=WIDTH / tree.samples))
    height = ROW_HEIGHT * (1 + max(int(depth) for _, _, depth, _ in boxes))
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-size="11" font-family="{FONT}">',
    ]
    for frame, x, depth, width in boxes:
        colour = OURS if "invoice_assets" in frame.name else OTHERS
        share = f"{frame.samples / tree.samples:.1%}"
        label = escape(frame.name.removeprefix("invoice_assets/")[: int(width / 6)])
        parts.append(
            f'<g><title>{escape(frame.name)}: {share}</title><rect x="{x:.1f}" y="{depth * ROW_HEIGHT}" '
            f'width="{max(width - 0.6, 0.4):.1f}" height="{ROW_HEIGHT - 1}" fill="{colour}"/>'
            f'<text x="{x + 3:.1f}" y="{depth * ROW_HEIGHT + 12}" fill="{TEXT}">{label}</text></g>'
        )
    return "\n".join([*parts, "</svg>"]) + "\n"


def _place(frame: Frame, *, x: float, depth: int, scale: float) -> Iterator[tuple[Frame, float, int, float]]:
    yield frame, x, depth, frame.samples * scale
    if depth == DEPTH:
        return
    for called in sorted(frame.calls.values(), key=lambda call: -call.samples):
        if called.samples * scale >= LEAST_SHARE * WIDTH:
            yield from _place(called, x=x, depth=depth + 1, scale=scale)
        x += called.samples * scale


def _name(frame: str) -> str:
    """`function (file)`, without the line."""
    function, _, place = frame.partition(" (")
    return f"{function} ({place.rsplit(':', 1)[0]})" if "invoice_assets" in place else function


def main(stacks: str, picture: str) -> None:
    """Draw the stacks of one file into another."""
    Path(picture).write_text(draw(read_stacks(Path(stacks).read_text(encoding="utf-8"))), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
