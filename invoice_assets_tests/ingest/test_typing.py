import re
from datetime import UTC, date, datetime
from decimal import Decimal

import msgspec
import pyarrow as pa
import pytest

from invoice_assets.api.envelope import Row, WireNumber
from invoice_assets.ingest.typing import InvalidValueError, build_table, json_type, name_new_columns
from invoice_assets.resource_spec import (
    Column,
    boolean,
    integer,
    json,
    money,
    optional_text,
    rate,
    text,
    timestamp,
)
from invoice_assets.resource_spec import (
    date as date_column,
)
from invoice_assets_tests.ingest.stored import build_things


def rows_from(*values: str) -> list[Row]:
    """Rows with a key and a `value`, decoded from the JSON text of the value as a page is."""
    decoder = msgspec.json.Decoder(float_hook=WireNumber)
    return [{"thing_id": str(n), "value": decoder.decode(value)} for n, value in enumerate(values)]


def convert(column: Column, *values: str) -> list[object]:
    return list(build_table(build_things(column), rows_from(*values))["value"].to_pylist())


@pytest.mark.parametrize(
    ("column", "wire", "stored"),
    [
        pytest.param(money("value", "m"), "24995.00", Decimal("24995.000000"), id="money"),
        pytest.param(money("value", "m"), "100", Decimal(100), id="a whole number as money"),
        pytest.param(money("value", "m"), "12345678901234567.89", Decimal("12345678901234567.89"), id="beyond a float"),
        pytest.param(money("value", "m"), '"99.50"', Decimal("99.5"), id="money as a string"),
        pytest.param(money("value", "m"), "1.5e3", Decimal(1500), id="an exponent"),
        pytest.param(money("value", "m"), '""', None, id="no money"),
        pytest.param(rate("value", "r"), "0.000023076923", Decimal("0.000023076923"), id="exchange rate"),
        pytest.param(rate("value", "r"), "7", Decimal(7), id="a percentage without a fraction"),
        pytest.param(text("value", "t"), '""', "", id="text that may be empty"),
        pytest.param(text("value", "t"), "null", None, id="text that is null"),
        pytest.param(text("value", "t"), "4815000000000000011", "4815000000000000011", id="an id as a number"),
        pytest.param(text("value", "t"), "1.10", "1.10", id="a fraction as text keeps its digits"),
        pytest.param(text("value", "t"), '["a"]', '["a"]', id="a list where text was"),
        pytest.param(optional_text("value", "t"), '""', None, id="text that is missing when empty"),
        pytest.param(integer("value", "i"), "14", 14, id="integer"),
        pytest.param(integer("value", "i"), "14.00", 14, id="an integer with a fraction of nought"),
        pytest.param(integer("value", "i"), '""', None, id="no integer"),
        pytest.param(boolean("value", "b"), "true", True, id="boolean"),
        pytest.param(boolean("value", "b"), '"false"', False, id="a boolean as a string"),
        pytest.param(date_column("value", "d"), '"2026-02-28"', date(2026, 2, 28), id="date"),
        pytest.param(date_column("value", "d"), '""', None, id="no date"),
        pytest.param(
            timestamp("value", "t"),
            '"2026-06-09T09:46:21-0400"',
            datetime(2026, 6, 9, 13, 46, 21, tzinfo=UTC),
            id="EDT",
        ),
        pytest.param(
            timestamp("value", "t"), '"2026-06-09T09:46:21+0530"', datetime(2026, 6, 9, 4, 16, 21, tzinfo=UTC), id="IST"
        ),
        pytest.param(json("value", "j"), '{"a": [1.50, "é"]}', '{"a":[1.50,"é"]}', id="JSON keeps its digits"),
        pytest.param(json("value", "j"), "[]", "[]", id="an empty list is a value"),
        pytest.param(json("value", "j"), '""', None, id="no JSON"),
        pytest.param(json("value", "j"), '"null"', '"null"', id="a text in JSON"),
        pytest.param(text("value", "t"), r'"\u0000"', "\0", id="NUL"),
        pytest.param(money("value", "m"), "-0", Decimal(0), id="nothing below zero"),
    ],
)
def test_a_value_is_stored_exactly(column: Column, wire: str, stored: object) -> None:
    assert convert(column, wire) == [stored]


def test_an_absent_key_is_null() -> None:
    table = build_table(build_things(money("value", "m")), [{"thing_id": "1"}])

    assert table["value"].to_pylist() == [None]


