"""`defs/telemetry.py`: the metrics of real loads, as a collector gets them, held against the sandbox's own ledger.

How they are sent is tested in `telemetry/test_otlp.py`.
"""

import logging
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from dagster import DagsterInstance

from invoice_assets.defs.telemetry import measure_load
from invoice_assets.settings import Settings
from invoice_assets.telemetry.metrics import (
    LOADS,
    METRICS,
    QUOTA_REMAINING,
    QUOTA_WAIT,
    REQUEST_DURATION,
    REQUESTS,
    RETRIES,
    ROWS_DELETED,
    ROWS_LOADED,
    STAGE_DURATION,
    TOKEN_WAIT,
    TOKENS,
)
from invoice_assets.telemetry.otlp import OtlpRecorder
from invoice_assets_tests.many_organizations import Deployment
from invoice_assets_tests.project import Project
from invoice_assets_tests.runs import metadata_of
from invoice_assets_tests.sandbox.ledger import NO_ANSWER
from invoice_assets_tests.sandbox.limits import Limits
from invoice_assets_tests.sandbox.server import Sandbox
from invoice_assets_tests.telemetry.collector import Collector

RESOURCE = "resource"


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """One with a daily quota, and a list of several pages."""
    with Sandbox(rows={"taxes": 450, "users": 3}, limits=Limits.published()) as running:
        yield running


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    with Collector() as running:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", f"{running.url}/v1/metrics")
        yield running


