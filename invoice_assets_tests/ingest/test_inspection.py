from dataclasses import replace
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from dlt.pipeline.pipeline import Pipeline

from invoice_assets.catalog import RESOURCES
from invoice_assets.ingest.inspection import TableInspection, inspect_table
from invoice_assets.ingest.windows import COMPLETE, Window
from invoice_assets.resource_spec import PersonalData, ResourceSpec
from invoice_assets_tests.ingest.stored import THINGS, create_table, thing

GONE = "2026-03-09T03:00:00+00:00"
RULES = {"total_is_never_negative", "balance_is_part_of_total", "due_date_is_not_before_date", "status_is_known"}


def inspect(pipeline: Pipeline, *, spec: ResourceSpec = THINGS, window: Window | None = None) -> TableInspection:
    table = inspect_table(pipeline, spec, window=window)
    assert table is not None
    return table


def offences(table: TableInspection) -> dict[str, int]:
    return {name: rows for name, rows in {**table.missing, **table.implausible}.items() if rows}


def test_a_missing_table_is_told_from_an_empty_one(pipeline: Pipeline) -> None:
    assert inspect_table(pipeline, THINGS) is None


def test_an_empty_table_has_nothing_to_offend(pipeline: Pipeline) -> None:
    create_table(pipeline, THINGS)

    table = inspect(pipeline)

    assert (table.rows, table.live_keys, table.rows_without_key, table.rows_with_repeated_key) == (0, 0, 0, 0)
    assert (offences(table), table.filled, table.samples) == ({}, {}, {})
    assert table.empty == frozenset()


def test_one_statement_is_all_where_nothing_offends(pipeline: Pipeline, statements: list[str]) -> None:
    create_table(pipeline, THINGS, thing("1"), thing("2"))
    statements.clear()

    table = inspect(pipeline, window=COMPLETE)

    assert statements == [table.sql]
    assert table.sql.count("SELECT") == 1
    assert (table.rows, table.live_keys, table.keys_in_window) == (2, 2, 2)
    assert (table.missing, set(table.implausible)) == ({"thing_id": 0, "name": 0, "total": 0}, RULES)
    assert (offences(table), table.samples) == ({}, {})


def test_a_second_statement_fetches_the_samples_of_all_offences(pipeline: Pipeline, statements: list[str]) -> None:
    create_table(pipeline, THINGS, thing("1", name=""), thing("2", total="-1"), thing("3"), thing("3"))
    statements.clear()

    table = inspect(pipeline)

    assert len(statements) == 2
    assert table.samples == {
        "name": ("1",),
        "total_is_never_negative": ("2",),
        "balance_is_part_of_total": ("2",),
        "thing_id": ("3",),
    }


def test_rows_beyond_the_first_of_a_key_are_repeats(pipeline: Pipeline) -> None:
    create_table(pipeline, THINGS, *map(thing, ["1", "1", "1", "2", "2", "3"]))

    table = inspect(pipeline)

    assert (table.rows, table.live_keys, table.rows_with_repeated_key) == (6, 3, 3)
    assert table.samples == {"thing_id": ("1", "2")}


def test_a_key_that_a_deleted_row_has_too_is_repeated(pipeline: Pipeline) -> None:
    """A merge that brings the row back would replace both."""
    create_table(pipeline, THINGS, thing("1"), thing("1", deleted_at=GONE))

    table = inspect(pipeline)

    assert table.rows_with_repeated_key == 1
    assert table.samples == {"thing_id": ("1",)}


def test_rows_without_a_key_are_absent_keys_and_no_repeats(pipeline: Pipeline) -> None:
    create_table(pipeline, THINGS, thing("1"), thing(None), thing(None), thing(""))

    table = inspect(pipeline)

    assert (table.rows, table.live_keys) == (4, 1)
    assert (table.rows_without_key, table.rows_with_repeated_key) == (3, 0)
    assert offences(table) == {"thing_id": 3}
    assert table.samples == {}


def test_a_deleted_row_without_a_key_is_a_row_without_a_key(pipeline: Pipeline) -> None:
    create_table(pipeline, THINGS, thing("1"), thing("", deleted_at=GONE))

    table = inspect(pipeline)

    assert table.rows_without_key == 1
    assert offences(table) == {}


