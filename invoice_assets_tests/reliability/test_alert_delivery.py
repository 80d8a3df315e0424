"""Alerts by a real `dagster-daemon` that is killed, with a webhook at the other end: nothing lost, one repeat."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from dagster import AssetCheckEvaluation, AssetKey, DagsterInstance
from dagster._core.instance.ref import InstanceRef
from dagster._core.scheduler.instigation import InstigatorTick, TickStatus

from invoice_assets_tests.alerts.receivers import Webhook
from invoice_assets_tests.reliability.alert_location import CHECKS
from invoice_assets_tests.reliability.daemon import Daemon

UNIQUE, PLAUSIBLE, COLUMNS = CHECKS


class Trap(list[Any]):
    """Messages, of which one springs the trap: before the sender is told that it has arrived."""

    spring: Callable[[], None] | None = None

    def append(self, message: Any) -> None:
        super().append(message)
        if self.spring is not None:
            spring, self.spring = self.spring, None
            spring()


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    return tmp_path


@pytest.fixture
def instance(home: Path) -> Iterator[DagsterInstance]:
    """The daemon's instance, set up before any daemon starts."""
    with DagsterInstance.from_ref(InstanceRef.from_dir(str(home))) as opened:
        yield opened


@pytest.fixture
def webhook() -> Iterator[Webhook]:
    with Webhook("/planted-token") as running:
        running.messages = Trap()
        yield running


@pytest.fixture
def daemon(home: Path, instance: DagsterInstance, webhook: Webhook) -> Iterator[Daemon]:
    running = Daemon(
        home, "invoice_assets_tests.reliability.alert_location", environment={"INVOICE_ALERT_URLS": webhook.url}
    )
    yield running
    running.kill()


def report(instance: DagsterInstance, check: str, *, passed: bool) -> None:
    instance.report_runless_asset_event(
        AssetCheckEvaluation(
            asset_key=AssetKey(["invoicing", "invoices"]), check_name=check, passed=passed, metadata={}
        )
    )


def ticks_of(instance: DagsterInstance, status: TickStatus) -> list[InstigatorTick]:
    return [
        tick
        for state in instance.all_instigator_state()
        if state.instigator_name == "asset_check_alerts"
        for tick in instance.get_ticks(state.instigator_origin_id, state.selector_id, statuses=[status])
    ]


def test_a_daemon_that_is_killed_between_delivery_and_memory_loses_nothing_and_repeats_one_message(
    instance: DagsterInstance, webhook: Webhook, daemon: Daemon
) -> None:
    messages = webhook.messages
    assert isinstance(messages, Trap)
    report(instance, COLUMNS, passed=False)
    daemon.start()
    daemon.wait_for(lambda: len(ticks_of(instance, TickStatus.SKIPPED)) > 0)

    report(instance, UNIQUE, passed=False)
    daemon.wait_for(lambda: len(messages) == 1)
    messages.spring = daemon.kill
    report(instance, PLAUSIBLE, passed=False)
    daemon.wait_for(lambda: len(messages) == 2)
    daemon.kill()
    daemon.start()
    daemon.wait_for(lambda: len(messages) == 3)
    report(instance, UNIQUE, passed=True)
    daemon.wait_for(lambda: len(messages) == 4)
    webhook.status = 500
    report(instance, PLAUSIBLE, passed=True)
    daemon.wait_for(lambda: len(ticks_of(instance, TickStatus.FAILURE)) > 0)

    told = [(message["type"], [check for check in CHECKS if check in message["title"]]) for message in messages]
    assert told == [
        ("failure", [UNIQUE]),
        ("failure", [PLAUSIBLE]),
        ("failure", [PLAUSIBLE]),
        ("success", [UNIQUE]),
    ]
    error = ticks_of(instance, TickStatus.FAILURE)[0].error
    assert "failed, 1 notice" in str(error)
    assert "planted-token" not in str(error)