@pytest.fixture
def project(sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    return Project(sandbox, tmp_path, monkeypatch, has_checks=False)


def count_requests(sandbox: Sandbox) -> dict[frozenset[tuple[str, str]], float]:
    """What the source has received, by resource and status as the metric has them."""
    counted = Counter(
        (str(entry.resource), "none" if entry.status == NO_ANSWER else str(entry.status))
        for entry in sandbox.ledger.requests()
    )
    return {frozenset({(RESOURCE, name), ("status", status)}): count for (name, status), count in counted.items()}


def test_every_request_retry_and_token_is_counted_once_as_the_source_has_seen_it(
    collector: Collector, project: Project, sandbox: Sandbox
) -> None:
    sandbox.script("unavailable_503", resource="taxes", times=2)
    sandbox.script("connection_dropped", resource="taxes", page=2, times=1)
    sandbox.script("truncated_json", resource="users", times=1)
    sandbox.script("token_internal_error_500", times=1)

    assert project.materialize("taxes", "users").success

    assert collector.totals(REQUESTS.name) == count_requests(sandbox)
    assert collector.totals(RETRIES.name) == {
        frozenset({(RESOURCE, "taxes"), ("reason", "503")}): 2,
        frozenset({(RESOURCE, "taxes"), ("reason", "no_answer")}): 1,
        frozenset({(RESOURCE, "users"), ("reason", "broken_answer")}): 1,
        frozenset({("reason", "500")}): 1,
    }
    answered = sum(entry.status != NO_ANSWER for entry in sandbox.ledger.requests())
    assert collector.total(REQUEST_DURATION.name) == answered
    assert collector.total(TOKENS.name) == sandbox.tokens_issued == 1


def test_a_load_tells_its_rows_its_stages_and_what_is_left_of_the_quota_as_its_metadata_does(
    collector: Collector, project: Project, sandbox: Sandbox
) -> None:
    project.materialize("taxes")
    sandbox.delete("taxes", str(next(sandbox.rows("taxes"))["tax_id"]))

    metadata = metadata_of(project.materialize("taxes"), "taxes")

    assert collector.total(ROWS_LOADED.name, resource="taxes") == 450 + metadata["rows_loaded"] == 899
    assert collector.total(ROWS_DELETED.name, resource="taxes") == metadata["rows_marked_deleted"] == 1
    (*_, left) = [point.value for point in collector.points if point.metric == QUOTA_REMAINING.name]
    assert left == metadata["quota_remaining"]
    for stage in ("extract", "normalize", "load"):
        assert collector.total(STAGE_DURATION.name, stage=stage) > metadata[f"{stage}_s"] > 0


def test_a_load_that_fails_is_counted_with_the_class_of_its_error(
    collector: Collector, project: Project, sandbox: Sandbox
) -> None:
    sandbox.script("wrong_organization_6041", resource="taxes", times=None)

    assert not project.materialize("taxes", "users").success

    assert collector.totals(LOADS.name) == {
        frozenset({(RESOURCE, "taxes"), ("outcome", "failure"), ("error", "PermanentError")}): 1,
        frozenset({(RESOURCE, "users"), ("outcome", "success")}): 1,
    }


def test_an_error_that_is_not_ours_is_counted_as_another(collector: Collector) -> None:
    """Whatever its class: the metric's values are to stay few."""
    recorder = OtlpRecorder()
    with pytest.raises(KeyError), measure_load(recorder):
        raise KeyError("bug")
    recorder.close()

    assert collector.total(LOADS.name, outcome="failure", error="other") == 1


def test_waits_for_the_quota_and_for_the_token_are_the_seconds_that_passed(
    collector: Collector, project: Project, sandbox: Sandbox
) -> None:
    """The accounts server takes its time; the quota lets everything pass."""
    sandbox.script("token_hang", times=1, seconds=0.3)

    project.materialize("taxes")

    assert 0.3 <= collector.total(TOKEN_WAIT.name) < 10
    assert 0 < collector.total(QUOTA_WAIT.name, resource="taxes") < 10


def test_each_organisation_is_told_by_its_slug(
    collector: Collector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (
        Sandbox(rows=3) as acme,
        Sandbox(rows=5, organization_id="481500000000000012") as globex,
        DagsterInstance.ephemeral() as instance,
    ):
        deployment = Deployment({"acme": acme, "globex": globex}, tmp_path, monkeypatch, instance=instance)
        for slug in deployment.sandboxes:
            assert deployment.materialize(slug, "taxes").success

    assert collector.total(ROWS_LOADED.name, organization="acme", resource="taxes") == 3
    assert collector.total(ROWS_LOADED.name, organization="globex", resource="taxes") == 5
    assert collector.total(TOKENS.name, organization="globex") == 1
    assert all(dict(series).get("organization") for metric in METRICS for series in collector.totals(metric.name))


def test_nothing_that_is_sent_is_of_the_data_the_account_or_the_addresses(
    collector: Collector, project: Project, sandbox: Sandbox
) -> None:
    project.materialize("users")
    people = {str(user[column]) for user in sandbox.rows("users") for column in ("user_id", "name", "email")}
    account = {sandbox.organization_id, sandbox.client_id, sandbox.client_secret, sandbox.base_url}

    told = {value for point in collector.points for value in point.attributes.values()}

    assert told == {"users", "200", "success", "extract", "normalize", "load"}
    assert [text for text in people | account if any(text.encode() in body for body in collector.bodies)] == []


def test_a_collector_that_fails_does_not_fail_a_load(
    collector: Collector, project: Project, caplog: pytest.LogCaptureFixture
) -> None:
    collector.status = 500

    assert project.materialize("taxes").success

    warnings = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert [text for text in warnings if "Metrics were not delivered: the collector answered 500" in text] == warnings
    assert len(warnings) == 1


def test_a_variable_that_cannot_be_used_does_not_fail_a_load(
    collector: Collector, project: Project, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("OTEL_METRIC_EXPORT_INTERVAL", "0")

    assert project.materialize("taxes", "users").success

    (warning,) = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert "Metrics are not sent: a variable OTEL_* cannot be used" in warning
    assert collector.points == []


def test_without_a_collector_nothing_is_begun(project: Project) -> None:
    assert project.materialize("taxes").success

    assert not Settings.from_env().metrics
    assert [thread.name for thread in threading.enumerate() if "Otel" in thread.name] == []