def test_null_and_empty_text_are_both_missing(pipeline: Pipeline) -> None:
    create_table(pipeline, THINGS, thing("1", name=None), thing("2", name=""), thing("3", total=None), thing("4"))

    table = inspect(pipeline)

    assert table.missing == {"thing_id": 0, "name": 2, "total": 1}
    assert table.samples == {"name": ("1", "2"), "total": ("3",)}


def test_what_the_source_no_longer_has_is_held_against_nobody(pipeline: Pipeline) -> None:
    create_table(pipeline, THINGS, thing("1", note=None), thing("2", name="", total="-1", deleted_at=GONE))

    table = inspect(pipeline, window=COMPLETE)

    assert (table.rows, table.live_keys, table.keys_in_window) == (2, 1, 1)
    assert (offences(table), table.samples) == ({}, {})
    assert table.empty == {"note"}


def test_optional_columns_are_filled_or_empty(pipeline: Pipeline) -> None:
    create_table(
        pipeline, THINGS, thing("1", note="", balance=None, due_date=None), thing("2", note=None, balance=None)
    )

    table = inspect(pipeline)

    assert table.empty == {"note", "balance"}
    assert table.filled == {"date": 2, "due_date": 1, "status": 2, "last_modified_time": 2}


def test_with_deleted_rows_alone_no_column_is_empty(pipeline: Pipeline) -> None:
    create_table(pipeline, THINGS, thing("1", note=None, deleted_at=GONE))

    table = inspect(pipeline)

    assert table.filled == {}
    assert table.empty == frozenset()


@pytest.mark.parametrize(
    ("window", "keys"),
    [
        pytest.param(COMPLETE, 5, id="without bounds"),
        pytest.param(Window(start=datetime(2026, 3, 8, tzinfo=UTC)), 3, id="to the present"),
        pytest.param(Window(end=datetime(2026, 3, 9, tzinfo=UTC)), 3, id="from the beginning"),
        pytest.param(
            Window(start=datetime(2026, 3, 8, tzinfo=UTC), end=datetime(2026, 3, 9, tzinfo=UTC)), 2, id="a day"
        ),
        pytest.param(
            Window(
                start=datetime(2026, 3, 7, 19, tzinfo=ZoneInfo("America/New_York")),
                end=datetime(2026, 3, 8, 20, tzinfo=ZoneInfo("America/New_York")),
            ),
            2,
            id="the same day in another zone, which changes its clocks",
        ),
    ],
)
def test_a_window_holds_what_its_read_returned(pipeline: Pipeline, window: Window, keys: int) -> None:
    """From five minutes before its start, that instant included, to its end, that instant excluded."""
    stamps = [
        "2026-03-07T23:54:59+00:00",
        "2026-03-07T23:55:00+00:00",
        "2026-03-08T23:59:59+00:00",
        "2026-03-09T00:00:00+00:00",
        None,
    ]
    create_table(pipeline, THINGS, *(thing(str(n), last_modified_time=stamp) for n, stamp in enumerate(stamps)))

    assert inspect(pipeline, window=window).keys_in_window == keys


def test_without_a_window_none_is_counted(pipeline: Pipeline) -> None:
    create_table(pipeline, THINGS, thing("1"))

    assert inspect(pipeline).keys_in_window is None


def test_a_window_needs_the_change_stamp(pipeline: Pipeline) -> None:
    create_table(pipeline, THINGS, thing("1"), without=["last_modified_time"])

    assert inspect(pipeline, window=COMPLETE).keys_in_window is None


def test_a_window_needs_the_change_stamp_to_be_an_instant(pipeline: Pipeline) -> None:
    create_table(pipeline, THINGS, thing("1"), types={"last_modified_time": "TEXT"})

    assert inspect(pipeline, window=Window(end=datetime(2026, 3, 9, tzinfo=UTC))).keys_in_window is None


def test_a_window_needs_a_resource_with_a_change_stamp(pipeline: Pipeline) -> None:
    spec = replace(THINGS, columns=THINGS.columns[:-1])
    create_table(pipeline, spec, thing("1"))

    assert inspect(pipeline, spec=spec, window=COMPLETE).keys_in_window is None


