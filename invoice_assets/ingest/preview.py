"""Some rows of a table, as whoever opens the Dagster UI may see them: personal columns never leave the table.

What else is told of a load lives in `defs/load_metadata.py`.
"""

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any

from dlt.destinations.sql_client import SqlClientBase

from invoice_assets.resource_spec import DELETED_AT, ResourceSpec

MASK = "•••"
"""What stands in the place of a personal value, whatever INVOICE_PERSONAL_DATA says, and where there is none, too."""

LONGEST_TEXT = 60
"""Characters of a text that are shown."""

PreviewRow = Mapping[str, str | int | bool | None]


def read_preview(client: SqlClientBase[Any], spec: ResourceSpec, *, rows: int) -> list[PreviewRow]:
    """Some rows that the source still has, by column; amounts and instants are text, with every digit.

    Columns that are always filled come first, personal ones last; those without a value in any row are left out.
    """
    if not rows:
        return []
    shown = [column.name for column in sorted(spec.columns, key=lambda column: column.nullable) if not column.personal]
    names = ", ".join(client.escape_column_name(name) for name in shown)
    found = client.execute_sql(
        f"SELECT {names} FROM {client.make_qualified_table_name(spec.name)} WHERE {DELETED_AT} IS NULL LIMIT {rows}"
    )
    values = [dict(zip(shown, map(write_value, row), strict=True)) for row in found or ()]
    filled = [name for name in shown if any(row[name] is not None for row in values)]
    masked = {column.name: MASK for column in spec.personal_columns}
    return [{name: row[name] for name in filled} | masked for row in values]


def write_value(value: object) -> str | int | bool | None:
    """A value as it is shown: exact, but for a text that is cut off."""
    match value:
        case None | bool() | int():
            return value
        case Decimal():
            whole, _, fraction = f"{value:f}".partition(".")
            return f"{whole}.{fraction.rstrip('0').ljust(2, '0')}"
        case date():
            return value.isoformat()
    text = str(value)
    return text if len(text) <= LONGEST_TEXT else f"{text[: LONGEST_TEXT - 1]}…"
