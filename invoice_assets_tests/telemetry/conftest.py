"""The collector that the process of a test sends its metrics to."""

from collections.abc import Iterator

import pytest

from invoice_assets_tests.telemetry.collector import Collector


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    with Collector() as running:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", running.url)
        yield running
