"""`make docs`: the metrics and their attributes, from the table that the code records by, under both of their names.

Prose stays in the Markdown file; the markers are the business of `generated_parts.py`.
https://prometheus.io/docs/guides/opentelemetry/
"""

from collections.abc import Mapping

from docs.generated_parts import ROOT, replace_part
from invoice_assets.telemetry.metrics import ATTRIBUTES, METRICS, Kind, Metric

PAGE = ROOT / "docs" / "observability.md"
UNIT_SUFFIXES: Mapping[str, str] = {"s": "_seconds"}
"""What Prometheus puts behind a name for its unit; things that are counted have none."""


def name_in_prometheus(metric: Metric) -> str:
    """What Prometheus calls the metric; a histogram is three of them, which end in _bucket, _count and _sum."""
    total = "_total" if metric.kind is Kind.COUNTER else ""
    return metric.name.replace(".", "_") + UNIT_SUFFIXES.get(metric.unit, "") + total


def list_series(metric: Metric) -> dict[str, frozenset[str]]:
    """The names of a metric's series in Prometheus, each with its labels."""
    name, labels = name_in_prometheus(metric), frozenset(metric.attributes)
    if metric.kind is not Kind.HISTOGRAM:
        return {name: labels}
    return {f"{name}_bucket": labels | {"le"}, f"{name}_count": labels, f"{name}_sum": labels}


def render_metrics() -> str:
    """The metrics as a Markdown table."""
    rows = (
        f"| `{metric.name}` | `{name_in_prometheus(metric)}` | {metric.kind}, {metric.unit.strip('{}')} "
        f"| {', '.join(f'`{name}`' for name in metric.attributes)} | {metric.description} |\n"
        for metric in METRICS
    )
    return "| metric | in Prometheus | kind, unit | attributes | what it is |\n|---|---|---|---|---|\n" + "".join(rows)


def render_attributes() -> str:
    """The attributes as a Markdown table."""
    rows = (f"| `{name}` | {values} |\n" for name, values in ATTRIBUTES.items())
    return "| attribute | values |\n|---|---|\n" + "".join(rows)


def replace_tables(text: str) -> str:
    """The text of the page with its tables made anew."""
    return replace_part(replace_part(text, "metrics", render_metrics()), "attributes", render_attributes())


if __name__ == "__main__":
    PAGE.write_text(replace_tables(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
