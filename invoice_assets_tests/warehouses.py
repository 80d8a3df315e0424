"""Warehouses that a test has to itself, by the variables that make each of them the project's.

What must be true of every one of them is tested in `contract/`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from invoice_assets.destinations import (
    DELTA,
    DUCKDB,
    FORMAT_VARIABLE,
    POSTGRES,
    TYPE_VARIABLE,
    DestinationSpec,
)
from invoice_assets.settings import Settings


@dataclass(frozen=True, kw_only=True)
class Warehouse:
    """A warehouse, and what the environment says where it is the project's."""

    destination: DestinationSpec
    variables: Mapping[str, str]

    @property
    def database(self) -> str:
        """The file of an embedded DuckDB."""
        return self.variables["DESTINATION__WAREHOUSE__CREDENTIALS"] if self.destination is DUCKDB else ""


def choose_warehouse(name: str, *, folder: Path, postgres_url: str = "") -> Warehouse:
    """One of those that need nothing from outside: a DuckDB file, a database of a PostgreSQL, Delta tables."""
    where = {
        "duckdb": {"DESTINATION__WAREHOUSE__CREDENTIALS": str(folder / "warehouse" / "invoicing.duckdb")},
        "postgres": {"DESTINATION__WAREHOUSE__CREDENTIALS": postgres_url},
        "delta": {"DESTINATION__WAREHOUSE__BUCKET_URL": (folder / "lake").as_uri()},
    }
    (destination,) = (row for row in (DUCKDB, POSTGRES, DELTA) if row.name == name)
    return Warehouse(destination=destination, variables=_name(destination) | where[name])


def find_warehouse(environ: Mapping[str, str]) -> Warehouse:
    """The one that an environment describes, as it would be the project's."""
    settings = Settings.from_env(environ)
    theirs = {name: value for name, value in environ.items() if name.startswith("DESTINATION__")}
    return Warehouse(destination=settings.destination, variables=theirs | _name(settings.destination))


def query_duckdb(sql: str, *, database: Path) -> list[tuple[Any, ...]]:
    """The rows that a statement gives in a file; it names tables by their schemas, and instants are in UTC."""
    with duckdb.connect() as connection:
        connection.execute(f"ATTACH '{database}' AS warehouse")
        connection.execute("USE warehouse")
        connection.execute("SET TimeZone = 'UTC'")
        return connection.execute(sql).fetchall()


def _name(destination: DestinationSpec) -> dict[str, str]:
    formats = {FORMAT_VARIABLE: destination.table_format} if destination.table_format else {}
    return {TYPE_VARIABLE: destination.destination_type} | formats
