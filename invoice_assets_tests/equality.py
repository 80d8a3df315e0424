"""Whether a table says what the source says, row by row and value by value. Used by tests and by the soak.

What two values have in common is judged in `wire_values.py`; what happened before, by whoever asks.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from invoice_assets.ingest.census import RowCensus
from invoice_assets.ingest.typing import name_new_columns
from invoice_assets.resource_spec import ResourceSpec
from invoice_assets_tests.wire_values import find_differences


def key_rows(rows: Iterable[dict[str, Any]], spec: ResourceSpec) -> dict[str, dict[str, Any]]:
    """The rows of a table or of the source by their primary key.

    Raises:
        ValueError: A key comes twice.
    """
    keyed: dict[str, dict[str, Any]] = {}
    for row in rows:
        if keyed.setdefault(key := row[spec.primary_key], row) is not row:
            raise ValueError(f"{spec.name}: {key} comes twice")
    return keyed


def compare_rows(
    table: Mapping[str, Mapping[str, Any]], wire: Mapping[str, dict[str, Any]], spec: ResourceSpec
) -> dict[str, object]:
    """What sets the live rows of a table apart from the source, by key."""
    live = {key: row for key, row in table.items() if row["deleted_at"] is None}
    census = RowCensus(spec)
    census.note(list(wire.values()))
    names = name_new_columns(spec, census.new_columns)
    differences: dict[str, object] = dict.fromkeys(wire.keys() - live.keys(), "is not in the table")
    differences |= dict.fromkeys(live.keys() - wire.keys(), "is not in the source")
    for key in live.keys() & wire.keys():
        stored = {column: value for column, value in live[key].items() if column != "deleted_at"}
        renamed = {names.get(field, field): value for field, value in wire[key].items()}
        if found := find_differences(stored, renamed):
            differences[key] = found
    return differences
