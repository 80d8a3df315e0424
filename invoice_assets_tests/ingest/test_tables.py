from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import dlt
import pytest
from dlt.pipeline.pipeline import Pipeline

from invoice_assets.ingest.pipeline import open_pipeline
from invoice_assets.ingest.tables import StoredTable, open_tables
from invoice_assets.resource_spec import DELETED_AT
from invoice_assets_tests.ingest.stored import THINGS, create_table, thing

OTHERS = replace(THINGS, name="others")


def select(table: StoredTable, expression: str) -> list[object]:
    """What an expression gives in the table's rows, in their order by the name."""
    return [row[0] for row in table.query(f"SELECT {expression} FROM {table.name} ORDER BY {table.quote('name')}")]


def test_the_tables_come_in_the_order_that_was_asked_for_and_none_where_there_is_none(pipeline: Pipeline) -> None:
    create_table(pipeline, THINGS)
    create_table(pipeline, OTHERS)

    with open_tables(pipeline, OTHERS, replace(THINGS, name="nothing"), THINGS) as tables:
        assert [table and table.spec.name for table in tables] == ["others", None, "things"]


def test_one_table_can_be_asked_for_twice(pipeline: Pipeline) -> None:
    create_table(pipeline, THINGS)

    with open_tables(pipeline, THINGS, THINGS) as tables:
        assert [table and table.spec.name for table in tables] == ["things", "things"]


def test_a_column_is_there_with_its_type_or_not_at_all(pipeline: Pipeline) -> None:
    create_table(pipeline, THINGS, types={"total": "DECIMAL(20, 2)", "date": "TEXT"}, without=["note"])

    with open_tables(pipeline, THINGS) as (table,):
        assert table is not None
        assert (table.types["total"], table.types["date"]) == ("decimal(20, 2)", "text")
        absent = {column.name for column in THINGS.columns if not table.has(column)}
        assert absent == {"total", "date", "note"}


def test_a_value_is_null_where_it_is_missing(pipeline: Pipeline) -> None:
    create_table(
        pipeline,
        THINGS,
        thing("1", name="a"),
        thing("", name="b", total=None),
        thing(None, name="c", total="0"),
        without=["note"],
    )

    with open_tables(pipeline, THINGS) as (table,):
        assert table is not None
        assert select(table, table.key) == ["1", None, None]
        assert select(table, table.value(THINGS.column("total"))) == [10, None, 0]
        assert select(table, table.value(THINGS.column("note"))) == [None, None, None]


def test_a_row_is_live_until_it_is_marked(pipeline: Pipeline) -> None:
    create_table(pipeline, THINGS, thing("1", name="a"), thing("2", name="b", deleted_at="2026-03-09T03:00:00+00:00"))

    with open_tables(pipeline, THINGS) as (table,):
        assert table is not None
        assert select(table, f"CASE WHEN {table.is_live} THEN 1 ELSE 0 END") == [1, 0]


def test_without_the_mark_every_row_is_live(pipeline: Pipeline) -> None:
    create_table(pipeline, THINGS, thing("1"), without=[DELETED_AT])

    with open_tables(pipeline, THINGS) as (table,):
        assert table is not None
        assert select(table, f"CASE WHEN {table.is_live} THEN 1 ELSE 0 END") == [1]


@pytest.mark.parametrize(
    "instant",
    [
        datetime(2026, 3, 8, 12, 0, 0, 123456, tzinfo=UTC),
        datetime(2026, 3, 8, 17, 30, 0, 123456, tzinfo=timezone(timedelta(hours=5, minutes=30))),
    ],
    ids=["UTC", "an offset"],
)
def test_an_instant_is_the_same_in_sql(pipeline: Pipeline, instant: datetime) -> None:
    create_table(pipeline, THINGS, thing("1", last_modified_time="2026-03-08T12:00:00.123456+00:00"))

    with open_tables(pipeline, THINGS) as (table,):
        assert table is not None
        written = table.dialect.write_instant(instant)
        (stamp,) = select(table, f"CASE WHEN last_modified_time = {written} THEN 1 ELSE 0 END")

    assert stamp == 1


def test_a_destination_that_takes_no_sql_is_refused_by_name() -> None:
    destination = dlt.destinations.dummy()

    with (
        open_pipeline(THINGS, destination=destination, dataset="invoicing") as files,
        pytest.raises(TypeError, match="dummy is no SQL destination: its tables cannot be checked"),
        open_tables(files, THINGS),
    ):
        pass
