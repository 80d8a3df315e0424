from dataclasses import replace

import pytest
from dagster import AssetKey, AssetSpec

from invoice_assets.catalog import RESOURCES
from invoice_assets.definitions import build_definitions
from invoice_assets.defs.translator import PERSONAL_TAG, build_table_schema, find_documentation
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
    assert [dep.asset_key for dep in spec.deps] == [AssetKey(["invoicing_api"])]


@pytest.mark.parametrize(("name", "page"), [("invoices", "invoices"), ("customer_payments", "customer-payments")])
def test_an_asset_links_to_its_page_of_the_api_s_documentation(name: str, page: str) -> None:
    spec = _spec_of(Settings(), "invoicing", name)

    address = f"https://www.zoho.com/invoice/api/v3/{page}/"
    assert spec.metadata["api_documentation"].value == address
    assert f"({address})" in str(spec.description)


def test_a_page_that_is_called_otherwise_is_a_field_of_the_catalog() -> None:
    assert find_documentation(replace(RESOURCES["taxes"], docs_page="settings")).endswith("/v3/settings/")


def test_assets_have_the_owners_of_the_settings() -> None:
    settings = Settings(owners=("team:finance", "ana@example.com"))

    assert [_spec_of(settings, *key).owners for key in (("invoicing_api",), ("invoicing", "taxes"))] == [
        ("team:finance", "ana@example.com")
    ] * 2


def test_the_api_is_shown_and_not_run() -> None:
    settings = Settings(base_url="https://api.example.com/invoice/v3/", organization_id="4815")
    spec = _spec_of(settings, "invoicing_api")

    assert spec.kinds == {"api"}
    assert (spec.metadata["base_url"], spec.metadata["organization_id"]) == (settings.base_url, "4815")
    assert AssetKey(["invoicing_api"]) not in build_definitions(settings).resolve_asset_graph().executable_asset_keys


def _spec_of(settings: Settings, *key: str) -> AssetSpec:
    """The spec of an asset, as the settings make it."""
    (spec,) = [one for one in build_definitions(settings).resolve_all_asset_specs() if one.key == AssetKey(key)]
    return spec


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
