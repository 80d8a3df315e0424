"""The comparison as a picture: CPU seconds of each loader as bars on a logarithmic scale, memory in figures beside.

Written as SVG by hand, in tones that can be read on white and on dark pages alike.
https://developer.mozilla.org/docs/Web/SVG
"""

from collections.abc import Sequence
from math import ceil, floor, log10
from pathlib import Path
from xml.sax.saxutils import escape

from benchmarks.outcome import TIMES, Bar

WIDTH, ROW_HEIGHT, BAR_HEIGHT, TOP, BOTTOM = 960, 34, 18, 52, 34
BARS_FROM, BARS_TO, RATIO_AT, MEMORY_AT = 375, 750, 860, 955
"""Where bars begin and end, and where the columns of figures end."""
FONT = "-apple-system, Segoe UI, Helvetica, Arial, sans-serif"
TEXT, OURS, OTHERS = "#768390", "#2f81f7", "#8b949e"
STEPS = (1, 2, 5)
"""Where a decade of the scale has its ticks."""


def write_plot(bars: Sequence[Bar], path: Path) -> None:
    """Write the picture, the dearest loader last."""
    ordered = sorted(bars, key=lambda bar: bar.cpu_s)
    scale = _Scale([bar.cpu_s for bar in bars])
    bottom = TOP + ROW_HEIGHT * len(bars)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {bottom + BOTTOM}" role="img" '
        f'font-family="{FONT}" font-size="14" fill="{TEXT}">',
        "<title>CPU seconds of each loader</title>",
        _text(BARS_FROM, TOP - 26, "CPU seconds (logarithmic)"),
        _text(RATIO_AT, TOP - 26, f"{TIMES} limit", anchor="end"),
        _text(MEMORY_AT, TOP - 26, "peak MB", anchor="end"),
    ]
    for tick in scale.ticks:
        x = scale.place(tick)
        parts += [_tick(x, bottom), _text(x, bottom + 22, f"{tick:g}", anchor="middle")]
    for index, bar in enumerate(ordered):
        parts += _draw_bar(bar, TOP + ROW_HEIGHT * index, scale)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([*parts, "</svg>"]) + "\n", encoding="utf-8")


class _Scale:
    """A logarithmic scale from a tick below the least value to one at or above the largest."""

    def __init__(self, values: Sequence[float]) -> None:
        decades = range(floor(log10(min(values))) - 1, ceil(log10(max(values))) + 1)
        ticks = [step * 10.0**decade for decade in decades for step in STEPS]
        last = min(tick for tick in ticks if tick >= max(values))
        # The least value is to have a bar: the scale begins at no more than two thirds of it.
        self.ticks = [tick for tick in ticks if tick <= last]
        while self.ticks[1] <= min(values) * 2 / 3:
            del self.ticks[0]
        self._begin, self._span = log10(self.ticks[0]), log10(last) - log10(self.ticks[0])

    def place(self, value: float) -> float:
        return round(BARS_FROM + (BARS_TO - BARS_FROM) * (log10(value) - self._begin) / self._span, 1)


def _draw_bar(bar: Bar, top: float, scale: _Scale) -> list[str]:
    end, middle = scale.place(bar.cpu_s), top + ROW_HEIGHT / 2
    weight, colour = ("bold", OURS) if bar.is_ours else ("normal", OTHERS)
    return [
        _text(BARS_FROM - 10, middle + 4.5, bar.label, anchor="end", weight=weight),
        f'<rect x="{BARS_FROM}" y="{middle - BAR_HEIGHT / 2}" width="{end - BARS_FROM:.1f}" height="{BAR_HEIGHT}" '
        f'fill="{colour}"/>',
        _text(end + 6, middle + 4.5, _write_seconds(bar.cpu_s), weight=weight),
        _text(RATIO_AT, middle + 4.5, f"{bar.times_limit:.1f}", anchor="end", weight=weight),
        _text(MEMORY_AT, middle + 4.5, f"{bar.peak_mb:,.0f}", anchor="end", weight=weight),
    ]


def _write_seconds(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds >= 20 else f"{seconds:.1f} s"


def _text(x: float, y: float, text: str, *, anchor: str = "start", weight: str = "normal") -> str:
    return f'<text x="{x}" y="{y}" text-anchor="{anchor}" font-weight="{weight}">{escape(text)}</text>'


def _tick(x: float, top: float) -> str:
    return f'<line x1="{x}" y1="{top}" x2="{x}" y2="{top + 6}" stroke="{TEXT}"/>'
