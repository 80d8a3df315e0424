"""SQL that is not spelled alike everywhere: the words in which a destination differs from standard SQL.

The statements themselves live where they are asked (`inspection.py`, `references.py`, `counting.py`, `deletions.py`).
https://sqlglot.com/sqlglot/dialects/dialect.html
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from dlt.destinations.sql_client import SqlClientBase
from sqlglot import transpile


@dataclass(frozen=True, kw_only=True)
class Dialect:
    """Templates of what differs; as they stand here, they are right for DuckDB and PostgreSQL."""

    name: str = ""
    """sqlglot's name of it; empty where it is standard SQL."""
    as_text: str = "CAST({} AS VARCHAR)"
    instant: str = "CAST('{}' AS TIMESTAMP WITH TIME ZONE)"
    epoch_seconds: str = "EXTRACT(EPOCH FROM {})"
    update: str = "UPDATE {} SET"

    def write_instant(self, instant: datetime) -> str:
        """The instant as SQL."""
        return self.instant.format(instant.isoformat())

    def translate(self, predicate: str) -> str:
        """A rule's predicate, which is standard SQL, as this dialect spells it."""
        return transpile(predicate, read="duckdb", write=self.name)[0] if self.name else predicate


STANDARD = Dialect()

_OTHERS = (
    Dialect(name="snowflake", instant="CAST('{}' AS TIMESTAMP_TZ)", epoch_seconds="DATE_PART(EPOCH_SECOND, {})"),
    Dialect(
        name="bigquery",
        as_text="CAST({} AS STRING)",
        instant="CAST('{}' AS TIMESTAMP)",
        epoch_seconds="UNIX_SECONDS({})",
    ),
    Dialect(
        name="databricks",
        as_text="CAST({} AS STRING)",
        instant="CAST('{}' AS TIMESTAMP)",
        epoch_seconds="UNIX_SECONDS({})",
    ),
    Dialect(
        name="clickhouse",
        # String alone has no NULL, and refuses one.
        as_text="CAST({} AS Nullable(String))",
        instant="parseDateTime64BestEffort('{}', 6)",
        epoch_seconds="toUnixTimestamp({})",
        update="ALTER TABLE {} UPDATE",
    ),
)
DIALECTS: Mapping[str, Dialect] = {dialect.name: dialect for dialect in _OTHERS}
"""By sqlglot's name of the dialect; those that are not here write standard SQL."""


def find_dialect(client: SqlClientBase[Any]) -> Dialect:
    """The dialect that the client's destination understands."""
    return DIALECTS.get(client.capabilities.sqlglot_dialect or "", STANDARD)
