"""What a warehouse cannot hold although its column's type fits: refused before anything of the load is written.

Whether a value fits its column's type is the business of `typing.py`, whatever the warehouse.
https://www.postgresql.org/docs/current/limits.html
"""

from collections.abc import Iterable, Iterator

import pyarrow as pa
import pyarrow.compute as pc

from invoice_assets.ingest.typing import InvalidValueError, show_key
from invoice_assets.resource_spec import ResourceSpec

POSTGRES_COLUMNS = 1600
"""The most that a PostgreSQL table has."""

_NUL = "\0"
_ENCODED_NUL = r"(^|[^\\])(\\\\)*\\u0000"
"""In JSON text: an even number of backslashes before it would make it the text of an escape, and no escape."""


def refuse_misfits(tables: Iterable[pa.Table], spec: ResourceSpec, *, destination_type: str) -> Iterator[pa.Table]:
    """The tables, each once it is known that the warehouse can hold it.

    Raises:
        InvalidValueError: The message names the column and the row's key, never the value.
    """
    for table in tables:
        if destination_type == "postgres":
            _require_room(table, spec)
            for name in table.column_names:
                if pa.types.is_string(table.schema.field(name).type):
                    _refuse_nul(table, name, spec)
        yield table


def _require_room(table: pa.Table, spec: ResourceSpec) -> None:
    if table.num_columns >= POSTGRES_COLUMNS:
        raise InvalidValueError(
            f"{spec.name}: {table.num_columns} columns, where a table of PostgreSQL has room for {POSTGRES_COLUMNS}. "
            "Nothing of this load was written: look at the source, or set INVOICE_MAX_NEW_COLUMNS to less."
        )


def _refuse_nul(table: pa.Table, name: str, spec: ResourceSpec) -> None:
    has_nul = pc.match_substring(table[name], _NUL)
    if name in {column.name for column in spec.columns if column.data_type == "json"}:
        has_nul = pc.match_substring_regex(table[name], _ENCODED_NUL)
    row = pc.index(has_nul, True).as_py()
    if row >= 0:
        key = show_key(table[spec.primary_key][row].as_py())
        raise InvalidValueError(
            f"{spec.name}: {name} of {spec.primary_key} {key} has a NUL character, which PostgreSQL cannot hold. "
            "Nothing of this load was written: take the character out at the source, then run again."
        )
