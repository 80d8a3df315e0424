"""What a read has seen of the source's rows: how many, which fields, which that the catalog does not know.

It is counted where the rows are read, so that checks can hold the table against something else than itself
(`inspection.py`). How the rows travel on is the business of `source.py`.
"""

from array import array
from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from invoice_assets.api.envelope import Row
from invoice_assets.ingest.typing import encode_json, json_type
from invoice_assets.resource_spec import ResourceSpec


class RowCensus:
    """Counts the rows of a read, in bounded memory: eight bytes a row.

    `rows` counts rows as they came, repeats included. `new_columns` maps each field that the catalog does not know to
    the JSON type of its first value.
    """

    def __init__(self, spec: ResourceSpec) -> None:
        self.rows = 0
        self.new_columns: dict[str, str] = {}
        self._primary_key = spec.primary_key
        self._known = frozenset(column.name for column in spec.columns)
        self._keys = array("q")
        self._in_every_row: frozenset[str] | None = None
        self._in_any_row: frozenset[str] = frozenset()

    def note(self, rows: Sequence[Row]) -> None:
        """Take rows in."""
        self.rows += len(rows)
        keys = [row.get(self._primary_key) for row in rows]
        # As the text that it is in the table; as such a key that is a list can be hashed, too.
        self._keys.extend([hash(key if isinstance(key, str) else encode_json(key)) for key in keys])
        for shape in {tuple(row) for row in rows}:
            self._in_any_row = self._in_any_row.union(shape)
            self._in_every_row = (self._in_any_row if self._in_every_row is None else self._in_every_row) & set(shape)
        if self._in_any_row - self._known:
            self._note_new_columns(rows)

    @property
    def keys(self) -> int:
        """Rows with different primary keys, by 64-bit hashes: of a million, two collide in one of 37 million reads."""
        return int(pc.count_distinct(pa.array(self._keys, pa.int64())).as_py())

    @property
    def always_sent(self) -> frozenset[str]:
        """The catalog's columns that every row had a field for, with a value or without."""
        return self._known & (self._in_every_row or frozenset())

    @property
    def never_sent(self) -> frozenset[str]:
        """The catalog's columns that no row had a field for; none where there were no rows."""
        return self._known - self._in_any_row if self.rows else frozenset()

    def _note_new_columns(self, rows: Sequence[Row]) -> None:
        for row in rows:
            for name in sorted(row.keys() - self._known):
                if self.new_columns.get(name, "null") == "null":
                    self.new_columns[name] = json_type(row[name])
