"""`telemetry/otlp.py`: what is recorded arrives once, whoever forks, and a collector that is down costs little.

What real loads record is tested in `defs/test_telemetry.py`.
"""

import logging
import os
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from invoice_assets.telemetry.metrics import ATTRIBUTES, METRICS, REQUESTS, ROWS_LOADED, TOKENS
from invoice_assets.telemetry.otlp import OtlpRecorder
from invoice_assets_tests.sandbox.server import Sandbox
from invoice_assets_tests.telemetry.collector import Collector

PATIENCE_S = 1.0
A_MOMENT_S = 5.0
"""What a machine that is busy may add to the patience; without any, OpenTelemetry takes ten seconds or more."""

TWO_PROCESSES = """
import os, sys
from invoice_assets.api.oauth import AccessTokenProvider, RefreshTokenGrant
from invoice_assets.api.pacing import RequestPacer
from invoice_assets.api.session import ApiAccount, ApiSession
from invoice_assets.telemetry.otlp import OtlpRecorder

token_url, client_id, client_secret, refresh_token, base_url, organization_id = sys.argv[1:]
grant = RefreshTokenGrant(
    token_url=token_url, client_id=client_id, client_secret=client_secret, refresh_token=refresh_token
)
recorder = OtlpRecorder()
account = ApiAccount(base_url=base_url, organization_id=organization_id)

def read(times):
    tokens = AccessTokenProvider(grant, recorder=recorder)
    pacer = RequestPacer(requests_per_minute=0)
    with ApiSession(account, tokens=tokens, pacer=pacer, recorder=recorder.bind(resource="taxes")) as session:
        for _ in range(times):
            session.get(base_url + "settings/taxes")

read(1)
if not (child := os.fork()):
    read(2)
    recorder.close()
    os._exit(0)
read(3)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
"""
"""A process that forks between requests, and ends without closing its recorder."""


@pytest.fixture
def recorder(collector: Collector) -> Iterator[OtlpRecorder]:
    recording = OtlpRecorder()
    yield recording
    recording.close()


def test_every_metric_arrives_with_its_unit_and_no_attribute_but_its_own(
    collector: Collector, recorder: OtlpRecorder
) -> None:
    for metric in METRICS:
        recorder.record(metric, 2, **dict.fromkeys(ATTRIBUTES, "x"))
    recorder.close()

    assert {(point.metric, point.unit, tuple(point.attributes)) for point in collector.points} == {
        (metric.name, metric.unit, metric.attributes) for metric in METRICS
    }


def test_measurements_carry_what_the_recorder_is_bound_to_and_no_empty_attribute(
    collector: Collector, recorder: OtlpRecorder
) -> None:
    recorder.bind(organization="acme").bind(resource="taxes").record(ROWS_LOADED, 3)
    recorder.bind(organization="").record(TOKENS)
    recorder.close()

    assert collector.totals(ROWS_LOADED.name) == {frozenset({("organization", "acme"), ("resource", "taxes")}): 3}
    assert collector.totals(TOKENS.name) == {frozenset(): 1}


def test_each_recorder_is_an_instance_of_its_own_so_that_none_continues_another(collector: Collector) -> None:
    """A worker process makes one for each step: under one name, the second would look like a counter that fell."""
    for rows in (3, 2):
        recorder = OtlpRecorder()
        recorder.record(ROWS_LOADED, rows)
        recorder.close()

    assert len(collector.instances) == 2
    assert collector.total(ROWS_LOADED.name) == 5


def test_the_service_is_called_as_the_environment_says(collector: Collector, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_SERVICE_NAME", "billing")
    recorder = OtlpRecorder()
    recorder.record(TOKENS)
    recorder.close()

    assert collector.services == {"billing"}


def test_what_a_forked_process_sends_is_its_own(collector: Collector, sandbox: Sandbox) -> None:
    """And what its parent has counted is sent by the parent, which ends without a word."""
    account = (sandbox.client_id, sandbox.client_secret, sandbox.refresh_token)
    arguments = (sandbox.token_url, *account, sandbox.api_base_url, sandbox.organization_id)

    subprocess.run([sys.executable, "-W", "ignore", "-c", TWO_PROCESSES, *arguments], env=os.environ, check=True)

    assert len(collector.instances) == 2
    assert collector.total(REQUESTS.name, status="200") == len(sandbox.ledger.requests("taxes")) == 6
    assert collector.total(TOKENS.name) == sandbox.tokens_issued == 3


@pytest.mark.parametrize(
    ("status", "is_mute", "told"),
    [
        pytest.param(500, False, "answered 500", id="fails"),
        pytest.param(503, False, "answered 503", id="asks-for-another-attempt"),
        pytest.param(200, True, "gave no answer", id="never-answers"),
    ],
)
def test_a_collector_that_does_not_take_metrics_costs_one_warning_and_little_time(
    collector: Collector, caplog: pytest.LogCaptureFixture, status: int, is_mute: bool, told: str
) -> None:
    collector.status, collector.is_mute = status, is_mute
    recorder = OtlpRecorder(patience_s=PATIENCE_S)
    recorder.record(TOKENS)

    started_at = time.monotonic()
    recorder.close()
    recorder.close()

    assert time.monotonic() - started_at < PATIENCE_S + A_MOMENT_S
    (line,) = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert line.name == "invoice_assets.telemetry.otlp"
    assert told in line.getMessage()
    assert "OTEL_EXPORTER_OTLP_ENDPOINT" in line.getMessage()


def test_a_collector_that_is_not_there_costs_one_warning_and_little_time(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://user:pa55word@127.0.0.1:9")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "Authorization: Bearer pa55word")
    recorder = OtlpRecorder(patience_s=PATIENCE_S)
    recorder.record(TOKENS)

    started_at = time.monotonic()
    recorder.close()

    assert time.monotonic() - started_at < PATIENCE_S + A_MOMENT_S
    assert len(caplog.records) == 1
    assert "pa55word" not in caplog.text
