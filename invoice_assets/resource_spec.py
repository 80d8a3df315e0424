"""What a catalog row is made of: `ResourceSpec`, `Column` and the factories that name the kinds of column.

The rows themselves live in `catalog.py`, the kinds of rule in `rules.py`; what is derived from a row lives where it is
used (endpoints and column hints in `ingest/`, asset specs and checks in `defs/`).
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Literal

from invoice_assets.rules import Rule, one_of

DataType = Literal["text", "decimal", "bigint", "bool", "date", "timestamp", "json"]

MONEY_PRECISION, MONEY_SCALE = 28, 6
"""Room for every currency's minor unit (at most 4 digits, ISO 4217) and 22 integer digits."""

RATE_PRECISION, RATE_SCALE = 38, 18
"""The API states no limit on a rate's digits: as many as Arrow's decimal128 has, 20 before the point and 18 behind."""

DELETED_AT = "deleted_at"
"""This project's own column of every table: when a complete read found the row gone; NULL while it is there."""

CUSTOM_FIELD_PREFIX = "cf_"
"""How the API names an organisation's own fields: they are nobody's to declare, and no surprise."""

_SNAKE_CASE = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")


class CatalogError(ValueError):
    """A catalog row contradicts itself; the message names the row, the column and the mend."""


class Cadence(StrEnum):
    """How often a resource is due, and in which asset group it stands."""

    TRANSACTIONS = "transactions"
    REFERENCE = "reference"


class IncrementalRead(StrEnum):
    """What the API offers for reading only the rows that changed (docs/api.md, "Incremental reading")."""

    KEYSET = "keyset"
    """`last_modified_time` filters and sorts."""
    FILTER = "filter"
    """`last_modified_time` filters, but does not sort."""
    NONE = "none"
    """No change stamp can be asked for: the resource is read whole."""


class PersonalData(StrEnum):
    """What becomes of values that say something about a person, before they are written anywhere (docs/adr/0018)."""

    KEEP = "keep"
    """They are stored as the API gives them."""
    HASH = "hash"
    """A keyed hash stands in the place of each: equal where they are equal."""
    OMIT = "omit"
    """NULL stands in their place."""


class CheckName(StrEnum):
    """The asset checks of every resource; each name is what it claims of the table."""

    PRIMARY_KEY_IS_UNIQUE = "primary_key_is_unique"
    PRIMARY_KEY_IS_PRESENT = "primary_key_is_present"
    REQUIRED_COLUMNS_ARE_PRESENT = "required_columns_are_present"
    ROW_COUNT_MATCHES_SOURCE = "row_count_matches_source"
    COLUMNS_MATCH_CATALOG = "columns_match_catalog"
    REFERENCES_ARE_RESOLVED = "references_are_resolved"
    VALUES_ARE_PLAUSIBLE = "values_are_plausible"
    IS_FRESH = "is_fresh"


@dataclass(frozen=True, kw_only=True)
class Column:
    """One column of a table: its dlt data type, and how a missing value is told from a present one.

    `nullable=False` is a promise of the API (docs/api.md) that the check `required_columns_are_present` holds it to.
    `empty_is_null` says that the API writes `""` for "no value" here. `values` are all that the API documents for the
    column; none where it documents no such set. `personal` says that its values tell something about a person, or let
    whoever has them act: what becomes of them is `ResourceSpec.personal_data`.
    """

    name: str
    data_type: DataType
    description: str
    nullable: bool = True
    empty_is_null: bool = False
    precision: int | None = None
    scale: int | None = None
    values: tuple[str, ...] = ()
    personal: bool = False

    def __post_init__(self) -> None:
        if not _SNAKE_CASE.fullmatch(self.name):
            raise CatalogError(f"column {self.name!r}: a column's name is snake_case, as the warehouse will show it")
        if not self.description:
            raise CatalogError(f"column {self.name}: say in a few words what it holds")
        has_digits = [self.precision is not None, self.scale is not None]
        if has_digits != [self.data_type == "decimal"] * 2:
            raise CatalogError(f"column {self.name}: decimals, and only decimals, have a precision and a scale")
        if self.precision is not None and not 0 <= (self.scale or 0) <= self.precision <= 38:
            raise CatalogError(f"column {self.name}: need 0 <= scale <= precision <= 38, the widest Arrow decimal128")
        if self.personal and self.data_type not in ("text", "json"):
            raise CatalogError(f"column {self.name}: only text and JSON can be hashed, and so be personal")

    @property
    def type_name(self) -> str:
        """The data type as people read it, a decimal's with its digits."""
        return name_type(self.data_type, precision=self.precision, scale=self.scale)


