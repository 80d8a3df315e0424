from collections.abc import Sequence

import pytest

from invoice_assets.api.envelope import Row, WireNumber
from invoice_assets.ingest.census import RowCensus
from invoice_assets.resource_spec import money, text
from invoice_assets_tests.ingest.stored import build_things

THINGS = build_things(text("name", "Name"), money("total", "Total"))


def take(*batches: Sequence[Row]) -> RowCensus:
    """A census that has taken in these batches of rows."""
    census = RowCensus(THINGS)
    for batch in batches:
        census.note(batch)
    return census


def test_a_row_that_comes_again_is_one_key_and_two_rows() -> None:
    census = take([{"thing_id": "1", "name": "old"}, {"thing_id": "2"}], [{"thing_id": "1", "name": "new"}])

    assert (census.rows, census.keys) == (3, 2)


def test_rows_and_keys_are_counted_over_all_batches() -> None:
    census = take(*([{"thing_id": f"{batch}-{n}"} for n in range(200)] for batch in range(5)))

    assert (census.rows, census.keys) == (1000, 1000)


def test_long_identifiers_that_differ_in_their_last_digit_are_two_keys() -> None:
    census = take([{"thing_id": "4815000000000000011"}, {"thing_id": "4815000000000000012"}])

    assert census.keys == 2


def test_a_key_is_counted_as_the_text_that_it_is_in_the_table() -> None:
    """An identifier that comes as a number is the same one; a list cannot be hashed at all."""
    census = take([{"thing_id": "5"}, {"thing_id": 5}, {"thing_id": ["5"]}, {"thing_id": {}}, {"thing_id": True}])

    assert (census.rows, census.keys) == (5, 4)


@pytest.mark.parametrize("batches", [[], [[]], [[], []]], ids=["no batch", "an empty batch", "two empty batches"])
def test_a_read_without_rows_says_nothing_about_columns(batches: list[list[Row]]) -> None:
    census = take(*batches)

    assert (census.rows, census.keys, census.new_columns) == (0, 0, {})
    assert census.always_sent == census.never_sent == frozenset()


def test_an_empty_batch_takes_nothing_back() -> None:
    census = take([{"thing_id": "1", "name": "a"}], [])

    assert census.always_sent == {"thing_id", "name"}
    assert census.never_sent == {"total"}


def test_a_field_is_sent_always_sometimes_or_never() -> None:
    census = take([{"thing_id": "1", "name": "a"}, {"thing_id": "2"}])

    assert census.always_sent == {"thing_id"}
    assert census.never_sent == {"total"}


def test_a_field_is_sent_whether_it_has_a_value_or_not() -> None:
    census = take([{"thing_id": "1", "name": None, "total": ""}])

    assert census.always_sent == {"thing_id", "name", "total"}
    assert census.never_sent == frozenset()


@pytest.mark.parametrize("order", [1, -1], ids=["lost on the way", "found on the way"])
def test_a_field_that_only_one_batch_has_is_sent_sometimes(order: int) -> None:
    batches: list[list[Row]] = [[{"thing_id": "1", "name": "a"}], [{"thing_id": "2"}]]

    census = take(*batches[::order])

    assert "name" not in census.always_sent | census.never_sent


def test_fields_that_the_catalog_does_not_know_are_neither_sent_nor_missed() -> None:
    census = take([{"thing_id": "1", "cf_a": "x"}])

    assert census.always_sent == {"thing_id"}
    assert census.never_sent == {"name", "total"}


def test_unknown_fields_are_named_with_the_type_of_their_first_value() -> None:
    census = take([{"thing_id": "1", "cf_a": None}, {"thing_id": "2", "cf_a": WireNumber("1.5"), "cf_b": []}])

    assert census.new_columns == {"cf_a": "number", "cf_b": "array"}


def test_the_type_of_an_unknown_field_is_settled_by_the_first_batch_that_has_a_value() -> None:
    census = take(
        [{"thing_id": "1", "cf_a": None, "cf_b": "x"}],
        [{"thing_id": "2"}],
        [{"thing_id": "3", "cf_a": True, "cf_b": 7}],
    )

    assert census.new_columns == {"cf_a": "boolean", "cf_b": "string"}


def test_an_unknown_field_that_never_has_a_value_is_null() -> None:
    census = take([{"thing_id": "1", "cf_a": None}], [{"thing_id": "2", "cf_a": None}])

    assert census.new_columns == {"cf_a": "null"}
