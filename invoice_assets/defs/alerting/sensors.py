"""Sensors that tell people what fails: asset checks, whoever ran them, and runs.

They read Dagster's history, which works on every storage, also after an outage of the daemon; a run-failure sensor
misses failed checks, because they fail no run. What is read lives in `check_observations.py` and
`run_observations.py`, what is told in `alerts/`. https://docs.dagster.io/guides/automate/sensors
"""

import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import partial
from zoneinfo import ZoneInfo

from dagster import (
    DagsterInstance,
    DefaultSensorStatus,
    RepositoryDefinition,
    SensorDefinition,
    SensorEvaluationContext,
    SkipReason,
    sensor,
)

from invoice_assets.alerts.dispatch import Delivery, Outcome, dispatch
from invoice_assets.alerts.incidents import AlertPolicy
from invoice_assets.alerts.observations import ObservationReader
from invoice_assets.defs.alerting.check_observations import CheckObservations
from invoice_assets.defs.alerting.readers import open_check_observations, open_run_observations
from invoice_assets.defs.alerting.resource import AlertsResource
from invoice_assets.defs.alerting.run_observations import RunObservations
from invoice_assets.errors import TransientError
from invoice_assets.settings import Settings
from invoice_assets.variables import ALERT_URLS

LOOK_EVERY_S = 30

ReaderFactory = Callable[[SensorEvaluationContext, Settings], ObservationReader]


class AlertsNotDeliveredError(TransientError):
    """A channel could not be reached; nothing is lost, and it is tried again."""


@dataclass(frozen=True, kw_only=True)
class KeyValueMemory:
    """Keeps the memories of a sensor's channels in the instance (a `MemoryStore`).

    Not in the sensor's cursor: Dagster drops a cursor with the tick that failed, and a tick fails with one channel.
    """

    instance: DagsterInstance
    sensor_name: str

    def load(self, channel_id: str) -> str | None:
        """The text that was saved last for a channel; None where there never was one."""
        key = self._name_key(channel_id)
        return self.instance.daemon_cursor_storage.get_cursor_values({key}).get(key)

    def save(self, channel_id: str, text: str) -> None:
        """Keep the text in place of the one before."""
        self.instance.daemon_cursor_storage.set_cursor_values({self._name_key(channel_id): text})

    def _name_key(self, channel_id: str) -> str:
        return f"invoice_assets/{self.sensor_name}/{channel_id}"


def build_alert_sensors(
    settings: Settings,
    *,
    resources: Collection[str],
    clock: Callable[[], float] = time.time,
    look_every_s: int = LOOK_EVERY_S,
) -> list[SensorDefinition]:
    """The two sensors; `resources` are the names by which a channel can be routed.

    They start switched on where alerts have somewhere to go, or where everything does.
    """
    build = partial(_build_sensor, settings=settings, resources=resources, clock=clock, look_every_s=look_every_s)
    return [
        build(
            "asset_check_alerts",
            _read_checks,
            "Tells when an asset check begins to fail, when it recovers, and when it was left out, whoever ran it.",
        ),
        build(
            "run_failure_alerts",
            _read_runs,
            "Tells when a step or a run begins to fail, once its retries are used up, and when it recovers.",
        ),
    ]


def report_deliveries(deliveries: Sequence[Delivery]) -> SkipReason:
    """What the tick says in the UI, where all channels were served.

    Raises:
        AlertsNotDeliveredError: Some were not; which, why, and when they are tried again.
    """
    failed = [delivery for delivery in deliveries if delivery.outcome is Outcome.FAILED]
    told = "; ".join(map(_describe, deliveries))
    if failed:
        raise AlertsNotDeliveredError(told)
    return SkipReason(told)


def _build_sensor(
    name: str,
    open_reader: ReaderFactory,
    description: str,
    *,
    settings: Settings,
    resources: Collection[str],
    clock: Callable[[], float],
    look_every_s: int,
) -> SensorDefinition:
    is_on = settings.automation or ALERT_URLS in settings.names_set

    @sensor(
        name=name,
        description=description,
        minimum_interval_seconds=look_every_s,
        default_status=DefaultSensorStatus.RUNNING if is_on else DefaultSensorStatus.STOPPED,
    )
    def tell(context: SensorEvaluationContext, alerts: AlertsResource) -> SkipReason:
        """Read what is new, tell each channel, remember what it was told."""
        channels = alerts.open_channels(resources)
        if not channels:
            return SkipReason(f"{ALERT_URLS} is not set: nobody is told. `invoice-assets status` lists what fails.")
        deliveries = dispatch(
            open_reader(context, settings),
            channels,
            store=KeyValueMemory(instance=context.instance, sensor_name=name),
            now=clock(),
            policy=AlertPolicy(remind_after_s=settings.alert_remind_hours * 3600),
            time_zone=ZoneInfo(settings.time_zone),
        )
        return report_deliveries(deliveries)

    return tell


def _read_checks(context: SensorEvaluationContext, settings: Settings) -> CheckObservations:
    return open_check_observations(context.instance, _repository(context), settings=settings)


def _read_runs(context: SensorEvaluationContext, settings: Settings) -> RunObservations:
    origin = context.code_location_origin
    return open_run_observations(
        context.instance,
        _repository(context),
        settings=settings,
        location_name=origin.location_name if origin else None,
    )


def _describe(delivery: Delivery) -> str:
    words = f"{delivery.channel}: {delivery.outcome}"
    if delivery.notices:
        words += f", {delivery.notices} {'notice' if delivery.notices == 1 else 'notices'}"
    if delivery.reason:
        words += f", {delivery.reason}"
    if delivery.until is not None:
        words += f"; it is tried again after {time.strftime('%H:%M:%S', time.gmtime(delivery.until))} UTC"
    return words


def _repository(context: SensorEvaluationContext) -> RepositoryDefinition:
    repository = context.repository_def
    if repository is None:
        raise TypeError("the sensor is evaluated outside a repository")
    return repository
