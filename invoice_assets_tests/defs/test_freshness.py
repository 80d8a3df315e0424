from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from dagster import DagsterInstance

from invoice_assets.catalog import EXPENSES, TAXES
from invoice_assets.defs.claims import ERROR, WARN, Verdict
from invoice_assets.defs.freshness import find_due_loads, judge_freshness
from invoice_assets.ingest.windows import COMPLETE, Window
from invoice_assets.resource_spec import ResourceSpec
from invoice_assets.settings import Settings
from invoice_assets_tests.defs.told_loads import report_load

SETTINGS = Settings(cron_today="5 * * * *", cron_snapshot="30 1 * * *", freshness_grace_minutes=60)
IN_NEW_YORK = Settings(
    cron_today="5 * * * *", cron_snapshot="30 1 * * *", freshness_grace_minutes=60, time_zone="America/New_York"
)
TODAY = Window(start=datetime(2026, 3, 10, tzinfo=UTC))
SHORTLY_AFTER = timedelta(seconds=10)


@pytest.fixture
def instance() -> Iterator[DagsterInstance]:
    """An instance that remembers nothing."""
    with DagsterInstance.ephemeral() as fresh:
        yield fresh


def at(month: int, day: int, hour: int = 0, minute: int = 0, second: int = 0) -> datetime:
    return datetime(2026, month, day, hour, minute, second, tzinfo=UTC)


def judge(
    instance: DagsterInstance, now: datetime, *, spec: ResourceSpec = EXPENSES, settings: Settings = SETTINGS
) -> Verdict:
    return judge_freshness(spec, instance=instance, settings=settings, now=now)


def outcome(verdict: Verdict) -> str:
    return verdict.severity.value if verdict.offences else "fresh"


def test_a_table_that_was_never_loaded_fails(instance: DagsterInstance) -> None:
    verdict = judge(instance, at(3, 10, 12))

    assert outcome(verdict) == "ERROR"
    assert [(o.what, o.says) for o in verdict.offences] == [
        ("expenses", "was never loaded, as far as this Dagster instance knows")
    ]


HOURLY = pytest.mark.parametrize(
    ("now", "expected"),
    [
        pytest.param((10, 30), "fresh", id="in the hour of its load"),
        pytest.param((11, 5), "fresh", id="when the next load is due"),
        pytest.param((12, 4, 59), "fresh", id="while the next load may take its time"),
        pytest.param((12, 5), "WARN", id="when the next load should be done"),
        pytest.param((13, 4, 59), "WARN", id="while the one after it may take its time"),
        pytest.param((13, 5), "ERROR", id="when that one should be done too"),
        pytest.param((23, 59), "ERROR", id="at the end of the day"),
    ],
)


@HOURLY
def test_an_hourly_table_that_misses_a_load_warns_and_one_that_misses_two_fails(
    instance: DagsterInstance, now: tuple[int, ...], expected: str
) -> None:
    report_load(instance, at(3, 10, 10, 5) + SHORTLY_AFTER, window=TODAY, spec=EXPENSES)

    assert outcome(judge(instance, at(3, 10, *now))) == expected


def test_without_grace_a_load_is_missed_when_it_is_due(instance: DagsterInstance) -> None:
    report_load(instance, at(3, 10, 10, 5) + SHORTLY_AFTER, window=TODAY, spec=EXPENSES)
    settings = Settings(cron_today="5 * * * *", freshness_grace_minutes=0)

    assert outcome(judge(instance, at(3, 10, 11, 4), settings=settings)) == "fresh"
    assert outcome(judge(instance, at(3, 10, 11, 5), settings=settings)) == "WARN"


def test_a_late_table_says_how_far_it_reaches_and_what_was_due(instance: DagsterInstance) -> None:
    report_load(instance, at(3, 10, 10, 5) + SHORTLY_AFTER, window=TODAY, spec=EXPENSES)

    verdict = judge(instance, at(3, 10, 12, 35), settings=IN_NEW_YORK)

    (late,) = verdict.offences
    assert late.what == "expenses"
    assert late.says == (
        "follows the source up to 2026-03-10 10:05 UTC, 2.5 hours ago; a load was due at 2026-03-10 07:05 EDT"
    )
    assert verdict.numbers == {"hours_behind": 2.5}


def test_a_fresh_table_has_a_number_to_plot_too(instance: DagsterInstance) -> None:
    report_load(instance, at(3, 10, 10, 5), window=TODAY, spec=EXPENSES)

    assert judge(instance, at(3, 10, 10, 20)).numbers == {"hours_behind": 0.25}


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        pytest.param((11, 2, 29), "fresh", id="while the next load may take its time"),
        pytest.param((11, 2, 30), "WARN", id="when it should be done"),
        pytest.param((12, 2, 29), "WARN", id="while the one after it may take its time"),
        pytest.param((12, 2, 30), "ERROR", id="when that one should be done too"),
    ],
)
def test_a_reference_table_is_due_when_its_snapshot_is(
    instance: DagsterInstance, now: tuple[int, ...], expected: str
) -> None:
    report_load(instance, at(3, 10, 1, 30) + SHORTLY_AFTER, spec=TAXES)

    assert outcome(judge(instance, at(3, *now), spec=TAXES)) == expected


