"""The destinations that can be the warehouse: one row for each, with what suits it.

How a destination is opened lives in `ingest/warehouse.py`, SQL that is spelled otherwise there in `ingest/dialects.py`;
docs/destinations.md is made from these rows. Why these: docs/adr/0020.
https://dlthub.com/docs/dlt-ecosystem/destinations
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from invoice_assets.extras import describe_installation, is_installed

TYPE_VARIABLE = "DESTINATION__WAREHOUSE__DESTINATION_TYPE"
FORMAT_VARIABLE = "INVOICE_TABLE_FORMAT"


class UnusableDestinationError(ValueError):
    """The destination that is asked for cannot be the warehouse; the message names the variable and the mend."""


class Apart(StrEnum):
    """What keeps two loads of one table apart, so that an older read never lands on a newer one."""

    FILE_LOCK = "the lock of the file"
    TABLE_LOCK = "a lock of the table"
    POOL = "Dagster's pools alone"


@dataclass(frozen=True, kw_only=True)
class DestinationSpec:
    """A destination of dlt's, and how this project loads it."""

    destination_type: str
    """dlt's name of it."""
    title: str
    table_format: str = ""
    """The format of the tables where the destination is a filesystem, which has none of its own."""
    extra: str = ""
    """What brings its driver: `pip install "invoice-assets[extra]"`."""
    driver: str = ""
    """The module that the extra brings."""
    file_format: Literal["parquet", "csv"]
    """The format of the files on their way."""
    merge_strategy: Literal["delete-insert", "upsert"] = "delete-insert"
    has_json: bool
    """Whether columns of JSON have a type of their own that these files fill; where not, they are text."""
    has_views: bool = True
    """Whether there are views, over all organisations and of reports."""
    apart: Apart = Apart.POOL
    is_tested: bool = False
    """Whether the contract suite runs on it in this project's own tests."""

    @property
    def name(self) -> str:
        """The one word that people know it by: the table format where there is one, else dlt's name."""
        return self.table_format or self.destination_type

    def require_driver(self) -> None:
        """Look whether the driver is installed, without importing it.

        Raises:
            UnusableDestinationError: It is not; the message has the command that installs it.
        """
        if self.driver and not is_installed(self.driver):
            raise UnusableDestinationError(
                f"{TYPE_VARIABLE} is {self.destination_type}, and the driver of {self.title} is not installed: "
                f"{describe_installation(self.extra)}."
            )


DUCKDB = DestinationSpec(
    destination_type="duckdb",
    title="DuckDB",
    file_format="parquet",  # dlt's own choice, insert_values, takes 57 s where parquet takes 1.5 s: docs/adr/0002
    has_json=True,
    apart=Apart.FILE_LOCK,
    is_tested=True,
)
POSTGRES = DestinationSpec(
    destination_type="postgres",
    title="PostgreSQL",
    extra="postgres",
    driver="psycopg2",
    file_format="csv",
    has_json=True,
    apart=Apart.TABLE_LOCK,
    is_tested=True,
)
DELTA = DestinationSpec(
    destination_type="filesystem",
    title="Delta tables",
    table_format="delta",
    extra="delta",
    driver="deltalake",
    file_format="parquet",
    merge_strategy="upsert",
    has_json=False,
    has_views=False,
    apart=Apart.TABLE_LOCK,
    is_tested=True,
)

DESTINATIONS = (
    DUCKDB,
    POSTGRES,
    DELTA,
    DestinationSpec(
        destination_type="motherduck",
        title="MotherDuck",
        extra="motherduck",
        driver="duckdb",
        file_format="parquet",
        has_json=True,
    ),
    DestinationSpec(
        destination_type="snowflake",
        title="Snowflake",
        extra="snowflake",
        driver="snowflake.connector",
        file_format="parquet",
        has_json=False,
    ),
    DestinationSpec(
        destination_type="bigquery",
        title="BigQuery",
        extra="bigquery",
        driver="google.cloud.bigquery",
        file_format="parquet",
        has_json=False,
    ),
    DestinationSpec(
        destination_type="databricks",
        title="Databricks",
        extra="databricks",
        driver="databricks.sql",
        file_format="parquet",
        has_json=False,
    ),
    DestinationSpec(
        destination_type="clickhouse",
        title="ClickHouse",
        extra="clickhouse",
        driver="clickhouse_driver",
        file_format="parquet",
        has_json=False,
    ),
)


def find_destination(destination_type: str, *, table_format: str = "") -> DestinationSpec:
    """The row of a destination.

    Raises:
        UnusableDestinationError: There is no such row, or the table format is not one for it.
    """
    of_this_type = [row for row in DESTINATIONS if row.destination_type == destination_type]
    if not of_this_type:
        known = ", ".join(dict.fromkeys(row.destination_type for row in DESTINATIONS))
        raise UnusableDestinationError(
            f"{TYPE_VARIABLE} is {destination_type!r}: nobody has looked whether merges, types and checks are right "
            f"there. Set it to one of {known}."
        )
    found = [row for row in of_this_type if row.table_format == table_format]
    if found:
        return found[0]
    formats = [row.table_format for row in of_this_type if row.table_format]
    if not formats:
        raise UnusableDestinationError(
            f"{FORMAT_VARIABLE} is {table_format!r}, and {of_this_type[0].title} has tables of its own: leave it out."
        )
    raise _refuse_format(table_format, formats)


def _refuse_format(table_format: str, formats: list[str]) -> UnusableDestinationError:
    advice = f"Set {FORMAT_VARIABLE} to {' or '.join(formats)}."
    match table_format:
        case "":
            return UnusableDestinationError(
                f"{TYPE_VARIABLE} is filesystem, and plain files cannot be merged into: dlt would append, and each "
                f"load would double its rows. {advice}"
            )
        case "iceberg":
            return UnusableDestinationError(
                f"{FORMAT_VARIABLE} is iceberg, which dlt merges by a commit for each 1,000 rows: a load that dies "
                f"leaves part of itself, and one whose columns differ from its table's fails (docs/adr/0020). {advice}"
            )
    return UnusableDestinationError(f"{FORMAT_VARIABLE} is {table_format!r}, which nobody has looked at. {advice}")


def stores_json(destination_type: str) -> bool:
    """Whether columns of JSON have a type of their own in this destination."""
    return all(row.has_json for row in DESTINATIONS if row.destination_type == destination_type)
