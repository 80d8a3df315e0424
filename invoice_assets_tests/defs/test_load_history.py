from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from dagster import DagsterInstance

from invoice_assets.catalog import TAXES, USERS
from invoice_assets.defs import load_history
from invoice_assets.defs.load_history import RECORDS_A_PAGE, LoadHistory, find_coverage, find_loads, iterate_loads
from invoice_assets.defs.translator import build_asset_key
from invoice_assets.ingest.windows import Window
from invoice_assets_tests.defs.told_loads import report_load, report_metadata

ASSET = build_asset_key(TAXES)
MONDAY = datetime(2026, 3, 9, 3, 0, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
MONTH_AGO = Window(start=MONDAY - 30 * DAY, end=MONDAY - 29 * DAY)
TODAY = Window(start=datetime(2026, 3, 9, tzinfo=UTC))


@pytest.fixture
def instance() -> Iterator[DagsterInstance]:
    """An instance that remembers nothing."""
    with DagsterInstance.ephemeral() as fresh:
        yield fresh


def test_without_a_load_nothing_is_known(instance: DagsterInstance) -> None:
    history = find_loads(instance, ASSET)

    assert history == LoadHistory()
    assert find_coverage(instance, ASSET) is None


def test_the_last_load_and_the_last_complete_one_are_found(instance: DagsterInstance) -> None:
    report_load(instance, MONDAY - DAY, rows=[{"tax_id": "old"}, {"tax_id": "older"}])
    report_load(instance, MONDAY, rows=[{"tax_id": "1"}, {"tax_id": "2"}, {"tax_id": "3"}])
    report_load(instance, MONDAY + HOUR, window=TODAY)
    report_load(instance, MONDAY + 2 * HOUR, window=TODAY, rows=[{"tax_id": "1"}])

    history = find_loads(instance, ASSET)

    assert history.last is not None
    assert history.last_complete is not None
    assert (history.last.started_at, history.last.source_rows) == (MONDAY + 2 * HOUR, 1)
    assert (history.last_complete.started_at, history.last_complete.source_rows) == (MONDAY, 3)


def test_a_complete_load_can_be_the_last(instance: DagsterInstance) -> None:
    report_load(instance, MONDAY - HOUR, window=TODAY)
    report_load(instance, MONDAY)

    history = find_loads(instance, ASSET)

    assert history.last is history.last_complete
    assert history.last is not None
    assert history.last.started_at == MONDAY


def test_a_new_column_has_the_type_that_the_last_load_saw_or_else_the_last_complete_one(
    instance: DagsterInstance,
) -> None:
    report_load(instance, MONDAY, rows=[{"tax_id": "1", "colour": 7, "shape": "round"}])
    report_load(instance, MONDAY + HOUR, window=TODAY, rows=[{"tax_id": "1", "colour": "red"}])

    assert find_loads(instance, ASSET).name_new_columns() == {"colour": "string", "shape": "string"}


def test_the_loads_of_another_asset_are_not_its_own(instance: DagsterInstance) -> None:
    report_load(instance, MONDAY, spec=USERS)

    assert find_loads(instance, ASSET) == LoadHistory()
    assert find_coverage(instance, ASSET) is None


def test_a_complete_load_is_found_beyond_a_page_of_records(instance: DagsterInstance) -> None:
    report_load(instance, MONDAY, rows=[{"tax_id": "1"}])
    for n in range(RECORDS_A_PAGE + 1):
        report_load(instance, MONDAY + n * HOUR, window=TODAY)

    history = find_loads(instance, ASSET)

    assert history.last is not None
    assert history.last.started_at == MONDAY + RECORDS_A_PAGE * HOUR
    assert history.last_complete is not None
    assert history.last_complete.source_rows == 1


def test_every_load_comes_once_and_the_latest_first(instance: DagsterInstance) -> None:
    hours = range(2 * RECORDS_A_PAGE)
    for n in hours:
        report_load(instance, MONDAY + n * HOUR, window=TODAY)

    started = [facts.started_at for facts in iterate_loads(instance, ASSET)]

    assert started == [MONDAY + n * HOUR for n in reversed(hours)]


def test_the_search_ends_somewhere(instance: DagsterInstance, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load_history, "MAX_RECORDS", RECORDS_A_PAGE)
    report_load(instance, MONDAY)
    for n in range(RECORDS_A_PAGE):
        report_load(instance, MONDAY + n * HOUR, window=MONTH_AGO)

    assert find_loads(instance, ASSET).last_complete is None
    assert find_coverage(instance, ASSET) == MONTH_AGO.end


def test_a_range_of_partitions_is_one_load_whose_last_partition_knows_it(instance: DagsterInstance) -> None:
    days = [f"2026-03-{day:02}" for day in range(1, 9)]
    for day in days[:-1]:
        report_metadata(instance, {"dagster/partition_row_count": 1, "partition_is_complete": True}, partition=day)
    report_load(instance, MONDAY, rows=[{"tax_id": "1"}], partition=days[-1])

    history = find_loads(instance, ASSET)

    assert history.last is history.last_complete
    assert history.last is not None
    assert history.last.source_rows == 1
    assert len(list(iterate_loads(instance, ASSET))) == 1


def test_materializations_that_are_no_loads_are_passed_over(instance: DagsterInstance) -> None:
    """Somebody reports one by hand, or the load is of a version before there were facts."""
    report_load(instance, MONDAY)
    report_metadata(instance, {"rows_loaded": 3, "new_columns": {}})
    report_metadata(instance, {})

    history = find_loads(instance, ASSET)

    assert history.last is not None
    assert history.last.started_at == find_coverage(instance, ASSET) == MONDAY


@pytest.mark.parametrize(
    ("window", "reached"),
    [
        pytest.param(Window(), MONDAY, id="a complete read reaches to its start"),
        pytest.param(TODAY, MONDAY, id="and so does one to the present"),
        pytest.param(MONTH_AGO, MONTH_AGO.end, id="an old partition reaches to its end"),
        pytest.param(Window(end=MONTH_AGO.end), MONTH_AGO.end, id="the first partition reaches to its end"),
    ],
)
def test_a_load_reaches_to_where_it_read(instance: DagsterInstance, window: Window, reached: datetime) -> None:
    report_load(instance, MONDAY, window=window)

    assert find_coverage(instance, ASSET) == reached


def test_loading_an_old_partition_again_neither_freshens_nor_ages_the_table(instance: DagsterInstance) -> None:
    report_load(instance, MONDAY, window=TODAY)
    report_load(instance, MONDAY + 5 * HOUR, window=MONTH_AGO)

    assert find_coverage(instance, ASSET) == MONDAY


def test_a_backfill_day_by_day_hides_no_load_to_the_present(instance: DagsterInstance) -> None:
    report_load(instance, MONDAY, window=TODAY)
    for n in range(RECORDS_A_PAGE + 1):
        start = MONDAY - (n + 2) * DAY
        report_load(instance, MONDAY + HOUR, window=Window(start=start, end=start + DAY))

    assert find_coverage(instance, ASSET) == MONDAY


def test_of_partitions_alone_the_latest_counts_in_whatever_order_they_came(instance: DagsterInstance) -> None:
    yesterday = Window(start=MONDAY - 2 * DAY, end=MONDAY - DAY)
    report_load(instance, MONDAY, window=yesterday)
    report_load(instance, MONDAY + HOUR, window=MONTH_AGO)

    assert find_coverage(instance, ASSET) == yesterday.end
