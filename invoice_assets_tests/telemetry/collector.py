"""What metrics arrive at in tests: an OTLP/HTTP receiver on loopback that adds up what each sender has told last.

It can answer with an error, or not at all, as a collector that has an outage.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.metrics.v1.metrics_pb2 import AggregationTemporality

Attributes = frozenset[tuple[str, str]]


@dataclass(frozen=True, kw_only=True)
class Point:
    """A value that one sender has told of one series; of a histogram, how many values there were."""

    metric: str
    unit: str
    instance: str
    attributes: dict[str, str]
    value: float


@dataclass
class Collector:
    """A server for `POST /v1/metrics`; `url` is what `OTEL_EXPORTER_OTLP_ENDPOINT` is set to."""

    status: int = 200
    is_mute: bool = False
    """Whether requests are left without an answer until the end."""
    points: list[Point] = field(default_factory=list)
    """All that has arrived, in its order."""
    services: set[str] = field(default_factory=set)
    bodies: list[bytes] = field(default_factory=list)

    def __enter__(self) -> Collector:
        self._is_over = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.005})
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._server.server_port}"

    @property
    def instances(self) -> set[str]:
        """Who has sent anything."""
        return {point.instance for point in self.points}

    def totals(self, metric: str) -> dict[Attributes, float]:
        """What all senders together have counted in the end, by the attributes of the series."""
        last = {(p.instance, frozenset(p.attributes.items())): p.value for p in self.points if p.metric == metric}
        totals: dict[Attributes, float] = defaultdict(float)
        for (_, attributes), value in last.items():
            totals[attributes] += value
        return dict(totals)

    def total(self, metric: str, **attributes: str) -> float:
        """The sum of the series with these attributes."""
        wanted = attributes.items()
        return sum(value for found, value in self.totals(metric).items() if wanted <= found)

    def _take(self, body: bytes) -> None:
        self.bodies.append(body)
        for sender in ExportMetricsServiceRequest.FromString(body).resource_metrics:
            about = _read_attributes(sender.resource.attributes)
            self.services.add(about["service.name"])
            for scope in sender.scope_metrics:
                for metric in scope.metrics:
                    kind = metric.WhichOneof("data")
                    told = getattr(metric, str(kind))
                    if kind != "gauge":
                        assert told.aggregation_temporality == AggregationTemporality.AGGREGATION_TEMPORALITY_CUMULATIVE
                    for point in told.data_points:
                        value = point.count if kind == "histogram" else point.as_double or point.as_int
                        self.points.append(
                            Point(
                                metric=metric.name,
                                unit=metric.unit,
                                instance=about["service.instance.id"],
                                attributes=_read_attributes(point.attributes),
                                value=value,
                            )
                        )

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if collector.is_mute:
                    collector._is_over.wait()
                    return
                if collector.status == 200:
                    collector._take(body)
                self.send_response(collector.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it so
                """Stay silent."""

        return Handler


def _read_attributes(attributes: Iterable[KeyValue]) -> dict[str, str]:
    return {pair.key: pair.value.string_value for pair in attributes}
