"""Rows of the API as Arrow tables with the catalog's types: exact decimals, instants, days, and NULL for "no value".

Fields that the catalog does not know become text columns of their own (docs/adr/0005). Where the rows come from is the
business of `source.py`. https://arrow.apache.org/docs/python/
"""

import datetime as dt
from collections.abc import Iterable, Sequence, Set
from hashlib import sha256
from types import NoneType
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
from dlt.common.normalizers.naming.snake_case import NamingConvention

from invoice_assets.api.envelope import Row, WireNumber
from invoice_assets.errors import PermanentError
from invoice_assets.ingest.personal_data import Mask
from invoice_assets.resource_spec import DELETED_AT, Column, ResourceSpec

INSTANT = pa.timestamp("us", tz="UTC")

POSTGRES_SYSTEM_COLUMNS = frozenset({"ctid", "cmax", "cmin", "tableoid", "xmax", "xmin"})
"""https://www.postgresql.org/docs/current/ddl-system-columns.html"""

KEY_SHOWN = 40
"""Characters of a key that an error shows: twice what the API's have."""

DLT_PREFIX = "_dlt"
"""How dlt's own columns begin."""


class InvalidValueError(PermanentError):
    """A value does not fit its column; the message names the column and the row's key, never the value."""


def arrow_type(column: Column) -> pa.DataType:
    """The Arrow type that carries the column's dlt data type."""
    match column.data_type:
        case "decimal":
            return pa.decimal128(column.precision or 38, column.scale or 0)
        case "bigint":
            return pa.int64()
        case "bool":
            return pa.bool_()
        case "date":
            return pa.date32()
        case "timestamp":
            return INSTANT
        case "text" | "json":
            return pa.string()


def arrow_schema(spec: ResourceSpec) -> pa.Schema:
    """The catalog's columns and `deleted_at` as an Arrow schema; all nullable, for checks judge what is left out."""
    fields = [pa.field(column.name, arrow_type(column)) for column in spec.columns]
    return pa.schema([*fields, pa.field(DELETED_AT, INSTANT)])


def build_table(spec: ResourceSpec, rows: Sequence[Row], *, new_columns: Iterable[str] = ()) -> pa.Table:
    """The rows as one Arrow table; see `ColumnBatch`."""
    batch = ColumnBatch(spec)
    batch.extend(rows, new_columns=new_columns)
    return batch.build_table()


class ColumnBatch:
    """Rows of the wire, taken apart as they come into a list of values for each column of a table to be.

    The catalog's columns, and those that it does not know, which the caller names. Rows are not kept: a page's
    dictionaries and nested values would be walked through by every garbage collection until the table is built.
    """

    def __init__(self, spec: ResourceSpec, *, mask: Mask | None = None) -> None:
        self._spec = spec
        self._mask = mask or Mask(spec)
        self._values: dict[str, list[Any]] = {column.name: [] for column in spec.columns}
        self._new_values: dict[str, list[Any]] = {}

    def __len__(self) -> int:
        return len(self._values[self._spec.primary_key])

    def extend(self, rows: Sequence[Row], *, new_columns: Iterable[str] = ()) -> None:
        """Take rows in; `new_columns` are fields of theirs that the catalog does not know."""
        for field in new_columns:
            if field not in self._new_values:
                self._new_values[field] = [None] * len(self)
        for column in self._spec.columns:
            values = [row.get(column.name) for row in rows]
            self._values[column.name] += _encode_each(values) if column.data_type == "json" else values
        for field, values in self._new_values.items():
            values += [row.get(field) for row in rows]

    def build_table(self) -> pa.Table:
        """The rows as one Arrow table, masked: the catalog's columns, `deleted_at` (NULL), the new columns as text.

        Raises:
            InvalidValueError: A value does not fit its column, or a row has no primary key.
        """
        self._require_primary_keys()
        arrays = [self._convert(column) for column in self._spec.columns]
        arrays.append(pa.nulls(len(self), INSTANT))
        fields = list(arrow_schema(self._spec))
        for name, column_name in name_new_columns(self._spec, self._new_values).items():
            arrays.append(self._mask.cover_unknown(_read_text(self._new_values[name])))
            fields.append(pa.field(column_name, pa.string()))
        return pa.Table.from_arrays(arrays, schema=pa.schema(fields))

    def _require_primary_keys(self) -> None:
        keys = self._values[self._spec.primary_key]
        if missing := keys.count(None) + keys.count(""):
            raise InvalidValueError(
                f"{self._spec.name}: {missing} of {len(keys)} rows came without a {self._spec.primary_key}. They "
                "cannot be merged, and leaving them out would lose them; nothing of this load was written. Report it "
                "to the API's vendor."
            )

    def _convert(self, column: Column) -> pa.Array:
        values = self._values[column.name]
        try:
            return self._mask.cover(column, _convert(column, values))
        except _MISFITS:
            raise self._find_invalid_value(column, values) from None

    def _find_invalid_value(self, column: Column, values: list[Any]) -> InvalidValueError:
        keys = self._values[self._spec.primary_key]
        for key, value in zip(keys, values, strict=True):
            try:
                _convert(column, [value])
            except _MISFITS:
                return InvalidValueError(
                    f"{self._spec.name}: {column.name} of {self._spec.primary_key} {show_key(key)} is a JSON "
                    f"{json_type(value)} that does not fit {arrow_type(column)}. Nothing of this load was written: "
                    "mend the value at the source, or the column's type in invoice_assets/catalog.py."
                )
        return InvalidValueError(f"{self._spec.name}: {column.name} does not fit {arrow_type(column)} as a whole.")


