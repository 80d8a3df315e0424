from datetime import UTC, datetime

from dlt.pipeline.pipeline import Pipeline

from invoice_assets.ingest.counting import count_rows, count_rows_by_modification
from invoice_assets_tests.ingest.stored import THINGS, create_table, thing

GONE = "2026-03-09T03:00:00+00:00"


def test_a_table_that_is_not_there_has_no_rows(pipeline: Pipeline) -> None:
    assert count_rows(pipeline, THINGS) == 0


def test_an_empty_table_has_no_rows(pipeline: Pipeline) -> None:
    create_table(pipeline, THINGS)

    assert count_rows(pipeline, THINGS) == 0
    assert count_rows_by_modification(pipeline, THINGS) == {}


def test_only_rows_that_the_source_still_has_are_counted(pipeline: Pipeline) -> None:
    create_table(pipeline, THINGS, thing("1"), thing("2"), thing("3", deleted_at=GONE))

    assert count_rows(pipeline, THINGS) == 2


def test_rows_are_counted_by_the_quarter_of_an_hour_in_which_they_changed(pipeline: Pipeline) -> None:
    stamps = [
        "2026-03-08T04:44:59.999999+00:00",
        "2026-03-08T04:45:00+00:00",
        "2026-03-08T10:29:59+05:30",
        "2026-03-08T05:00:00+00:00",
    ]
    create_table(pipeline, THINGS, *(thing(str(n), last_modified_time=stamp) for n, stamp in enumerate(stamps)))

    assert count_rows_by_modification(pipeline, THINGS) == {
        datetime(2026, 3, 8, 4, 30, tzinfo=UTC): 1,
        datetime(2026, 3, 8, 4, 45, tzinfo=UTC): 2,
        datetime(2026, 3, 8, 5, 0, tzinfo=UTC): 1,
    }


def test_rows_that_are_gone_or_bear_no_stamp_belong_to_no_quarter(pipeline: Pipeline) -> None:
    create_table(pipeline, THINGS, thing("1", deleted_at=GONE), thing("2", last_modified_time=None))

    assert count_rows_by_modification(pipeline, THINGS) == {}
