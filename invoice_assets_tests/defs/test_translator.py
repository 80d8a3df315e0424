import pytest
from dagster import AssetKey

from invoice_assets.catalog import RESOURCES
from invoice_assets.definitions import build_definitions
from invoice_assets.defs.translator import build_table_schema
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


def test_the_table_schema_shows_types_keys_and_nullability() -> None:
    columns = {column.name: column for column in build_table_schema(RESOURCES["invoices"]).columns}

    assert columns["total"].type == "decimal(28, 6)"
    assert not columns["total"].constraints.nullable
    assert columns["email"].constraints.nullable
    assert columns["invoice_id"].constraints.unique
    assert columns["invoice_id"].constraints.other == ["primary key"]
    assert all(column.description for column in columns.values())
