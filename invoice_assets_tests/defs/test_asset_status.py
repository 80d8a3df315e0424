"""`asset_status.py`: what the instance remembers of tables; whole loads are in `cli/test_status.py`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from dagster import DagsterInstance
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteInstigatorOrigin, RemoteRepositoryOrigin
from dagster._core.scheduler.instigation import (
    InstigatorState,
    InstigatorStatus,
    InstigatorType,
    ScheduleInstigatorData,
)

from invoice_assets.alerts.observations import Observation, Report, Severity
from invoice_assets.catalog import INVOICES, TAXES
from invoice_assets.definitions import build_definitions
from invoice_assets.defs.asset_status import AssetStatus, Freshness, find_next_ticks, read_statuses
from invoice_assets.defs.translator import build_asset_key
from invoice_assets.resource_spec import ResourceSpec
from invoice_assets.settings import Settings
from invoice_assets_tests.defs.told_loads import report_load

NOON = datetime(2026, 3, 9, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


def read(
    instance: DagsterInstance,
    *observations: Observation,
    spec: ResourceSpec = TAXES,
    settings: Settings | None = None,
) -> AssetStatus:
    settings = settings or Settings()
    repository = build_definitions(settings).get_repository_def()
    resources = [(spec, settings)]
    statuses = read_statuses(
        instance, repository, resources, observations=observations, time_zone=settings.time_zone, now=NOON
    )
    return statuses[0]


def test_of_a_table_that_was_never_loaded_nothing_is_known(instance: DagsterInstance) -> None:
    assert read(instance) == AssetStatus(
        asset="taxes",
        time_zone="UTC",
        loaded_at=None,
        rows=None,
        freshness=Freshness.NEVER_LOADED,
        failing_checks=(),
        next_load_at=None,
        quota_remaining=None,
    )


@pytest.mark.parametrize(
    ("loaded_at", "freshness"),
    [
        pytest.param(NOON - HOUR, Freshness.FRESH, id="since-the-last-tick"),
        pytest.param(NOON - 24 * HOUR, Freshness.LATE, id="one-missed"),
        pytest.param(NOON - 72 * HOUR, Freshness.STALE, id="two-missed"),
    ],
)
def test_freshness_is_what_the_schedules_promise(
    instance: DagsterInstance, loaded_at: datetime, freshness: Freshness
) -> None:
    report_load(instance, loaded_at, rows=[{"tax_id": "1"}, {"tax_id": "2"}])

    status = read(instance)

    assert (status.loaded_at, status.rows, status.freshness) == (loaded_at, 2, freshness)


def test_failing_checks_are_those_of_the_table(instance: DagsterInstance) -> None:
    def observe(subject: str, severity: Severity | None) -> Observation:
        return Observation(subject=subject, resource="", at=0.0, severity=severity, report=Report(title="", summary=""))

    seen = [
        observe("invoicing/taxes:primary_key_is_unique", Severity.ERROR),
        observe("invoicing/taxes:is_fresh", None),
        observe("invoicing/users:is_fresh", Severity.WARN),
        observe("step:load_taxes", Severity.ERROR),
    ]

    assert read(instance, *seen).failing_checks == ("primary_key_is_unique",)


def test_the_next_load_is_the_first_tick_of_any_schedule_that_is_on(instance: DagsterInstance) -> None:
    settings = Settings(automation=True)

    assert read(instance, settings=settings).next_load_at == datetime(2026, 3, 10, 1, 30, tzinfo=UTC)
    assert read(instance, spec=INVOICES, settings=settings).next_load_at == datetime(2026, 3, 9, 12, 5, tzinfo=UTC)


def switch(instance: DagsterInstance, name: str, status: InstigatorStatus) -> None:
    """What the UI does with a schedule's switch."""
    location = RegisteredCodeLocationOrigin("invoice_assets")
    origin = RemoteInstigatorOrigin(RemoteRepositoryOrigin(location, "__repository__"), name)
    data = ScheduleInstigatorData("30 1 * * *", NOON.timestamp())
    instance.add_instigator_state(InstigatorState(origin, InstigatorType.SCHEDULE, status, data))


def test_a_schedule_is_on_or_off_as_it_was_switched_in_the_ui(instance: DagsterInstance) -> None:
    switch(instance, "snapshot_reference", InstigatorStatus.RUNNING)
    assert read(instance).next_load_at == datetime(2026, 3, 10, 1, 30, tzinfo=UTC)

    switch(instance, "catch_up_transactions", InstigatorStatus.STOPPED)
    switch(instance, "refresh_today", InstigatorStatus.STOPPED)

    status = read(instance, spec=INVOICES, settings=Settings(automation=True))
    assert status.next_load_at == datetime(2026, 3, 15, 3, 0, tzinfo=UTC)


def test_a_schedule_that_only_checks_loads_nothing(instance: DagsterInstance) -> None:
    settings = Settings(automation=True, cron_checks="1 12 * * *")
    repository = build_definitions(settings).get_repository_def()

    assert find_next_ticks(instance, repository, now=NOON)[build_asset_key(TAXES)].hour == 1