@dataclass(frozen=True, kw_only=True)
class Sort:
    """A sort of a list endpoint: `order` is `A` (ascending) or `D` (descending), as the API spells it."""

    column: str
    order: Literal["A", "D"] = "A"


@dataclass(frozen=True, kw_only=True)
class Reference:
    """A column that holds the primary key of a row of another resource."""

    column: str
    resource: str


@dataclass(frozen=True, kw_only=True)
class ResourceSpec:
    """One list endpoint of the API = one dlt resource = one table = one asset."""

    name: str
    path: str
    data_selector: str
    primary_key: str
    cadence: Cadence
    scopes: frozenset[str]
    description: str
    columns: tuple[Column, ...]
    incremental: IncrementalRead = IncrementalRead.NONE
    sort: Sort
    """How the list is read: by the change stamp where a keyset can follow it, else by the most stable column."""
    parameters: Mapping[str, str] = field(default_factory=dict)
    """Sent with every request, to lift a filter that the API applies by default."""
    references: tuple[Reference, ...] = ()
    rules: tuple[Rule, ...] = ()
    """What makes a row plausible, beside the columns' known values."""
    blocking_checks: frozenset[CheckName] = frozenset()
    """Checks whose failure keeps the assets downstream from being materialized in the same run."""
    docs_page: str = ""
    """Its page in the API's documentation; empty where that has the resource's name."""
    organization: str = ""
    """The slug of the organisation whose resource it is, where a deployment has several."""
    personal_data: PersonalData = PersonalData.KEEP
    """What becomes of the columns that are personal, and of fields that the catalog does not know."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "parameters", MappingProxyType(dict(self.parameters)))
        names = [column.name for column in self.columns]
        if not _SNAKE_CASE.fullmatch(self.name):
            raise CatalogError(f"resource {self.name!r}: the name is the table's and the asset's: snake_case")
        if repeated := {name for name in names if names.count(name) > 1}:
            raise CatalogError(f"{self.name}: columns declared twice: {', '.join(sorted(repeated))}")
        if self.primary_key not in names or self.column(self.primary_key).nullable:
            raise CatalogError(f"{self.name}: the primary key {self.primary_key} must be a column that is required")
        if self.incremental is not IncrementalRead.NONE and self.modified_column is None:
            raise CatalogError(f"{self.name}: an incremental read needs the timestamp column last_modified_time")
        if self.incremental is IncrementalRead.KEYSET and self.sort != Sort(column="last_modified_time"):
            raise CatalogError(f"{self.name}: a keyset follows last_modified_time, ascending; sort by it")
        if self.cadence is Cadence.TRANSACTIONS and self.incremental is IncrementalRead.NONE:
            raise CatalogError(f"{self.name}: a partition is a window of last_modified_time: it must filter the list")
        if any(column.name == DELETED_AT for column in self.columns):
            raise CatalogError(f"{self.name}: {DELETED_AT} is this project's own column; the API's gets another name")
        self._validate_checks()
        if not self.path or self.path.startswith("/"):
            raise CatalogError(f"{self.name}: the path is relative to the base URL, without a leading slash")
        if not self.scopes:
            raise CatalogError(f"{self.name}: name the OAuth scope that its endpoint asks for")

    def _validate_checks(self) -> None:
        names = {column.name for column in self.columns}
        if unknown := sorted({reference.column for reference in self.references} - names):
            raise CatalogError(f"{self.name}: references from columns that it does not have: {', '.join(unknown)}")
        for rule in self.rules:
            if not any(rule.mentions(name) for name in names):
                raise CatalogError(f"{self.name}: the rule {rule.name} reads none of the resource's columns")
        needed = {self.primary_key, *(reference.column for reference in self.references)}
        for column in self.personal_columns:
            if column.name in needed or any(rule.mentions(column.name) for rule in self.plausibility_rules):
                raise CatalogError(f"{self.name}: {column.name} is personal: no key, reference or rule can rely on it")

    def column(self, name: str) -> Column:
        """The column of that name. Raises `KeyError` where there is none."""
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(f"{self.name} has no column {name}")

    @property
    def label(self) -> str:
        """The resource as people are told of it: `invoices`, or `acme/invoices` where there are several."""
        return "/".join(filter(None, (self.organization, self.name)))

    @property
    def modified_column(self) -> str | None:
        """`last_modified_time` where the rows carry that stamp, else None."""
        stamps = [c.name for c in self.columns if c.name == "last_modified_time" and c.data_type == "timestamp"]
        return stamps[0] if stamps else None

    @property
    def required_columns(self) -> tuple[Column, ...]:
        """The columns that the API promises never to leave empty, the primary key among them; none that are omitted."""
        return tuple(column for column in self.columns if not (column.nullable or self.omits(column)))

    @property
    def optional_columns(self) -> tuple[Column, ...]:
        """The columns that may have a value or none."""
        return tuple(column for column in self.columns if column.nullable and not self.omits(column))

    @property
    def personal_columns(self) -> tuple[Column, ...]:
        """The columns whose values say something about a person."""
        return tuple(column for column in self.columns if column.personal)

    def omits(self, column: Column) -> bool:
        """Whether the column is NULL in every row, because it is personal."""
        return column.personal and self.personal_data is PersonalData.OMIT

    @property
    def plausibility_rules(self) -> tuple[Rule, ...]:
        """The declared rules, and one for each column whose values are known."""
        known = [one_of(column.name, column.values) for column in self.columns if column.values]
        return (*self.rules, *known)


def build_catalog(specs: Iterable[ResourceSpec]) -> Mapping[str, ResourceSpec]:
    """The specs by name, in their order, read-only.

    Raises:
        CatalogError: Two specs share a name, or one refers to a resource that is not there.
    """
    catalog: dict[str, ResourceSpec] = {}
    for spec in specs:
        if spec.name in catalog:
            raise CatalogError(f"{spec.name}: declared twice; a resource has one row")
        catalog[spec.name] = spec
    for spec in catalog.values():
        for reference in spec.references:
            if reference.resource not in catalog:
                raise CatalogError(f"{spec.name}: {reference.column} refers to {reference.resource}, which has no row")
    return MappingProxyType(catalog)


def qualify(name: str, organization: str) -> str:
    """A name that belongs to an organisation: the same where it has no slug."""
    return "_".join(filter(None, (name, organization)))


def name_type(data_type: str, *, precision: int | None = None, scale: int | None = None) -> str:
    """A dlt data type as people read it: `text`, `decimal(28, 6)`."""
    return f"{data_type}({precision}, {scale})" if data_type == "decimal" else data_type


def text(
    name: str, description: str, *, required: bool = False, empty_is_null: bool = False, personal: bool = False
) -> Column:
    """A string; identifiers are strings too (15-19 digits, beyond 2^53)."""
    return Column(
        name=name,
        data_type="text",
        description=description,
        nullable=not required,
        empty_is_null=empty_is_null,
        personal=personal,
    )


def optional_text(name: str, description: str, *, personal: bool = False) -> Column:
    """A string that the API leaves `""` when it has no value."""
    return text(name, description, empty_is_null=True, personal=personal)


def choice(name: str, *values: str, required: bool = False) -> Column:
    """A string out of a set that the API documents, which is its description too."""
    return Column(
        name=name,
        data_type="text",
        description=f"{', '.join(values[:-1])} or {values[-1]}",
        nullable=not required,
        values=values,
    )


def money(name: str, description: str, *, required: bool = False) -> Column:
    """An amount in a currency."""
    return _decimal(name, description, required=required, precision=MONEY_PRECISION, scale=MONEY_SCALE)


def rate(name: str, description: str, *, required: bool = False) -> Column:
    """A price per unit, a percentage, an exchange rate, a distance: a decimal that is no amount."""
    return _decimal(name, description, required=required, precision=RATE_PRECISION, scale=RATE_SCALE)


def integer(name: str, description: str) -> Column:
    """A whole number of at most 64 bits."""
    return Column(name=name, data_type="bigint", description=description, empty_is_null=True)


def boolean(name: str, description: str) -> Column:
    """True or false."""
    return Column(name=name, data_type="bool", description=description, empty_is_null=True)


def date(name: str, description: str, *, required: bool = False) -> Column:
    """A calendar day, without a time zone."""
    return Column(name=name, data_type="date", description=description, nullable=not required, empty_is_null=True)


def timestamp(name: str, description: str, *, required: bool = False) -> Column:
    """An instant: the API's local time and offset, stored in UTC."""
    return Column(name=name, data_type="timestamp", description=description, nullable=not required, empty_is_null=True)


def json(name: str, description: str, *, personal: bool = False) -> Column:
    """A nested object or list, kept as one JSON value (docs/adr/0004)."""
    return Column(name=name, data_type="json", description=description, empty_is_null=True, personal=personal)


def _decimal(name: str, description: str, *, required: bool, precision: int, scale: int) -> Column:
    return Column(
        name=name,
        data_type="decimal",
        description=description,
        nullable=not required,
        empty_is_null=True,
        precision=precision,
        scale=scale,
    )
