"""`deploy/observability/`: a dashboard that can be imported, and no query or alert about what is not sent."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import promql_parser
import pytest
from dagster_shared.yaml_utils import load_yaml_from_path

from docs.metric_tables import list_series, name_in_prometheus
from invoice_assets.telemetry.metrics import METRICS

FOLDER = Path(__file__).parent.parent / "deploy" / "observability"
DASHBOARD: dict[str, Any] = json.loads((FOLDER / "grafana-dashboard.json").read_text(encoding="utf-8"))
RULES: list[dict[str, Any]] = cast(Any, load_yaml_from_path(str(FOLDER / "alert-rules.yaml")))["groups"][0]["rules"]
VARIABLES = {
    "$__interval_ms": "300000",
    "$__interval": "5m",
    "$__range": "1d",
    "$organization": ".*",
    "$resource": ".*",
}
"""What Grafana puts into a query, the longer names first."""
SERIES = {name: labels for metric in METRICS for name, labels in list_series(metric).items()}


def fill_in(query: str) -> str:
    """The query as Grafana sends it."""
    for variable, value in VARIABLES.items():
        query = query.replace(variable, value)
    return query


PANEL_QUERIES = [
    pytest.param(fill_in(target["expr"]), id=panel["title"])
    for panel in DASHBOARD["panels"]
    for target in panel["targets"]
]
ALERT_QUERIES = [pytest.param(rule["expr"], id=rule["alert"]) for rule in RULES]


def find_selectors(node: Any) -> Iterator[Any]:
    """The selectors of series in a parsed query."""
    match node:
        case promql_parser.VectorSelector():
            yield node
        case promql_parser.MatrixSelector():
            yield from find_selectors(node.vector_selector)
        case promql_parser.BinaryExpr():
            yield from (*find_selectors(node.lhs), *find_selectors(node.rhs))
        case promql_parser.Call():
            for argument in node.args:
                yield from find_selectors(argument)
        case promql_parser.AggregateExpr() | promql_parser.ParenExpr() | promql_parser.UnaryExpr():
            yield from find_selectors(node.expr)
        case promql_parser.NumberLiteral():
            pass
        case _:
            raise AssertionError(f"a kind of expression that nobody looks into: {node}")


def find_groupings(query: str) -> set[str]:
    """The labels that a query's results are split by."""
    return {label.strip() for labels in re.findall(r"\bby \(([^)]*)\)", query) for label in labels.split(",")}


@pytest.mark.parametrize("query", [*PANEL_QUERIES, *ALERT_QUERIES])
def test_a_query_asks_for_series_and_labels_that_the_code_sends(query: str) -> None:
    selectors = list(find_selectors(promql_parser.parse(query)))

    assert selectors
    for selector in selectors:
        labels = {matcher.name for matcher in selector.matchers.matchers}
        assert labels <= SERIES[selector.name]
    assert find_groupings(query) <= set.intersection(*(set(SERIES[selector.name]) for selector in selectors))


@pytest.mark.parametrize("query", [*PANEL_QUERIES, *ALERT_QUERIES])
def test_no_query_relies_on_what_prometheus_guesses_between_the_samples_of_a_short_process(query: str) -> None:
    """increase() and rate() do not see a series' first value, and the last is often the first (docs/adr/0021)."""
    assert re.findall(r"\b(?:increase|rate|irate|delta)\(", query) == []


def test_every_metric_has_a_panel() -> None:
    asked_for = {
        selector.name
        for query in PANEL_QUERIES
        for selector in find_selectors(promql_parser.parse(str(query.values[0])))
    }

    assert [metric.name for metric in METRICS if not asked_for & set(list_series(metric))] == []


def test_the_dashboard_is_one_that_grafana_imports() -> None:
    """Without an id of somebody's own Grafana, and for whichever Prometheus the reader chooses."""
    panels = DASHBOARD["panels"]

    assert DASHBOARD["schemaVersion"] >= 36
    assert {"id", "__inputs"} & set(DASHBOARD) == set()
    assert len({panel["id"] for panel in panels}) == len({panel["title"] for panel in panels}) == len(panels)
    assert {panel["datasource"]["uid"] for panel in panels} == {"${datasource}"}
    places = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in panels]
    assert len(set(places)) == len(panels)
    assert all(panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24 for panel in panels)


def test_the_variables_are_the_datasource_and_labels_that_loads_carry() -> None:
    datasource, *labels = DASHBOARD["templating"]["list"]

    assert (datasource["name"], datasource["query"]) == ("datasource", "prometheus")
    assert [variable["name"] for variable in labels] == ["organization", "resource"]
    for variable in labels:
        ((series, label),) = re.findall(r"^label_values\((\w+)(?:{.*})?, (\w+)\)$", variable["query"]["query"])
        assert label in SERIES[series]


def test_no_panel_looks_at_less_than_the_time_between_two_exports() -> None:
    """In a window without a sample, a counter would look as if it had begun anew."""
    graphs = [panel for panel in DASHBOARD["panels"] if panel["type"] == "timeseries"]

    assert {panel["interval"] for panel in graphs} == {"5m"}


@pytest.mark.parametrize(
    ("metric", "name"),
    [
        ("invoice_assets.requests", "invoice_assets_requests_total"),
        ("invoice_assets.quota.wait", "invoice_assets_quota_wait_seconds_total"),
        ("invoice_assets.quota.remaining", "invoice_assets_quota_remaining"),
        ("invoice_assets.request.duration", "invoice_assets_request_duration_seconds"),
    ],
)
def test_names_are_translated_as_prometheus_does(metric: str, name: str) -> None:
    """By https://prometheus.io/docs/guides/opentelemetry/#utf-8 as it is without UTF-8 names."""
    assert [name_in_prometheus(one) for one in METRICS if one.name == metric] == [name]
