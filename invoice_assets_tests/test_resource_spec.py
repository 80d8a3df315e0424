"""`resource_spec.py`: the factories of columns, and what a row of the catalog may not say."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import FrozenInstanceError, replace
from typing import Any

import pytest

from invoice_assets import resource_spec
from invoice_assets.resource_spec import (
    Cadence,
    CatalogError,
    Column,
    IncrementalRead,
    PersonalData,
    Reference,
    ResourceSpec,
    Sort,
    build_catalog,
    choice,
    money,
    name_type,
    rate,
    text,
    timestamp,
)
from invoice_assets.rules import never_negative, one_of

VENDORS = ResourceSpec(
    name="vendors",
    path="vendors",
    data_selector="vendors",
    primary_key="vendor_id",
    cadence=Cadence.REFERENCE,
    scopes=frozenset({"ZohoInvoice.contacts.READ"}),
    sort=Sort(column="vendor_name"),
    description="Who is bought from.",
    columns=(
        text("vendor_id", "Identifier of the vendor", required=True),
        text("vendor_name", "Name of the vendor"),
    ),
)
STAMP = timestamp("last_modified_time", "When the vendor was last edited", required=True)


def _column(**changes: Any) -> Column:
    return Column(**{"name": "rate", "data_type": "text", "description": "Price", **changes})


@pytest.mark.parametrize(
    ("factory", "data_type", "precision", "scale", "empty_is_null"),
    [
        pytest.param(resource_spec.text, "text", None, None, False, id="text"),
        pytest.param(resource_spec.optional_text, "text", None, None, True, id="optional-text"),
        pytest.param(resource_spec.money, "decimal", 28, 6, True, id="money"),
        pytest.param(resource_spec.rate, "decimal", 38, 18, True, id="rate"),
        pytest.param(resource_spec.integer, "bigint", None, None, True, id="integer"),
        pytest.param(resource_spec.boolean, "bool", None, None, True, id="boolean"),
        pytest.param(resource_spec.date, "date", None, None, True, id="date"),
        pytest.param(resource_spec.timestamp, "timestamp", None, None, True, id="timestamp"),
        pytest.param(resource_spec.json, "json", None, None, True, id="json"),
    ],
)
def test_a_factory_makes_a_nullable_column_of_its_kind(
    factory: Callable[[str, str], Column],
    data_type: str,
    precision: int | None,
    scale: int | None,
    empty_is_null: bool,
) -> None:
    column = factory("rate", "What it is")

    assert (column.name, column.description, column.nullable) == ("rate", "What it is", True)
    assert (column.data_type, column.precision, column.scale) == (data_type, precision, scale)
    assert column.empty_is_null is empty_is_null


@pytest.mark.parametrize(
    "factory",
    [
        pytest.param(resource_spec.text, id="text"),
        pytest.param(resource_spec.money, id="money"),
        pytest.param(resource_spec.rate, id="rate"),
        pytest.param(resource_spec.date, id="date"),
        pytest.param(resource_spec.timestamp, id="timestamp"),
    ],
)
def test_a_required_column_is_not_nullable(factory: Callable[..., Column]) -> None:
    assert not factory("rate", "What it is", required=True).nullable


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        pytest.param({"name": "contactName"}, "column 'contactName': a column's name is snake_case", id="camel-case"),
        pytest.param({"name": "1st"}, "column '1st': a column's name is snake_case", id="begins-with-a-digit"),
        pytest.param({"name": "tax__name"}, "column 'tax__name': a column's name is snake_case", id="two-underscores"),
        pytest.param({"name": "name_"}, "column 'name_': a column's name is snake_case", id="ends-in-an-underscore"),
        pytest.param({"name": "name\n"}, "a column's name is snake_case", id="newline"),
        pytest.param({"name": ""}, "column '': a column's name is snake_case", id="no-name"),
        pytest.param({"description": ""}, "column rate: say in a few words what it holds", id="no-description"),
        pytest.param({"data_type": "decimal"}, "column rate: decimals, and only decimals", id="decimal-without-size"),
        pytest.param(
            {"data_type": "decimal", "precision": 10},
            "column rate: decimals, and only decimals",
            id="decimal-without-scale",
        ),
        pytest.param(
            {"precision": 10, "scale": 2},
            "column rate: decimals, and only decimals",
            id="text-with-precision-and-scale",
        ),
        pytest.param({"precision": 10}, "column rate: decimals, and only decimals", id="text-with-precision"),
        pytest.param({"scale": 2}, "column rate: decimals, and only decimals", id="text-with-scale"),
        pytest.param(
            {"data_type": "decimal", "precision": 39, "scale": 2}, "column rate: need 0 <= scale", id="too-wide"
        ),
        pytest.param(
            {"data_type": "decimal", "precision": 5, "scale": 6}, "column rate: need 0 <= scale", id="scale-too-large"
        ),
        pytest.param(
            {"data_type": "decimal", "precision": 5, "scale": -1}, "column rate: need 0 <= scale", id="scale-negative"
        ),
        pytest.param(
            {"data_type": "date", "personal": True}, "column rate: only text and JSON can be hashed", id="personal-date"
        ),
    ],
)
def test_a_column_that_contradicts_itself_is_refused(changes: dict[str, Any], complaint: str) -> None:
    with pytest.raises(CatalogError) as raised:
        _column(**changes)

    assert complaint in str(raised.value)


@pytest.mark.parametrize(
    ("precision", "scale"),
    [pytest.param(38, 38, id="all-fraction"), pytest.param(38, 0, id="no-fraction"), pytest.param(1, 0, id="a-digit")],
)
def test_a_decimal_may_be_as_wide_as_arrow_s(precision: int, scale: int) -> None:
    column = _column(data_type="decimal", precision=precision, scale=scale)

    assert (column.precision, column.scale) == (precision, scale)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        pytest.param({"name": "Vendors"}, "resource 'Vendors': the name is the table's and the asset's", id="name"),
        pytest.param({"name": "my-vendors"}, "resource 'my-vendors': the name is the table's", id="dash-in-the-name"),
        pytest.param(
            {"columns": (*VENDORS.columns, VENDORS.columns[1])},
            "vendors: columns declared twice: vendor_name",
            id="column-twice",
        ),
        pytest.param(
            {"primary_key": "id"}, "vendors: the primary key id must be a column that is required", id="key-unknown"
        ),
        pytest.param(
            {"primary_key": "vendor_name"},
            "vendors: the primary key vendor_name must be a column that is required",
            id="key-nullable",
        ),
        pytest.param({"columns": ()}, "vendors: the primary key vendor_id must be a column", id="no-columns"),
        pytest.param(
            {"incremental": IncrementalRead.KEYSET},
            "vendors: an incremental read needs the timestamp column last_modified_time",
            id="keyset-without-stamp",
        ),
        pytest.param(
            {"incremental": IncrementalRead.FILTER},
            "vendors: an incremental read needs the timestamp column last_modified_time",
            id="filter-without-stamp",
        ),
        pytest.param(
            {
                "incremental": IncrementalRead.KEYSET,
                "columns": (*VENDORS.columns, text("last_modified_time", "When, as text")),
            },
            "vendors: an incremental read needs the timestamp column last_modified_time",
            id="keyset-with-a-stamp-that-is-text",
        ),
        pytest.param(
            {"columns": (text("vendor_id", "Identifier", required=True, personal=True),)},
            "vendors: vendor_id is personal: no key, reference or rule can rely on it",
            id="personal-key",
        ),
        pytest.param(
            {
                "columns": (VENDORS.columns[0], text("buyer_id", "Buyer", personal=True)),
                "references": (Reference(column="buyer_id", resource="vendors"),),
            },
            "vendors: buyer_id is personal: no key, reference or rule can rely on it",
            id="personal-reference",
        ),
        pytest.param(
            {
                "columns": (VENDORS.columns[0], text("debt", "Debt", personal=True)),
                "rules": (never_negative("debt"),),
            },
            "vendors: debt is personal: no key, reference or rule can rely on it",
            id="personal-column-of-a-rule",
        ),
        pytest.param({"path": ""}, "vendors: the path is relative to the base URL", id="no-path"),
        pytest.param({"path": "/vendors"}, "vendors: the path is relative to the base URL", id="absolute-path"),
        pytest.param({"scopes": frozenset()}, "vendors: name the OAuth scope", id="no-scope"),
    ],
)
def test_a_resource_that_contradicts_itself_is_refused(changes: dict[str, Any], complaint: str) -> None:
    with pytest.raises(CatalogError) as raised:
        replace(VENDORS, **changes)

    assert complaint in str(raised.value)


@pytest.mark.parametrize(
    ("incremental", "sort"),
    [(IncrementalRead.KEYSET, "last_modified_time"), (IncrementalRead.FILTER, "vendor_name")],
    ids=["keyset", "filter"],
)
def test_a_resource_with_a_stamp_can_be_read_incrementally(incremental: IncrementalRead, sort: str) -> None:
    spec = replace(VENDORS, incremental=incremental, sort=Sort(column=sort), columns=(*VENDORS.columns, STAMP))

    assert (spec.incremental, spec.modified_column) == (incremental, "last_modified_time")


def test_a_resource_without_a_stamp_has_no_modified_column() -> None:
    assert VENDORS.modified_column is None


def test_the_required_columns_are_those_that_are_not_nullable() -> None:
    spec = replace(VENDORS, columns=(*VENDORS.columns, STAMP))

    assert [column.name for column in spec.required_columns] == ["vendor_id", "last_modified_time"]


def test_a_column_is_found_by_its_name() -> None:
    assert VENDORS.column("vendor_name").description == "Name of the vendor"


def test_an_unknown_column_is_named_in_the_error() -> None:
    with pytest.raises(KeyError, match="vendors has no column fax"):
        VENDORS.column("fax")


def test_the_parameters_are_a_read_only_copy() -> None:
    given = {"filter_by": "Status.All"}
    spec = replace(VENDORS, parameters=given)
    given["filter_by"] = "Status.Active"

    assert dict(spec.parameters) == {"filter_by": "Status.All"}
    with pytest.raises(TypeError):
        spec.parameters["filter_by"] = "Status.Active"  # type: ignore[index]  # that it cannot is the point


@pytest.mark.parametrize(
    ("part", "attribute"),
    [
        pytest.param(VENDORS, "path", id="resource"),
        pytest.param(VENDORS.columns[0], "nullable", id="column"),
        pytest.param(VENDORS.sort, "order", id="sort"),
    ],
)
def test_no_part_of_a_spec_can_be_changed(part: object, attribute: str) -> None:
    with pytest.raises(FrozenInstanceError):
        setattr(part, attribute, "changed")


def test_a_catalog_is_its_specs_by_name_in_their_order() -> None:
    catalog = build_catalog((VENDORS, replace(VENDORS, name="bills"), replace(VENDORS, name="accounts")))

    assert list(catalog) == ["vendors", "bills", "accounts"]
    assert all(spec.name == name for name, spec in catalog.items())


def test_a_resource_declared_twice_is_refused() -> None:
    with pytest.raises(CatalogError, match="vendors: declared twice; a resource has one row"):
        build_catalog((VENDORS, replace(VENDORS, path="others")))


def test_a_catalog_cannot_be_changed() -> None:
    catalog = build_catalog((VENDORS,))

    with pytest.raises(TypeError):
        catalog["bills"] = VENDORS  # type: ignore[index]  # that it cannot is the point


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        pytest.param(
            {"incremental": IncrementalRead.KEYSET, "columns": (*VENDORS.columns, STAMP)}, "sort by it", id="keyset"
        ),
        pytest.param({"cadence": Cadence.TRANSACTIONS}, "it must filter the list", id="partitions without a filter"),
        pytest.param(
            {"columns": (*VENDORS.columns, timestamp("deleted_at", "When it was deleted"))},
            "this project's own column",
            id="a column of ours",
        ),
    ],
)
def test_a_resource_that_cannot_be_read_as_it_says_is_refused(changes: dict[str, Any], complaint: str) -> None:
    with pytest.raises(CatalogError, match=complaint):
        replace(VENDORS, **changes)


def test_a_choice_knows_its_values_and_is_described_by_them() -> None:
    column = choice("kind", "goods", "service", "digital_service", required=True)

    assert (column.data_type, column.nullable) == ("text", False)
    assert column.values == ("goods", "service", "digital_service")
    assert column.description == "goods, service or digital_service"


def test_a_choice_may_be_left_out_unless_it_is_required() -> None:
    assert choice("kind", "goods", "service").nullable


@pytest.mark.parametrize(
    ("column", "read"),
    [
        pytest.param(text("name", "Name"), "text", id="text"),
        pytest.param(timestamp("at", "When"), "timestamp", id="timestamp"),
        pytest.param(money("total", "Total"), "decimal(28, 6)", id="money"),
        pytest.param(rate("rate", "Rate"), "decimal(38, 18)", id="rate"),
    ],
)
def test_a_type_is_read_with_a_decimal_s_digits(column: Column, read: str) -> None:
    assert column.type_name == read


def test_a_precision_is_told_of_decimals_only() -> None:
    """PostgreSQL states one for instants too, which the catalog does not."""
    assert name_type("timestamp", precision=6) == "timestamp"


def test_the_rules_are_the_declared_ones_and_one_for_each_column_of_known_values() -> None:
    spec = replace(
        VENDORS,
        columns=(*VENDORS.columns, money("debt", "What is owed"), choice("kind", "a", "b"), choice("rank", "1", "2")),
        rules=(never_negative("debt"),),
    )

    assert spec.plausibility_rules == (never_negative("debt"), one_of("kind", ("a", "b")), one_of("rank", ("1", "2")))


def test_a_resource_without_rules_and_known_values_has_none() -> None:
    assert VENDORS.plausibility_rules == ()


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        pytest.param(
            {"references": (Reference(column="owner_id", resource="users"),)},
            "vendors: references from columns that it does not have: owner_id",
            id="reference-from-no-column",
        ),
        pytest.param(
            {"rules": (never_negative("vendor_name"), never_negative("vendor"))},
            "vendors: the rule vendor_is_never_negative reads none of the resource's columns",
            id="rule-about-no-column",
        ),
    ],
)
def test_a_resource_cannot_promise_what_it_has_no_column_for(changes: dict[str, Any], complaint: str) -> None:
    with pytest.raises(CatalogError, match=complaint):
        replace(VENDORS, **changes)


def test_a_reference_to_a_resource_that_is_not_there_is_refused() -> None:
    vendors = replace(VENDORS, references=(Reference(column="vendor_name", resource="names"),))

    with pytest.raises(CatalogError, match="vendors: vendor_name refers to names, which has no row"):
        build_catalog((vendors,))


def test_a_reference_may_lead_to_a_resource_that_comes_later_or_to_its_own() -> None:
    vendors = replace(
        VENDORS,
        references=(
            Reference(column="vendor_name", resource="names"),
            Reference(column="vendor_name", resource="vendors"),
        ),
    )

    assert list(build_catalog((vendors, replace(VENDORS, name="names")))) == ["vendors", "names"]


@pytest.mark.parametrize(
    ("treatment", "required"),
    [
        (PersonalData.KEEP, {"vendor_id", "email"}),
        (PersonalData.HASH, {"vendor_id", "email"}),
        (PersonalData.OMIT, {"vendor_id"}),
    ],
)
def test_a_column_that_is_omitted_is_neither_required_nor_optional(treatment: PersonalData, required: set[str]) -> None:
    email, name = text("email", "E-mail", required=True, personal=True), text("name", "Name", personal=True)
    spec = replace(VENDORS, columns=(VENDORS.columns[0], email, name), personal_data=treatment)

    assert {column.name for column in spec.required_columns} == required
    assert spec.omits(email) is (treatment is PersonalData.OMIT)
    assert {column.name for column in spec.optional_columns} == (set() if spec.omits(name) else {"name"})
    assert [column.name for column in spec.personal_columns] == ["email", "name"]
