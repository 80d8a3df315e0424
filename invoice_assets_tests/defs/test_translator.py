from dataclasses import replace

import pytest
from dagster import AssetKey

from invoice_assets.catalog import RESOURCES
from invoice_assets.definitions import build_definitions
from invoice_assets.defs.translator import PERSONAL_TAG, build_table_schema
from invoice_assets.resource_spec import PersonalData
from invoice_assets.settings import Settings

REFERENCE = {"items", "users", "contacts", "recurring_invoices", "taxes"}


@pytest.mark.parametrize("name", RESOURCES)
def test_an_asset_is_described_before_it_has_run(name: str) -> None:
    definitions = build_definitions(Settings(dataset="billing"))
    (spec,) = [spec for spec in definitions.resolve_all_asset_specs() if spec.key == AssetKey(["invoicing", name])]

    assert spec.group_name == ("reference" if name in REFERENCE else "transactions")
    assert spec.kinds == {"dlt", "duckdb", "table"}
    assert spec.description
    assert spec.metadata["dagster/table_name"] == f"billing.{name}"
    assert spec.metadata["dagster/column_schema"] == build_table_schema(RESOURCES[name])
    assert list(spec.deps) == []


@pytest.mark.parametrize(
    ("treatment", "described"),
    [
        (PersonalData.KEEP, "E-mail address of the user (personal: kept as it is)"),
        (PersonalData.HASH, "E-mail address of the user (personal: a keyed hash)"),
        (PersonalData.OMIT, "E-mail address of the user (personal: left out, always NULL)"),
    ],
)
def test_a_personal_column_says_what_becomes_of_its_values(treatment: PersonalData, described: str) -> None:
    spec = replace(RESOURCES["users"], personal_data=treatment)

    columns = {column.name: column for column in build_table_schema(spec).columns}

    assert columns["email"].description == described
    assert columns["email"].tags == {PERSONAL_TAG: str(treatment)}
    assert columns["email"].constraints.nullable is (treatment is PersonalData.OMIT)
    assert not columns["user_id"].tags


def test_an_asset_names_its_personal_columns() -> None:
    definitions = build_definitions(Settings(personal_data=PersonalData.OMIT))
    (users,) = [spec for spec in definitions.resolve_all_asset_specs() if spec.key == AssetKey(["invoicing", "users"])]

    assert users.metadata["personal_data"] == "omit"
    assert users.metadata["personal_columns"] == "name, email, photo_url, mobile"


def test_the_table_schema_shows_types_keys_and_nullability() -> None:
    columns = {column.name: column for column in build_table_schema(RESOURCES["invoices"]).columns}

    assert columns["total"].type == "decimal(28, 6)"
    assert not columns["total"].constraints.nullable
    assert columns["email"].constraints.nullable
    assert columns["invoice_id"].constraints.unique
    assert columns["invoice_id"].constraints.other == ["primary key"]
    assert all(column.description for column in columns.values())