@pytest.mark.parametrize(
    ("column", "wire"),
    [
        pytest.param(money("value", "m"), "0.1234567", id="more digits than the scale"),
        pytest.param(money("value", "m"), "1e400", id="beyond the precision"),
        pytest.param(money("value", "m"), "1e-400", id="beyond the scale"),
        pytest.param(money("value", "m"), "9" * 40, id="forty digits"),
        pytest.param(money("value", "m"), '"NaN"', id="no number"),
        pytest.param(money("value", "m"), '"-Infinity"', id="no end"),
        pytest.param(money("value", "m"), "true", id="a boolean where money was"),
        pytest.param(money("value", "m"), "[1]", id="a list where money was"),
        pytest.param(boolean("value", "b"), "1", id="a number where a boolean was"),
        pytest.param(money("value", "m"), '"a secret amount"', id="words where money was"),
        pytest.param(integer("value", "i"), "1.5", id="a fraction where an integer was"),
        pytest.param(integer("value", "i"), "18446744073709551616", id="an integer of more than 64 bits"),
        pytest.param(boolean("value", "b"), '"perhaps"', id="words where a boolean was"),
        pytest.param(date_column("value", "d"), '"0000-00-00"', id="a day that never was"),
        pytest.param(date_column("value", "d"), '"0000-01-01"', id="a day of the year 0"),
        pytest.param(date_column("value", "d"), '"2026-02-30"', id="a day that February lacks"),
        pytest.param(date_column("value", "d"), "20260228", id="a number where a day was"),
        pytest.param(timestamp("value", "t"), '"9999-12-31T23:59:59-0100"', id="an offset into the year 10000"),
        pytest.param(timestamp("value", "t"), '"0001-01-01T00:00:00+0100"', id="an offset into the year 0"),
        pytest.param(timestamp("value", "t"), '"2026-06-09T09:46:21+9999"', id="an offset of four days"),
        pytest.param(timestamp("value", "t"), '"2026-06-09T09:46:21.1234567Z"', id="finer than a microsecond"),
        pytest.param(timestamp("value", "t"), '"yesterday"', id="words where an instant was"),
        pytest.param(timestamp("value", "t"), '"2026-06-09T09:46:21"', id="an instant without its offset"),
    ],
)
def test_a_value_that_does_not_fit_is_refused_by_name_and_key(column: Column, wire: str) -> None:
    with pytest.raises(InvalidValueError, match="things: value of thing_id 0 is a JSON") as refused:
        convert(column, wire)

    assert "secret" not in str(refused.value)
    assert not refused.value.transient


@pytest.mark.parametrize(
    "row", [{"value": 1}, {"thing_id": "", "value": 1}, {"thing_id": None}], ids=["absent", "empty", "null"]
)
def test_a_row_without_its_primary_key_is_refused(row: Row) -> None:
    with pytest.raises(InvalidValueError, match="1 of 2 rows came without a thing_id"):
        build_table(build_things(money("value", "m")), [{"thing_id": "1"}, row])


def test_unknown_fields_become_text_whatever_their_type() -> None:
    rows: list[Row] = [
        {"thing_id": "1", "cf_a": "x", "cf_b": WireNumber("1.50")},
        {"thing_id": "2", "cf_a": True, "cf_b": {"k": []}},
    ]

    table = build_table(build_things(money("value", "m")), rows, new_columns=["cf_a", "cf_b"])

    assert table.schema.field("cf_a").type == pa.string()
    assert table["cf_a"].to_pylist() == ["x", "true"]
    assert table["cf_b"].to_pylist() == ["1.50", '{"k":[]}']


@pytest.mark.parametrize(
    ("value", "named"),
    [
        (None, "null"),
        (False, "boolean"),
        (7, "number"),
        (WireNumber("1.50"), "number"),
        ("", "string"),
        ([], "array"),
        ({}, "object"),
    ],
    ids=["null", "boolean", "integer", "fraction", "string", "array", "object"],
)
def test_a_value_has_the_type_that_json_calls_it(value: object, named: str) -> None:
    assert json_type(value) == named


def test_two_fields_that_normalise_to_one_name_stay_apart() -> None:
    names = name_new_columns(build_things(money("value", "m")), ["cf_Area", "cf_area", "Value", "deleted_at", ""])

    assert names["cf_area"] == "cf_area"
    assert all(re.fullmatch(r"[a-z_]+_[0-9a-f]{6}", column) for field, column in names.items() if field != "cf_area")
    assert len(set(names.values())) == 5


@pytest.mark.parametrize("field", ["_dlt_id", "_dlt_load_id", "_DLT_ID", "ctid", "xmin"])
def test_a_field_takes_no_column_of_dlt_or_of_the_database(field: str) -> None:
    """dlt wrote its own value over the field's; PostgreSQL refused to make the column, and so the table."""
    (column,) = name_new_columns(build_things(), [field]).values()

    assert re.fullmatch(rf"{field.strip('_').lower()}_[0-9a-f]{{6}}", column)


@pytest.mark.parametrize("field", ["", " ", "\n\t", "\0", "\u200b", "名前", "__", '"'])
def test_a_field_without_a_letter_gets_a_column_all_the_same(field: str) -> None:
    (column,) = name_new_columns(build_things(), [field]).values()

    assert re.fullmatch(r"[a-z]+_[0-9a-f]{6}", column)


def test_two_fields_that_would_share_a_column_are_refused_by_name() -> None:
    """One is spelled as the column of the other is called; the second used to take the first one's place."""
    (column,) = name_new_columns(build_things(), ["cf_Area"]).values()

    with pytest.raises(InvalidValueError, match=rf"things: the fields 'cf_Area' and '{column}' would both become"):
        name_new_columns(build_things(), ["cf_Area", column])


def test_a_field_lands_in_the_same_column_whatever_comes_with_it() -> None:
    """A counter would swap two columns between runs that see the fields in another order."""
    spec = build_things(money("value", "m"))

    together = name_new_columns(spec, ["cf region", "cf-region", "cf_region"])

    assert together == {field: name_new_columns(spec, [field])[field] for field in together}
