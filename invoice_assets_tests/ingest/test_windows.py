from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from invoice_assets.ingest.windows import COMPLETE, Window, format_instant, parse_instant

NEW_YORK = ZoneInfo("America/New_York")


@pytest.mark.parametrize(
    ("instant", "stamp"),
    [
        pytest.param(datetime(2026, 6, 9, 9, 46, 21, tzinfo=NEW_YORK), "2026-06-09T09:46:21-0400", id="summer"),
        pytest.param(datetime(2026, 1, 9, tzinfo=NEW_YORK), "2026-01-09T00:00:00-0500", id="winter"),
        pytest.param(datetime(2026, 1, 9, tzinfo=ZoneInfo("Asia/Kolkata")), "2026-01-09T00:00:00+0530", id="Kolkata"),
        pytest.param(datetime(2026, 1, 9, tzinfo=UTC), "2026-01-09T00:00:00+0000", id="UTC, never Z"),
    ],
)
def test_an_instant_is_written_in_the_one_form_that_the_api_takes(instant: datetime, stamp: str) -> None:
    assert format_instant(instant) == stamp
    assert parse_instant(stamp) == instant


def test_a_window_is_asked_for_from_a_little_before_its_start() -> None:
    window = Window(start=datetime(2026, 3, 8, tzinfo=NEW_YORK))

    assert window.asks_from == "2026-03-07T23:55:00-0500"


def test_a_window_is_read_from_where_it_is_asked_for() -> None:
    window = Window(start=datetime(2026, 3, 8, tzinfo=NEW_YORK))

    assert window.reads_from == datetime(2026, 3, 8, 4, 55, tzinfo=UTC)


def test_a_window_is_read_from_five_minutes_before_it_where_the_clock_goes_back_at_midnight() -> None:
    """Loads compute in the zone, checks in UTC: an hour between the two made a check miss rows that are there."""
    start = datetime(2026, 10, 30, tzinfo=ZoneInfo("Africa/Cairo"))
    window = Window(start=start)

    assert window.reads_from is not None
    assert window.reads_from.astimezone(UTC) == start.astimezone(UTC) - timedelta(minutes=5)


def test_a_window_without_a_start_is_read_from_the_beginning() -> None:
    window = Window(end=datetime(2026, 3, 8, tzinfo=UTC))

    assert window.reads_from is None
    assert window.asks_from is None


def test_a_window_ends_with_its_last_second() -> None:
    window = Window(end=datetime(2026, 3, 9, tzinfo=NEW_YORK))

    assert not window.ends_before("2026-03-09T03:59:59+0000")
    assert window.ends_before("2026-03-09T04:00:00+0000")


def test_only_a_window_without_bounds_is_complete() -> None:
    assert COMPLETE.is_complete
    assert COMPLETE.asks_from is None
    assert not Window(start=datetime(2026, 3, 8, tzinfo=UTC)).is_complete
    assert not Window(end=datetime(2026, 3, 8, tzinfo=UTC)).is_complete
