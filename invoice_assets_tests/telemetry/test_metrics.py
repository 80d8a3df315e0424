"""`telemetry/metrics.py`: the table of metrics is one that any backend takes, and says what each attribute may be."""

import re

import pytest

from invoice_assets.telemetry.metrics import ATTRIBUTES, METRICS, Kind, Metric


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_a_metric_has_a_name_of_ours_a_unit_and_a_sentence(metric: Metric) -> None:
    assert re.fullmatch(r"invoice_assets(\.[a-z]+)+", metric.name)
    assert re.fullmatch(r"s|\{[a-z]+\}", metric.unit)
    assert metric.description.endswith(".")


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_a_histogram_and_nothing_else_has_buckets_in_their_order(metric: Metric) -> None:
    assert bool(metric.buckets) == (metric.kind is Kind.HISTOGRAM)
    assert list(metric.buckets) == sorted(set(metric.buckets))


def test_the_names_differ_and_every_attribute_is_explained() -> None:
    assert len({metric.name for metric in METRICS}) == len(METRICS)
    assert {name for metric in METRICS for name in metric.attributes} == set(ATTRIBUTES)