def test_a_required_column_that_is_not_there_is_missing_in_every_live_row(pipeline: Pipeline) -> None:
    create_table(pipeline, THINGS, thing("1"), thing("2"), thing("3", deleted_at=GONE), without=["name"])

    table = inspect(pipeline)

    assert table.missing == {"thing_id": 0, "name": 2, "total": 0}
    assert table.samples == {"name": ("1", "2")}
    assert "name" not in table.types


def test_an_optional_column_that_is_not_there_has_not_turned_empty(pipeline: Pipeline) -> None:
    create_table(pipeline, THINGS, thing("1"), without=["note"])

    table = inspect(pipeline)

    assert "note" not in {*table.filled, *table.empty, *table.types}


def test_a_table_without_its_key_column_has_no_keys(pipeline: Pipeline) -> None:
    create_table(pipeline, THINGS, thing("1"), thing("2", name=""), without=["thing_id"])

    table = inspect(pipeline)

    assert (table.rows, table.live_keys, table.rows_without_key, table.rows_with_repeated_key) == (2, 0, 2, 0)
    assert offences(table) == {"thing_id": 2, "name": 1}
    assert table.samples == {}


def test_a_table_without_the_mark_of_deletion_is_live(pipeline: Pipeline) -> None:
    create_table(pipeline, THINGS, thing("1", name=""), thing("2"), without=["deleted_at"])

    table = inspect(pipeline, window=COMPLETE)

    assert (table.live_keys, table.keys_in_window) == (2, 2)
    assert offences(table) == {"name": 1}


@pytest.mark.parametrize(
    ("column", "sql_type", "value", "named", "silent"),
    [
        pytest.param(
            "total",
            "TEXT",
            "a lot",
            "text",
            {"total_is_never_negative", "balance_is_part_of_total"},
            id="an amount to text",
        ),
        pytest.param(
            "total",
            "DECIMAL(30, 6)",
            "-1",
            "decimal(30, 6)",
            {"total_is_never_negative", "balance_is_part_of_total"},
            id="an amount to a wider one",
        ),
        pytest.param("date", "TEXT", "soon", "text", {"due_date_is_not_before_date"}, id="a day to text"),
        pytest.param(
            "due_date",
            "TIMESTAMP WITH TIME ZONE",
            "2020-01-01T00:00:00+00:00",
            "timestamp",
            {"due_date_is_not_before_date"},
            id="a day to an instant",
        ),
        pytest.param("status", "BIGINT", 7, "bigint", {"status_is_known"}, id="a text to a number"),
        pytest.param("note", "JSON", '{"as": "good"}', "json", set(), id="a text to JSON"),
        pytest.param("name", "BOOLEAN", True, "bool", set(), id="a required text to a truth"),
        pytest.param("thing_id", "BIGINT", 1, "bigint", set(), id="the key to a number"),
        pytest.param("last_modified_time", "DATE", "2026-03-08", "date", set(), id="an instant to a day"),
        pytest.param("deleted_at", "TEXT", None, "text", set(), id="the mark of deletion to text"),
    ],
)
def test_a_type_that_changed_breaks_nothing_and_silences_the_rules_about_its_column(
    pipeline: Pipeline, column: str, sql_type: str, value: object, named: str, silent: set[str]
) -> None:
    row = thing("1") | {column: value}
    create_table(pipeline, THINGS, row, row | {"name": None}, types={column: sql_type})

    table = inspect(pipeline, window=Window(end=datetime(2026, 3, 9, tzinfo=UTC)))

    assert table.types[column] == named
    assert set(table.implausible) == RULES - silent
    assert offences(table) == {"name": 1}
    assert table.rows_with_repeated_key == 1
    assert table.samples == {"name": ("1",), "thing_id": ("1",)}


@pytest.mark.parametrize(
    ("column", "sql_type", "value"),
    [
        pytest.param("name", "UUID", "0b5e9c9e-3f0a-4d52-9c30-0d1f4b2a6f11", id="a required text"),
        pytest.param("note", "INTERVAL", "1 day", id="an optional text"),
        pytest.param("status", "mood", "open", id="a text of known values"),
    ],
)
def test_a_type_that_dlt_takes_for_text_breaks_nothing(
    pipeline: Pipeline, column: str, sql_type: str, value: str
) -> None:
    """dlt calls every type text that it has no word for; comparing it with an empty text is an error."""
    with pipeline.sql_client() as client:
        client.execute_sql("CREATE TYPE mood AS ENUM ('open', 'closed')")
    create_table(pipeline, THINGS, thing("1") | {column: value}, types={column: sql_type})

    assert offences(inspect(pipeline)) == {}


