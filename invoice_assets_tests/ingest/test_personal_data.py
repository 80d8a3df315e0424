"""`ingest/personal_data.py`: what stands in the place of personal values. A whole load of it: `reliability/`."""

import hmac
from dataclasses import replace
from typing import Any

import pyarrow as pa
import pytest

from invoice_assets.api.envelope import Row
from invoice_assets.errors import PermanentError
from invoice_assets.ingest.personal_data import Mask, PersonalDataKeyError
from invoice_assets.ingest.typing import ColumnBatch
from invoice_assets.resource_spec import PersonalData, ResourceSpec, json, optional_text, text
from invoice_assets_tests.ingest.stored import build_things

KEY = "a-key-that-opens-nothing-of-nobody"
PEOPLE = build_things(
    text("name", "Name", required=True, personal=True),
    optional_text("nickname", "Nickname", personal=True),
    json("address", "Address", personal=True),
    optional_text("colour", "Favourite colour"),
)
ADA: Row = {
    "thing_id": "1",
    "name": "Ada",
    "nickname": "",
    "address": {"city": "Łódź"},
    "colour": "red",
    "cf_pet": "Rex",
}


def store(*rows: Row, treatment: PersonalData, key: str = KEY, spec: ResourceSpec = PEOPLE) -> pa.Table:
    """The rows as they are written, with the field `cf_pet` that the catalog does not know."""
    spec = replace(spec, personal_data=treatment)
    batch = ColumnBatch(spec, mask=Mask(spec, key=key))
    batch.extend(rows, new_columns=["cf_pet"])
    return batch.build_table()


def row_of(table: pa.Table) -> dict[str, Any]:
    (row,) = table.to_pylist()
    return dict(row)


def hash_of(value: str, key: str = KEY) -> str:
    return hmac.new(key.encode(), value.encode(), "sha256").hexdigest()


def test_by_default_everything_is_kept() -> None:
    batch = ColumnBatch(PEOPLE)
    batch.extend([ADA], new_columns=["cf_pet"])

    row = row_of(batch.build_table())

    assert (row["name"], row["address"], row["cf_pet"]) == ("Ada", '{"city":"Łódź"}', "Rex")


def test_a_hash_is_an_hmac_of_the_value() -> None:
    row = row_of(store(ADA, treatment=PersonalData.HASH))

    assert row["name"] == hash_of("Ada")
    assert row["address"] == '"' + hash_of('{"city":"Łódź"}') + '"'
    assert row["cf_pet"] == hash_of("Rex")


def test_what_is_omitted_leaves_null_in_its_column() -> None:
    row = row_of(store(ADA, treatment=PersonalData.OMIT, key=""))

    assert {name for name, value in row.items() if value is None} == {
        *("name", "nickname", "address", "cf_pet", "deleted_at")
    }


@pytest.mark.parametrize("treatment", PersonalData)
def test_what_is_not_personal_is_kept_whatever_the_setting(treatment: PersonalData) -> None:
    row = row_of(store(ADA, treatment=treatment))

    assert (row["thing_id"], row["colour"]) == ("1", "red")


@pytest.mark.parametrize("treatment", PersonalData)
def test_a_table_has_the_same_columns_and_types_whatever_the_setting(treatment: PersonalData) -> None:
    assert store(ADA, treatment=treatment).schema == store(ADA, treatment=PersonalData.KEEP).schema


def test_no_value_stays_no_value_under_a_hash() -> None:
    blank: Row = {"thing_id": "1", "name": "", "nickname": None, "address": "", "cf_pet": ""}

    row = row_of(store(blank, treatment=PersonalData.HASH))

    assert (row["name"], row["nickname"], row["address"], row["cf_pet"]) == ("", None, None, "")


def test_equal_values_have_equal_hashes_in_every_column_and_resource() -> None:
    orders = build_things(text("customer", "Customer", personal=True))

    person = row_of(store(ADA, treatment=PersonalData.HASH))
    order = row_of(store({"thing_id": "7", "customer": "Ada"}, treatment=PersonalData.HASH, spec=orders))

    assert order["customer"] == person["name"]


def test_a_value_that_is_no_text_is_hashed_as_the_text_it_would_be_stored_as() -> None:
    row = row_of(store({**ADA, "name": 7, "cf_pet": ["Rex"]}, treatment=PersonalData.HASH))

    assert (row["name"], row["cf_pet"]) == (hash_of("7"), hash_of('["Rex"]'))


def test_another_key_gives_other_hashes() -> None:
    other = KEY[::-1]

    assert row_of(store(ADA, treatment=PersonalData.HASH, key=other))["name"] == hash_of("Ada", other)


@pytest.mark.parametrize("key", ["", "   ", "x" * 31, f"{'x' * 31}\n"], ids=["none", "blank", "short", "padded"])
def test_a_key_that_can_be_guessed_is_refused_without_being_shown(key: str) -> None:
    with pytest.raises(PersonalDataKeyError, match=r"INVOICE_PERSONAL_DATA_KEY has .*openssl rand -hex 32") as refused:
        Mask(replace(PEOPLE, personal_data=PersonalData.HASH), key=key)

    assert isinstance(refused.value, PermanentError)
    assert "xxx" not in str(refused.value)


def test_a_batch_that_was_given_no_key_never_falls_back_to_plain_values() -> None:
    with pytest.raises(PersonalDataKeyError):
        ColumnBatch(replace(PEOPLE, personal_data=PersonalData.HASH))
