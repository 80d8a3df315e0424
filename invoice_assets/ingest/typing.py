"""Rows of the API as Arrow tables with the catalog's types: exact decimals, instants, days, and NULL for "no value".

Fields that the catalog does not know become text columns of their own (docs/adr/0005). Where the rows come from is the
business of `source.py`. https://arrow.apache.org/docs/python/
"""

from collections.abc import Callable, Iterable, Sequence, Set
from hashlib import sha256
from typing import Any

import msgspec
import pyarrow as pa
from dlt.common.normalizers.naming.snake_case import NamingConvention

from invoice_assets.api.envelope import Row, WireNumber
from invoice_assets.errors import PermanentError
from invoice_assets.resource_spec import DELETED_AT, Column, ResourceSpec

INSTANT = pa.timestamp("us", tz="UTC")


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


def build_table(spec: ResourceSpec, rows: Sequence[Row], *, new_columns: Sequence[str] = ()) -> pa.Table:
    """The rows as one Arrow table: the catalog's columns, `deleted_at` (NULL), `new_columns` as text.

    `new_columns` are fields of the rows that the catalog does not know.

    Raises:
        InvalidValueError: A value does not fit its column, or a row has no primary key.
    """
    _require_primary_keys(spec, rows)
    arrays = [_convert_column(spec, column, rows) for column in spec.columns]
    arrays.append(pa.nulls(len(rows), INSTANT))
    fields = list(arrow_schema(spec))
    for name, column_name in name_new_columns(spec, new_columns).items():
        arrays.append(pa.array([_as_text(row.get(name)) for row in rows], pa.string()))
        fields.append(pa.field(column_name, pa.string()))
    return pa.Table.from_arrays(arrays, schema=pa.schema(fields))


def name_new_columns(spec: ResourceSpec, fields: Iterable[str]) -> dict[str, str]:
    """Fields of the wire that the catalog does not know, and the columns they land in.

    A field that is spelled like a column keeps its name. One that would lose something in becoming a column's name, or
    would take the place of a column that is there, gets a suffix made of its own spelling: whatever other fields come
    with it, in this run or the next, it lands in the same column, and in nobody else's.
    """
    taken = {column.name for column in spec.columns} | {DELETED_AT}
    return {field: _name_column(field, taken) for field in fields}


def _name_column(field: str, taken: Set[str]) -> str:
    name = NamingConvention().normalize_identifier(field or "unnamed")
    if name == field and name not in taken:
        return name
    return f"{name}_{sha256(field.encode()).hexdigest()[:6]}"


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


def _require_primary_keys(spec: ResourceSpec, rows: Sequence[Row]) -> None:
    missing = sum(1 for row in rows if row.get(spec.primary_key) in (None, ""))
    if missing:
        raise InvalidValueError(
            f"{spec.name}: {missing} of {len(rows)} rows came without a {spec.primary_key}. They cannot be merged, and "
            "leaving them out would lose them; nothing of this load was written. Report it to the API's vendor."
        )


def _convert_column(spec: ResourceSpec, column: Column, rows: Sequence[Row]) -> pa.Array:
    convert = _CONVERTERS[column.data_type]
    values = [row.get(column.name) for row in rows]
    if column.empty_is_null:
        values = [None if value == "" else value for value in values]
    try:
        return convert(values, arrow_type(column))
    except (pa.ArrowException, TypeError, ValueError, OverflowError):
        raise _find_invalid_value(spec, column, rows, values, convert) from None


Converter = Callable[[list[Any], pa.DataType], pa.Array]


def _find_invalid_value(
    spec: ResourceSpec, column: Column, rows: Sequence[Row], values: list[Any], convert: Converter
) -> InvalidValueError:
    for row, value in zip(rows, values, strict=True):
        try:
            convert([value], arrow_type(column))
        except (pa.ArrowException, TypeError, ValueError, OverflowError):
            return InvalidValueError(
                f"{spec.name}: {column.name} of {spec.primary_key} {row[spec.primary_key]} is a JSON "
                f"{json_type(value)} that does not fit {arrow_type(column)}. Nothing of this load was written: "
                "mend the value at the source, or the column's type in invoice_assets/catalog.py."
            )
    return InvalidValueError(f"{spec.name}: {column.name} does not fit {arrow_type(column)} as a whole.")


def _convert_text(values: list[Any], data_type: pa.DataType) -> pa.Array:
    try:
        return pa.array(values, data_type)
    except (pa.ArrowTypeError, pa.ArrowInvalid):
        return pa.array([_as_text(value) for value in values], data_type)


def _as_text(value: object) -> str | None:
    return value if value is None or isinstance(value, str) else encode_json(value)


def _convert_from_text(values: list[Any], data_type: pa.DataType) -> pa.Array:
    return pa.array([_as_text(value) for value in values], pa.string()).cast(data_type)


def _convert_integers(values: list[Any], data_type: pa.DataType) -> pa.Array:
    if all(value is None or type(value) is int for value in values):
        return pa.array(values, data_type)
    return _convert_from_text(values, pa.decimal128(38, 6)).cast(data_type)


def _convert_booleans(values: list[Any], data_type: pa.DataType) -> pa.Array:
    return pa.array([_BOOLEANS.get(value, value) if isinstance(value, str) else value for value in values], data_type)


def _convert_json(values: list[Any], data_type: pa.DataType) -> pa.Array:
    return pa.array([None if value is None else encode_json(value) for value in values], data_type)


_BOOLEANS = {"true": True, "false": False}

_CONVERTERS: dict[str, Converter] = {
    "text": _convert_text,
    "decimal": _convert_from_text,
    "bigint": _convert_integers,
    "bool": _convert_booleans,
    "date": _convert_from_text,
    "timestamp": _convert_from_text,
    "json": _convert_json,
}
