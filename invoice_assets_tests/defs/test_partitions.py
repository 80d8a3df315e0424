from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from dagster import DailyPartitionsDefinition
from dagster._core.storage.tags import PARTITION_NAME_TAG

from invoice_assets.defs.partitions import build_partitions, count_by_partition, cover, find_selected_keys
from invoice_assets.ingest.windows import COMPLETE, Window
from invoice_assets.resource_spec import Cadence
from invoice_assets.settings import Settings
from invoice_assets_tests.runs import select_partitions

NEW_YORK = ZoneInfo("America/New_York")


def partitions_in(zone: str, start: date = date(2026, 1, 1)) -> DailyPartitionsDefinition:
    partitions = build_partitions(Cadence.TRANSACTIONS, Settings(time_zone=zone, start_date=start))
    assert partitions is not None
    return partitions


def test_reference_resources_have_no_partitions() -> None:
    assert build_partitions(Cadence.REFERENCE, Settings()) is None


@pytest.mark.parametrize(
    ("zone", "spring_h", "autumn_h"),
    [("America/New_York", 23, 25), ("Asia/Kolkata", 24, 24), ("UTC", 24, 24)],
    ids=["New York", "Kolkata", "UTC"],
)
def test_days_follow_one_another_without_gap_or_overlap_all_year(zone: str, spring_h: int, autumn_h: int) -> None:
    partitions = partitions_in(zone)
    keys = partitions.get_partition_keys(current_time=datetime(2026, 12, 31, 12, tzinfo=UTC))

    windows = [partitions.time_window_for_partition_key(key) for key in keys]

    assert all(earlier.end == later.start for earlier, later in pairwise(windows))
    hours = {key: (w.end.timestamp() - w.start.timestamp()) / 3600 for key, w in zip(keys, windows, strict=True)}
    assert (hours["2026-03-08"], hours["2026-11-01"]) == (spring_h, autumn_h)
    assert sorted(set(hours.values()) - {spring_h, autumn_h}) in ([], [24.0])


def test_todays_partition_exists_and_has_no_end() -> None:
    now = datetime(2026, 3, 8, 12, tzinfo=UTC)
    partitions = partitions_in("America/New_York")

    window = cover(partitions, ["2026-03-08"], now=now)

    assert "2026-03-08" in partitions.get_partition_keys(current_time=now)
    assert window == Window(start=datetime(2026, 3, 8, tzinfo=NEW_YORK), end=None)


def test_the_first_partition_has_no_start() -> None:
    window = cover(partitions_in("UTC"), ["2026-01-01"], now=datetime(2026, 2, 1, tzinfo=UTC))

    assert window == Window(start=None, end=datetime(2026, 1, 2, tzinfo=UTC))


def test_all_partitions_together_are_a_complete_read() -> None:
    now = datetime(2026, 1, 3, 12, tzinfo=UTC)

    assert cover(partitions_in("UTC"), ["2026-01-01", "2026-01-02", "2026-01-03"], now=now) == COMPLETE


def test_rows_are_counted_in_the_day_of_the_zone_and_early_ones_in_the_first() -> None:
    partitions = partitions_in("Asia/Kolkata", start=date(2026, 1, 2))
    midnight = datetime(2026, 1, 3, tzinfo=ZoneInfo("Asia/Kolkata")).astimezone(UTC)
    rows = {midnight - timedelta(minutes=15): 3, midnight: 5, datetime(2020, 1, 1, tzinfo=UTC): 7}

    counts = count_by_partition(partitions, ["2026-01-02", "2026-01-03", "2026-01-04"], rows)

    assert counts == {"2026-01-02": 10, "2026-01-03": 5, "2026-01-04": 0}


@pytest.mark.parametrize(
    ("tags", "keys"),
    [
        pytest.param({PARTITION_NAME_TAG: "2026-01-02"}, ["2026-01-02"], id="one partition"),
        pytest.param(
            select_partitions("2026-01-01", "2026-01-03"), ["2026-01-01", "2026-01-02", "2026-01-03"], id="all"
        ),
        pytest.param(select_partitions("2026-01-03", "2026-01-03"), ["2026-01-03"], id="today"),
        pytest.param(select_partitions("2026-01-02", "2026-01-04"), [], id="past today"),
        pytest.param(select_partitions("2025-12-31", "2026-01-02"), [], id="before the first"),
        pytest.param({PARTITION_NAME_TAG: "of another asset"}, [], id="an unheard-of one"),
        pytest.param({}, [], id="none"),
    ],
)
def test_the_partitions_of_a_run_are_those_that_its_tags_name(tags: dict[str, str], keys: list[str]) -> None:
    now = datetime(2026, 1, 3, 12, tzinfo=UTC)

    assert find_selected_keys(partitions_in("UTC"), tags, now=now) == keys