def test_a_complete_read_of_a_transaction_table_is_as_good_as_today_s(instance: DagsterInstance) -> None:
    report_load(instance, at(3, 10, 10, 5) + SHORTLY_AFTER, window=COMPLETE, spec=EXPENSES)

    assert outcome(judge(instance, at(3, 10, 11, 30))) == "fresh"


def test_loading_an_old_partition_again_makes_no_table_fresh(instance: DagsterInstance) -> None:
    report_load(instance, at(3, 10, 8, 5) + SHORTLY_AFTER, window=TODAY, spec=EXPENSES)
    report_load(
        instance, at(3, 10, 12, 30), window=Window(start=at(2, 1), end=at(2, 2)), spec=EXPENSES, partition="2026-02-01"
    )

    verdict = judge(instance, at(3, 10, 12, 45))

    assert outcome(verdict) == "ERROR"
    assert verdict.numbers == {"hours_behind": 4.66}


def test_a_partition_that_was_over_covers_no_more_than_its_day(instance: DagsterInstance) -> None:
    report_load(instance, at(3, 10, 0, 10), window=Window(start=at(3, 9), end=at(3, 10)), spec=EXPENSES)

    assert judge(instance, at(3, 10, 6)).numbers == {"hours_behind": 6}


def test_another_table_s_load_freshens_nothing(instance: DagsterInstance) -> None:
    report_load(instance, at(3, 10, 10, 5), spec=TAXES)

    assert outcome(judge(instance, at(3, 10, 10, 6))) == "ERROR"


@pytest.mark.parametrize(
    ("spec", "now", "due", "due_before"),
    [
        pytest.param(
            EXPENSES, (3, 8, 8, 10), (3, 8, 7, 5), (3, 8, 6, 5), id="hourly, over the hour that is left out in spring"
        ),
        pytest.param(EXPENSES, (11, 1, 7, 10), (11, 1, 6, 5), (11, 1, 5, 5), id="hourly, in the hour that comes twice"),
        pytest.param(TAXES, (3, 8, 12), (3, 8, 6, 30), (3, 7, 6, 30), id="daily, on the day that is short"),
        pytest.param(TAXES, (3, 9, 12), (3, 9, 5, 30), (3, 8, 6, 30), id="daily, on the day after it"),
        pytest.param(TAXES, (11, 1, 7), (10, 31, 5, 30), (10, 30, 5, 30), id="daily, before the second half past one"),
        pytest.param(TAXES, (11, 1, 7, 30), (11, 1, 6, 30), (10, 31, 5, 30), id="daily, after it"),
        pytest.param(TAXES, (11, 2, 12), (11, 2, 6, 30), (11, 1, 6, 30), id="daily, on the day after it"),
    ],
)
def test_loads_are_due_when_the_clock_says_so_whatever_was_done_to_the_clock(
    spec: ResourceSpec, now: Any, due: Any, due_before: Any
) -> None:
    found = find_due_loads(spec, settings=IN_NEW_YORK, now=at(*now))

    assert tuple(instant.astimezone(UTC) for instant in found) == (at(*due), at(*due_before))


@pytest.mark.parametrize("night", [(3, 8), (11, 1)], ids=["the hour that is left out", "the hour that comes twice"])
def test_a_change_of_the_clocks_makes_no_table_late(instance: DagsterInstance, night: tuple[int, int]) -> None:
    """Every hour has its load; at no minute of the night is one missed, nor is one forgiven that is."""
    last = at(*night, 7, 5) + SHORTLY_AFTER
    for hour in range(4, 8):
        report_load(instance, at(*night, hour, 5) + SHORTLY_AFTER, window=TODAY, spec=EXPENSES)

    outcomes = {
        minutes: outcome(judge(instance, last + timedelta(minutes=minutes), settings=IN_NEW_YORK))
        for minutes in (0, 55, 119, 120, 179, 180)
    }

    assert outcomes == {0: "fresh", 55: "fresh", 119: "fresh", 120: "WARN", 179: "WARN", 180: "ERROR"}


def test_a_late_verdict_is_milder_than_a_failed_one(instance: DagsterInstance) -> None:
    report_load(instance, at(3, 10, 10, 5), window=TODAY, spec=EXPENSES)

    assert judge(instance, at(3, 10, 12, 30)).severity is WARN
    assert judge(instance, at(3, 10, 13, 30)).severity is ERROR
