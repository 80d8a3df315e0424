"""Ticks on both storages, with a webhook at the other end."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from dagster import (
    DagsterInstance,
    DefaultSensorStatus,
    SensorDefinition,
    SkipReason,
    build_sensor_context,
)

from invoice_assets.definitions import build_definitions
from invoice_assets.defs.alerting.resource import AlertsResource
from invoice_assets.defs.alerting.sensors import (
    AlertsNotDeliveredError,
    KeyValueMemory,
    build_alert_sensors,
)
from invoice_assets.settings import Settings
from invoice_assets_tests.alerts.receivers import Webhook
from invoice_assets_tests.defs.alerting.location import FAILED, IN_STEP, PASSED, UNIQUE, WARNED, Location

MINUTE_S = 60.0


@dataclass
class Ticks:
    """The two sensors, evaluated on a location whose channels are `urls`, `ahead_s` seconds from now."""

    location: Location
    urls: str = ""
    ahead_s: float = 0.0
    sensors: dict[str, SensorDefinition] = field(default_factory=dict)

    def __post_init__(self) -> None:
        built = build_alert_sensors(Settings(), resources=["invoices", "users"], clock=self.tell_time)
        self.sensors = {sensor.name: sensor for sensor in built}

    def tell_time(self) -> float:
        return time.time() + self.ahead_s

    def tick(self, name: str = "asset_check_alerts") -> str:
        """What the tick of a sensor says."""
        with build_sensor_context(
            instance=self.location.instance,
            repository_def=self.location.repository,
            resources={"alerts": AlertsResource(urls=self.urls)},
            sensor_name=name,
        ) as context:
            said: Any = self.sensors[name](context)
        assert isinstance(said, SkipReason)
        return said.skip_message or ""


@pytest.fixture
def ticks(instance: DagsterInstance) -> Ticks:
    return Ticks(Location(instance=instance))


@pytest.fixture
def webhook() -> Iterator[Webhook]:
    with Webhook() as running:
        yield running


def test_a_check_that_fails_and_recovers_is_two_messages(ticks: Ticks, webhook: Webhook) -> None:
    """A new channel starts in silence; whoever evaluates the check, and however often is looked."""
    ticks.urls = webhook.url
    ticks.location.report(IN_STEP, FAILED)
    assert "started" in ticks.tick()
    ticks.location.results[UNIQUE] = FAILED
    ticks.location.run("check")
    said = [ticks.tick(), ticks.tick()]
    ticks.location.report(UNIQUE, FAILED)
    ticks.tick()
    ticks.location.report(UNIQUE, PASSED)
    ticks.tick()
    ticks.tick()

    failed, recovered = webhook.messages
    assert ("sent, 1 notice" in said[0], "nothing to tell" in said[1]) == (True, True)
    assert (failed["type"], recovered["type"]) == ("failure", "success")
    assert "invoices: primary_key_is_unique" in failed["title"]
    for told in ("2 of 9 rows share a key.", "460001", "Mend primary_key_is_unique.", "checkDetail="):
        assert told in failed["message"]
    assert "Planted Customer" not in str(webhook.messages)


def test_checks_and_runs_are_remembered_apart(ticks: Ticks, webhook: Webhook) -> None:
    ticks.urls = webhook.url
    ticks.tick("asset_check_alerts")

    assert "started" in ticks.tick("run_failure_alerts")


def test_a_failed_run_is_one_message_without_a_foreign_word(ticks: Ticks, webhook: Webhook) -> None:
    ticks.urls = webhook.url
    ticks.tick("run_failure_alerts")
    ticks.location.errors["load_invoices"] = RuntimeError("planted-password in Planted Customer Ltd")
    ticks.location.run("load_unchecked")

    said = [ticks.tick("run_failure_alerts") for _ in range(2)]

    (message,) = webhook.messages
    assert "load_invoices" in message["title"]
    assert "RuntimeError: see the run." in message["message"]
    assert "planted" not in str((message, said)).lower()


def test_a_channel_that_is_down_fails_the_tick_and_holds_up_no_other(ticks: Ticks, webhook: Webhook) -> None:
    with Webhook(path="/planted-token") as broken:
        ticks.urls = f"{webhook.url} {broken.url}"
        ticks.tick()
        broken.status = 500
        ticks.location.report(UNIQUE, FAILED)
        with pytest.raises(AlertsNotDeliveredError) as raised:
            ticks.tick()
        waiting = ticks.tick()
        broken.status = 200
        ticks.ahead_s = MINUTE_S
        ticks.tick()

        assert len(webhook.messages) == 1
        assert len(broken.messages) == 1
    assert "failed, 1 notice" in str(raised.value)
    assert "it is tried again after" in str(raised.value)
    assert "waiting" in waiting
    assert "planted-token" not in str(raised.value) + waiting


def test_a_failure_is_told_by_whom_its_severity_and_resource_concern(ticks: Ticks, webhook: Webhook) -> None:
    with Webhook() as users:
        ticks.urls = f"error,invoices={webhook.url} users={users.url}"
        ticks.tick()
        ticks.location.report(UNIQUE, WARNED)
        ticks.location.report(IN_STEP, WARNED)
        ticks.tick()

        assert webhook.messages == []
        assert len(users.messages) == 1


def test_without_a_url_a_tick_says_who_is_not_told(ticks: Ticks) -> None:
    said = ticks.tick()

    assert said == "INVOICE_ALERT_URLS is not set: nobody is told. `invoice-assets status` lists what fails."


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        pytest.param({}, DefaultSensorStatus.STOPPED, id="nothing-set"),
        pytest.param({"INVOICE_AUTOMATION": "on"}, DefaultSensorStatus.RUNNING, id="automation"),
        pytest.param({"INVOICE_ALERT_URLS": "json://127.0.0.1"}, DefaultSensorStatus.RUNNING, id="urls"),
    ],
)
def test_the_sensors_are_on_where_alerts_have_somewhere_to_go(
    environment: dict[str, str], expected: DefaultSensorStatus
) -> None:
    sensors = build_definitions(Settings.from_env(environment)).sensors or []

    assert {sensor.name: sensor.default_status for sensor in sensors if isinstance(sensor, SensorDefinition)} == {
        "asset_check_alerts": expected,
        "run_failure_alerts": expected,
    }


def test_a_memory_is_kept_for_each_sensor_and_channel(instance: DagsterInstance) -> None:
    memory = KeyValueMemory(instance=instance, sensor_name="asset_check_alerts")
    memory.save("a", "first")
    memory.save("a", "second")

    assert memory.load("a") == "second"
    assert memory.load("b") is None
    assert KeyValueMemory(instance=instance, sensor_name="run_failure_alerts").load("a") is None