def test_columns_that_the_catalog_does_not_know_are_named_with_their_types(pipeline: Pipeline) -> None:
    types = {"cf_region": "TEXT", "ratio": "DOUBLE PRECISION", "_dlt_load_id": "TEXT"}
    create_table(pipeline, THINGS, thing("1"), types=types)

    known = inspect(pipeline).types

    assert (known["cf_region"], known["ratio"]) == ("text", "double")
    assert "_dlt_load_id" not in known


@pytest.mark.parametrize(
    ("changes", "broken"),
    [
        pytest.param({"total": "-0.01", "balance": None}, {"total_is_never_negative"}, id="an amount"),
        pytest.param({"balance": "10.01"}, {"balance_is_part_of_total"}, id="a part"),
        pytest.param({"due_date": "2026-03-07"}, {"due_date_is_not_before_date"}, id="a day"),
        pytest.param({"status": "Open"}, {"status_is_known"}, id="a status"),
    ],
)
def test_a_row_that_breaks_a_rule_is_counted_and_sampled(
    pipeline: Pipeline, changes: dict[str, object], broken: set[str]
) -> None:
    create_table(pipeline, THINGS, thing("1", **changes), thing("2"))

    table = inspect(pipeline)

    assert offences(table) == dict.fromkeys(broken, 1)
    assert table.samples == dict.fromkeys(broken, ("1",))


@pytest.mark.parametrize("column", ["total", "balance", "date", "due_date", "status"])
def test_a_value_that_is_not_there_breaks_no_rule(pipeline: Pipeline, column: str) -> None:
    create_table(pipeline, THINGS, thing("1") | {column: None})

    table = inspect(pipeline)

    assert set(table.implausible) == RULES
    assert {name for name, rows in table.implausible.items() if rows} == set()


def test_an_empty_text_is_no_unknown_status(pipeline: Pipeline) -> None:
    create_table(pipeline, THINGS, thing("1", status=""))

    assert inspect(pipeline).implausible["status_is_known"] == 0


def test_samples_are_the_first_five_keys_and_never_one_that_is_not_there(pipeline: Pipeline) -> None:
    keys = ["7", "3", None, "5", "1", "", "6", "2", "4"]
    create_table(pipeline, THINGS, *(thing(key, name="", total="-1") for key in keys))

    table = inspect(pipeline)

    assert table.missing["name"] == 9
    assert table.samples["name"] == ("1", "2", "3", "4", "5")
    assert table.samples["total_is_never_negative"] == table.samples["name"]


def test_of_many_repeated_keys_five_are_shown(pipeline: Pipeline) -> None:
    keys = [str(n) for n in (8, 3, 5, 1, 7, 2, 6, 4)]
    create_table(pipeline, THINGS, *map(thing, keys * 2))

    table = inspect(pipeline)

    assert table.rows_with_repeated_key == 8
    assert table.samples["thing_id"] == ("1", "2", "3", "4", "5")


@pytest.mark.parametrize("spec", RESOURCES.values(), ids=lambda spec: spec.name)
def test_every_rule_of_the_catalog_is_sql_that_the_warehouse_takes(pipeline: Pipeline, spec: ResourceSpec) -> None:
    create_table(pipeline, spec, {})

    table = inspect(pipeline, spec=spec, window=COMPLETE)

    assert table.implausible == {rule.name: 0 for rule in spec.plausibility_rules}
    assert set(table.missing) == {column.name for column in spec.required_columns}


def test_a_column_that_is_omitted_is_not_asked_for_values(pipeline: Pipeline) -> None:
    """Required or not: that it is NULL in every row is what was asked for, and no sign of anything."""
    columns = tuple(replace(column, personal=column.name in ("name", "note")) for column in THINGS.columns)
    spec = replace(THINGS, columns=columns, personal_data=PersonalData.OMIT)
    create_table(pipeline, spec, thing("1", name=None, note=None))

    table = inspect(pipeline, spec=spec)

    assert "name" not in table.missing
    assert not {"name", "note"} & (table.empty | table.filled.keys())