def name_new_columns(spec: ResourceSpec, fields: Iterable[str]) -> dict[str, str]:
    """Fields of the wire that the catalog does not know, and the columns they land in.

    A field that is spelled like a column keeps its name. One that would lose something in becoming a column's name, or
    would take the place of a column that is there, or of dlt's or the database's own, gets a suffix made of its own
    spelling: whatever other fields come with it, in this run or the next, it lands in the same column.

    Raises:
        InvalidValueError: Two of the fields would land in one column all the same.
    """
    taken = {column.name for column in spec.columns} | {DELETED_AT} | POSTGRES_SYSTEM_COLUMNS
    named: dict[str, str] = {}
    for field in fields:
        name = _name_column(field, taken)
        if (other := named.setdefault(name, field)) != field:
            raise InvalidValueError(
                f"{spec.name}: the fields {other!r} and {field!r} would both become the column {name}. Nothing of this "
                "load was written: rename one of them at the source."
            )
    return {field: name for name, field in named.items()}


def _name_column(field: str, taken: Set[str]) -> str:
    name = NamingConvention().normalize_identifier(field if field.strip() else "unnamed")
    is_of_dlt = name.startswith(DLT_PREFIX)
    if name == field and name not in taken and not is_of_dlt:
        return name
    return f"{name.lstrip('_') if is_of_dlt else name}_{sha256(field.encode()).hexdigest()[:6]}"


def show_key(key: object) -> str:
    """A primary key as an error shows it: its beginning, without what could break a line or a terminal."""
    return (key if isinstance(key, str) else encode_json(key))[:KEY_SHOWN].encode("unicode_escape").decode()


def json_type(value: object) -> str:
    """The JSON type of a decoded value: null, boolean, number, string, array or object."""
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case WireNumber() | int() | float():
            return "number"
        case str():
            return "string"
        case list():
            return "array"
        case _:
            return "object"


def encode_json(value: object) -> str:
    """The value as JSON text, its numbers with the digits that they had on the wire."""
    return _json_encoder.encode(value).decode()


def _encode_wire_number(value: object) -> msgspec.Raw:
    if isinstance(value, WireNumber):
        return msgspec.Raw(value.encode())
    raise TypeError(f"{type(value).__name__} does not come out of JSON")


_json_encoder = msgspec.json.Encoder(enc_hook=_encode_wire_number)


def _encode_each(values: list[Any]) -> list[str]:
    """The values as JSON text each; compact JSON has no line breaks of its own."""
    return _json_encoder.encode_lines(values).decode().split("\n")[:-1]


_MISFITS = (pa.ArrowException, TypeError, ValueError, OverflowError)


def _convert(column: Column, values: list[Any]) -> pa.Array:
    """The values of a column as its Arrow type. Raises one of `_MISFITS` where one does not fit."""
    match column.data_type:
        case "bigint" if {*map(type, values)} <= {int, NoneType}:
            return pa.array(values, pa.int64())
        case "bool" if {*map(type, values)} <= {bool, NoneType}:
            return pa.array(values, pa.bool_())
        case "bool":
            read = [_BOOLEANS.get(value, value) if isinstance(value, str) else value for value in values]
            return pa.array(read, pa.bool_())
        case "json":
            return _blank(pa.array(values, pa.string()), *_NO_JSON[: 2 if column.empty_is_null else 1])
    texts = _read_text(values)
    if column.empty_is_null:
        texts = _blank(texts, "")
    if column.data_type == "bigint":
        texts = texts.cast(pa.decimal128(38, 6))
    read = texts.cast(arrow_type(column))
    if column.data_type in _YEARS_1_TO_9999:
        earliest, latest = _YEARS_1_TO_9999[column.data_type]
        if pc.any(pc.or_(pc.less(read, earliest), pc.greater(read, latest))).as_py():
            raise OverflowError("before the year 1 or after 9999")
    return read


def _blank(texts: pa.Array, *blanks: str) -> pa.Array:
    """The texts, with NULL in the place of those that mean "no value"."""
    for blank in blanks:
        is_blank = pc.equal(texts, blank)
        if pc.any(is_blank).as_py():
            texts = pc.if_else(is_blank, pa.scalar(None, pa.string()), texts)
    return texts


def _read_text(values: list[Any]) -> pa.Array:
    """Strings as they are, anything else as JSON text."""
    try:
        return pa.array(values, pa.string())
    except (pa.ArrowTypeError, pa.ArrowInvalid):
        texts = [value if value is None or isinstance(value, str) else encode_json(value) for value in values]
        return pa.array(texts, pa.string())


_YEARS_1_TO_9999 = {
    "date": (pa.scalar(dt.date.min), pa.scalar(dt.date.max)),
    "timestamp": tuple(pa.scalar(end.replace(tzinfo=dt.UTC), INSTANT) for end in (dt.datetime.min, dt.datetime.max)),
}
"""What PostgreSQL and every Python client can read; ISO 8601 has a year 0, and an offset leads into the year 10000."""

_BOOLEANS = {"true": True, "false": False, "": None}
_NO_JSON = ("null", '""')
