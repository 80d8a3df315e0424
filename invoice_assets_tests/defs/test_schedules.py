from datetime import date, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

import pytest
from dagster import (
    AssetKey,
    AssetMaterialization,
    DagsterInstance,
    DefaultScheduleStatus,
    Definitions,
    RunRequest,
    ScheduleDefinition,
    build_schedule_context,
)

from invoice_assets.catalog import RESOURCES
from invoice_assets.definitions import build_definitions
from invoice_assets.defs.load_metadata import COMPLETE_PARTITION
from invoice_assets.defs.schedules import RANGE_END_TAG, RANGE_START_TAG, find_wrong_crons
from invoice_assets.settings import Settings
from invoice_assets.variables import SettingsError

TRANSACTIONS = [AssetKey(["invoicing", n]) for n in ("invoices", "customer_payments", "credit_notes", "expenses")]
NEW_YORK = "America/New_York"
ZONES = pytest.mark.parametrize("zone", [NEW_YORK, "Asia/Kolkata", "UTC"])


def schedules(settings: Settings) -> dict[str, ScheduleDefinition]:
    return {schedule.name: schedule for schedule in build_definitions(settings).get_repository_def().schedule_defs}


@cache
def define(settings: Settings) -> Definitions:
    """The definitions of a code location, which outlives many ticks."""
    return build_definitions(settings)


def tick(name: str, instance: DagsterInstance, at: datetime, settings: Settings) -> list[RunRequest]:
    """What a schedule asks for at an instant; nothing where it skips."""
    definitions = define(settings)
    context = build_schedule_context(
        instance=instance, scheduled_execution_time=at, repository_def=definitions.get_repository_def()
    )
    return list(definitions.resolve_schedule_def(name).evaluate_tick(context).run_requests or [])


def ranges(requests: list[RunRequest]) -> list[tuple[str, str]]:
    return [(request.tags[RANGE_START_TAG], request.tags[RANGE_END_TAG]) for request in requests]


def report_loaded(instance: DagsterInstance, *days: str, complete: bool = True) -> None:
    for key in TRANSACTIONS:
        for day in days:
            metadata = {COMPLETE_PARTITION: complete}
            instance.report_runless_asset_event(AssetMaterialization(key, partition=day, metadata=metadata))


def at(day: str, clock: str, zone: str) -> datetime:
    return datetime.fromisoformat(f"{day}T{clock}").replace(tzinfo=ZoneInfo(zone))


@ZONES
@pytest.mark.parametrize("change", ["2026-03-08", "2026-11-01"], ids=["to daylight saving time", "from it"])
def test_every_day_around_a_clock_change_is_asked_for_once(instance: DagsterInstance, zone: str, change: str) -> None:
    first = date.fromisoformat(change) - timedelta(days=2)
    settings = Settings(time_zone=zone, start_date=first)
    days = [(first + timedelta(days=n)).isoformat() for n in range(5)]

    asked = []
    for day in days:
        following = (date.fromisoformat(day) + timedelta(days=1)).isoformat()
        asked += ranges(tick("catch_up_transactions", instance, at(following, "00:10", zone), settings))
        report_loaded(instance, day)

    assert asked == [(day, day) for day in days]


@ZONES
@pytest.mark.parametrize("change", ["2026-03-08", "2026-11-01"], ids=["to daylight saving time", "from it"])
def test_every_hour_of_a_clock_change_refreshes_its_own_day(zone: str, change: str) -> None:
    settings = Settings(time_zone=zone, start_date=date(2026, 1, 1))
    midnight = at(change, "00:05", zone)
    ticks = [datetime.fromtimestamp(midnight.timestamp() + 3600 * n, ZoneInfo(zone)) for n in range(-2, 27)]

    with DagsterInstance.ephemeral() as instance:
        requests = [(moment, tick("refresh_today", instance, moment, settings)) for moment in ticks]

    assert [ranges(asked) for _, asked in requests] == [[(str(moment.date()),) * 2] for moment, _ in requests]
    assert len({asked[0].run_key for _, asked in requests}) == len(ticks)


def test_missed_days_are_caught_up_in_one_run(instance: DagsterInstance) -> None:
    settings = Settings(time_zone=NEW_YORK, start_date=date(2026, 3, 1))
    report_loaded(instance, "2026-03-01", "2026-03-02")

    requests = tick("catch_up_transactions", instance, at("2026-03-10", "00:10", NEW_YORK), settings)

    assert ranges(requests) == [("2026-03-03", "2026-03-09")]


