"""Measurements on their way to a collector: OpenTelemetry's SDK, sending OTLP over HTTP once a minute and at the end.

Only this module knows OpenTelemetry, and it is imported where metrics are wanted alone. Everything is configured by the
variables that the SDK reads itself (docs/observability.md). https://opentelemetry.io/docs/specs/otlp/
"""

import atexit
import logging
import os
from collections.abc import Callable, Mapping
from typing import Any, Self
from uuid import uuid4

import requests
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.metrics import Meter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import MetricExportResult, MetricsData, PeriodicExportingMetricReader
from opentelemetry.sdk.resources import SERVICE_INSTANCE_ID, SERVICE_NAME, OTELResourceDetector, Resource

from invoice_assets.telemetry.metrics import METRICS, Kind, Metric
from invoice_assets.telemetry.recorder import Recorder

PATIENCE_S = 2.0
"""Seconds that the end of a run waits at most for the collector."""

SERVICE = "invoice-assets"

_log = logging.getLogger(__name__)


class OtlpRecorder(Recorder):
    """Sends what it is told to the collector that `OTEL_EXPORTER_OTLP_ENDPOINT` names; close it at the end.

    A collector that is down, slow or refuses costs a line of the log and `PATIENCE_S`, never a load.
    """

    def __init__(self, *, patience_s: float = PATIENCE_S) -> None:
        self._export = _Export(patience_s=patience_s)
        self._attributes: Mapping[str, str] = {}

    def record(self, metric: Metric, value: float = 1, **attributes: str) -> None:
        """Take a measurement; takes microseconds."""
        given = {**self._attributes, **attributes}
        self._export.record(metric, value, {name: given[name] for name in metric.attributes if name in given})

    def bind(self, **attributes: str) -> Self:
        """A recorder whose measurements carry these attributes too, and go the same way."""
        bound = type(self).__new__(type(self))
        bound._export = self._export
        bound._attributes = {name: value for name, value in {**self._attributes, **attributes}.items() if value}
        return bound

    def close(self) -> None:
        """Send what has not been sent, for `patience_s` at most; nothing that is recorded later is."""
        self._export.close()


class _Export:
    """The SDK's parts for one process.

    A process that was forked meanwhile begins its own: what its parent has counted is the parent's to send.
    """

    _process_id: int
    _is_closed: bool
    _exporter: "_Exporter"
    _provider: MeterProvider
    _instruments: Mapping[Metric, Callable[[float, Mapping[str, str]], None]]

    def __init__(self, *, patience_s: float) -> None:
        self._patience_s = patience_s
        self._begin()

    def record(self, metric: Metric, value: float, attributes: Mapping[str, str]) -> None:
        """Hand a measurement to its instrument."""
        if self._process_id != os.getpid():
            self._begin()
        self._instruments[metric](value, attributes)

    def close(self) -> None:
        """Send what has not been sent, for as long as there is patience."""
        if self._is_closed or self._process_id != os.getpid():
            return
        self._is_closed = True
        atexit.unregister(self.close)
        self._provider.shutdown(timeout_millis=self._patience_s * 1000)
        if not self._exporter.has_delivered:
            self._exporter.warn()

    def _begin(self) -> None:
        self._process_id = os.getpid()
        self._is_closed = False
        self._exporter = _Exporter()
        self._provider = MeterProvider(
            metric_readers=[PeriodicExportingMetricReader(self._exporter)],
            resource=_describe_process(),
            shutdown_on_exit=False,  # which would wait for half a minute
        )
        meter = self._provider.get_meter("invoice_assets")
        self._instruments = {metric: _build_instrument(meter, metric) for metric in METRICS}
        atexit.register(self.close)


class _Exporter(OTLPMetricExporter):
    """An exporter that says once in its life, in our words, that the collector does not take what it is sent."""

    def __init__(self) -> None:
        self._process_id = os.getpid()
        self._status: int | None = None
        self._has_warned = False
        self.has_delivered = False
        session = requests.Session()
        session.hooks["response"].append(self._note_answer)
        # It repeats every attempt, and quotes headers that it cannot read: they hold a collector's key.
        logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)
        super().__init__(session=session)

    def export(
        self, metrics_data: MetricsData, timeout_millis: float | None = 10_000, **kwargs: Any
    ) -> MetricExportResult:
        """Send the metrics, unless they are those of the process that this one was forked from."""
        if self._process_id != os.getpid():
            return MetricExportResult.SUCCESS
        self._status, self.has_delivered = None, False
        result = super().export(metrics_data, timeout_millis, **kwargs)
        self.has_delivered = result is MetricExportResult.SUCCESS
        if not self.has_delivered:
            self.warn()
        return result

    def warn(self) -> None:
        """Say it, unless it has been said."""
        if not self._has_warned:
            self._has_warned = True
            answer = f"answered {self._status}" if self._status else "gave no answer"
            _log.warning(
                "Metrics were not delivered: the collector %s. Loads go on without. Check OTEL_EXPORTER_OTLP_ENDPOINT "
                "and the collector, or unset the variable.",
                answer,
            )

    def _note_answer(self, response: requests.Response, *_: Any, **__: Any) -> None:
        self._status = response.status_code


def _build_instrument(meter: Meter, metric: Metric) -> Callable[[float, Mapping[str, str]], None]:
    """The function that takes a metric's values with their attributes."""
    told = {"unit": metric.unit, "description": metric.description}
    match metric.kind:
        case Kind.COUNTER:
            return meter.create_counter(metric.name, **told).add
        case Kind.GAUGE:
            return meter.create_gauge(metric.name, **told).set
        case Kind.HISTOGRAM:
            return meter.create_histogram(
                metric.name, **told, explicit_bucket_boundaries_advisory=metric.buckets
            ).record


def _describe_process() -> Resource:
    """Who sends: the service, as the environment calls it, and an instance of its own for each recorder and process."""
    return Resource.create(
        {SERVICE_NAME: SERVICE, **OTELResourceDetector().detect().attributes, SERVICE_INSTANCE_ID: str(uuid4())}
    )