def test_a_day_that_was_loaded_before_it_was_over_is_missing(instance: DagsterInstance) -> None:
    """The hourly schedule had loaded it in the morning; then the daemon was down for two days."""
    settings = Settings(time_zone=NEW_YORK, start_date=date(2026, 3, 1))
    report_loaded(instance, "2026-03-01", "2026-03-02")
    report_loaded(instance, "2026-03-03", complete=False)

    requests = tick("catch_up_transactions", instance, at("2026-03-06", "00:10", NEW_YORK), settings)

    assert ranges(requests) == [("2026-03-03", "2026-03-05")]


def test_a_day_that_one_asset_lacks_is_asked_for_all(instance: DagsterInstance) -> None:
    settings = Settings(start_date=date(2026, 3, 1))
    report_loaded(instance, "2026-03-01", "2026-03-03", "2026-03-04")
    for key in TRANSACTIONS[1:]:
        instance.report_runless_asset_event(
            AssetMaterialization(key, partition="2026-03-02", metadata={COMPLETE_PARTITION: True})
        )

    requests = tick("catch_up_transactions", instance, at("2026-03-05", "00:10", "UTC"), settings)

    assert ranges(requests) == [("2026-03-02", "2026-03-04")]


def test_yesterday_is_asked_for_even_where_it_was_loaded(instance: DagsterInstance) -> None:
    settings = Settings(start_date=date(2026, 3, 1))
    report_loaded(instance, "2026-03-01", "2026-03-02")

    requests = tick("catch_up_transactions", instance, at("2026-03-03", "00:10", "UTC"), settings)

    assert ranges(requests) == [("2026-03-02", "2026-03-02")]


def test_only_the_last_days_are_searched_for_missing_ones(instance: DagsterInstance) -> None:
    settings = Settings(start_date=date(2026, 1, 1), catch_up_days=7)

    requests = tick("catch_up_transactions", instance, at("2026-03-10", "00:10", "UTC"), settings)

    assert ranges(requests) == [("2026-03-03", "2026-03-09")]


def test_before_the_first_day_is_over_nothing_is_asked_for(instance: DagsterInstance) -> None:
    settings = Settings(start_date=date(2026, 3, 1))

    assert tick("catch_up_transactions", instance, at("2026-03-01", "00:10", "UTC"), settings) == []


def test_a_reconciliation_is_one_run_per_resource_over_everything(instance: DagsterInstance) -> None:
    settings = Settings(time_zone=NEW_YORK, start_date=date(2026, 1, 1))

    requests = tick("reconcile_transactions", instance, at("2026-03-08", "03:00", NEW_YORK), settings)

    assert ranges(requests) == [("2026-01-01", "2026-03-08")] * 4
    assert [request.asset_selection for request in requests] == [[key] for key in TRANSACTIONS]
    assert len({request.run_key for request in requests}) == 4


def test_a_snapshot_reads_the_reference_resources_without_a_partition(instance: DagsterInstance) -> None:
    (request,) = tick("snapshot_reference", instance, at("2026-03-08", "01:30", "UTC"), Settings())

    assert RANGE_START_TAG not in request.tags
    job = build_definitions(Settings()).resolve_job_def("load_reference")
    assert {key.path[-1] for key in job.asset_layer.selected_asset_keys} == RESOURCES.keys() - {
        key.path[-1] for key in TRANSACTIONS
    }


@pytest.mark.parametrize(
    ("automation", "status"),
    [(False, DefaultScheduleStatus.STOPPED), (True, DefaultScheduleStatus.RUNNING)],
    ids=["off", "on"],
)
def test_schedules_start_switched_on_only_where_the_settings_say_so(
    automation: bool, status: DefaultScheduleStatus
) -> None:
    found = schedules(Settings(automation=automation))

    assert {schedule.default_status for schedule in found.values()} == {status}
    assert set(found) == {
        "catch_up_transactions",
        "refresh_today",
        "snapshot_reference",
        "reconcile_transactions",
        "recheck_tables",
    }


def test_cron_and_time_zone_come_from_the_settings() -> None:
    found = schedules(Settings(time_zone="Asia/Kolkata", cron_snapshot="0 4 * * *"))

    assert found["snapshot_reference"].cron_schedule == "0 4 * * *"
    assert {schedule.execution_timezone for schedule in found.values()} == {"Asia/Kolkata"}


def test_a_cron_that_is_none_is_told_with_its_variable() -> None:
    settings = Settings(cron_today="hourly", cron_purge="61 * * * *")

    problems = list(find_wrong_crons(settings))

    assert [problem.variable for problem in problems] == ["INVOICE_CRON_TODAY", "INVOICE_CRON_PURGE"]
    with pytest.raises(SettingsError, match=r"INVOICE_CRON_TODAY is 'hourly': set it to five fields, such as 5 "):
        build_definitions(settings)
