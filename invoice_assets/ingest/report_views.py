"""The views of the group `reporting` in a warehouse: made from their SQL files, and held against their tables.

What the views hold lives in `invoice_assets/reporting/views.py`, when they are made in `defs/reporting.py`.
https://sqlglot.com/sqlglot.html
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from typing import Any

import sqlglot
from dlt.destinations.exceptions import DatabaseUndefinedRelation
from dlt.destinations.sql_client import SqlClientBase
from dlt.pipeline.pipeline import Pipeline
from sqlglot import exp
from sqlglot.lineage import lineage

from invoice_assets.errors import PermanentError
from invoice_assets.ingest.tables import open_job_client, read_types
from invoice_assets.ingest.views import make_view
from invoice_assets.reporting.views import ReportView, Total
from invoice_assets.resource_spec import DELETED_AT, ResourceSpec

WRITTEN_FOR = "duckdb"
"""The dialect of the SQL files."""

Sums = Mapping[str | None, Decimal]
"""What an amount comes to by currency; under None where the currency is not known, or not asked for."""


class TablesMissingError(PermanentError):
    """What is read does not exist yet: tables that a view is to be made of, or the view itself."""


@dataclass(frozen=True, kw_only=True)
class TotalFound:
    """What a column of a view sums up to, and what it should, by currency."""

    total: Total
    in_view: Sums
    in_table: Sums

    @property
    def differences(self) -> dict[str | None, tuple[Decimal, Decimal]]:
        """Both sums of each currency in which they differ; a currency that one of them lacks is 0 there."""
        currencies = sorted(self.in_view.keys() | self.in_table.keys(), key=str)
        pairs = {name: (self.in_view.get(name, Decimal()), self.in_table.get(name, Decimal())) for name in currencies}
        return {name: (found, expected) for name, (found, expected) in pairs.items() if found != expected}


@dataclass(frozen=True, kw_only=True)
class ViewInspection:
    """A view as it stands: its columns with their types in dlt's words, and its sums; `sql` is what has summed up."""

    types: Mapping[str, str]
    totals: Sequence[TotalFound]
    sql: str


@cache
def find_tables(sql: str) -> tuple[str, ...]:
    """The names of the tables that a statement reads, in its order."""
    return tuple(dict.fromkeys(table.name for table in _find_tables(sqlglot.parse_one(sql, read=WRITTEN_FOR))))


def find_column_sources(view: ReportView, catalog: Mapping[str, ResourceSpec]) -> dict[str, list[tuple[str, str]]]:
    """The tables and columns that each of the view's columns is made from; none for a count of rows."""
    schema = {
        name: {column.name: column.data_type for column in catalog[name].columns} | {DELETED_AT: "timestamp"}
        for name in find_tables(view.sql)
    }
    return {column.name: _trace(column.name, view.sql, schema) for column in view.columns}


def make_report_view(pipeline: Pipeline, view: ReportView, *, time_zone: str) -> None:
    """Make the view, or make it anew, in the pipeline's dataset; today is the day in the time zone.

    Raises:
        TablesMissingError: A table that it reads does not exist yet.
    """
    tables = find_tables(view.sql)
    with open_job_client(pipeline) as job_client:
        types = read_types(job_client, tables)
    if missing := [name for name in tables if not types.get(name)]:
        raise TablesMissingError(
            f"It reads {', '.join(missing)}, of which there is no table yet: load "
            f"{'it' if len(missing) == 1 else 'them'} first, then materialize it again."
        )
    with pipeline.sql_client() as client:
        make_view(client, view.name, translate(view.sql, client, time_zone=time_zone, is_view=True))


def inspect_report_view(
    pipeline: Pipeline, view: ReportView, *, catalog: Mapping[str, ResourceSpec]
) -> ViewInspection | None:
    """The view's columns and sums beside those of its tables, in one statement, so that no load comes between.

    None where there is no such view.
    """
    with open_job_client(pipeline) as job_client:
        client = job_client.sql_client
        types = read_types(job_client, [view.name]).get(view.name)
        if not types:
            return None
        totals = [total for total in view.totals if total.column in types]
        statement = "\nUNION ALL\n".join(
            part for total in totals for part in _write_sums(view, total, catalog[total.resource])
        )
        sql = translate(statement, client) if totals else ""
        rows = client.execute_sql(sql) if sql else ()
    sums: dict[tuple[str, str], dict[str | None, Decimal]] = {}
    for side, column, currency, amount in rows or ():
        sums.setdefault((side, column), {})[currency] = Decimal(amount)
    found = [
        TotalFound(
            total=total, in_view=sums.get(("view", total.column), {}), in_table=sums.get(("table", total.column), {})
        )
        for total in totals
    ]
    return ViewInspection(types=types, totals=found, sql=sql)


def read_report_view(pipeline: Pipeline, view: ReportView, *, order_by: Sequence[str]) -> list[dict[str, Any]]:
    """The rows of a view, in the order of these columns.

    Raises:
        TablesMissingError: There is no such view yet.
    """
    names = [column.name for column in view.columns]
    with pipeline.sql_client() as client:
        statement = f"SELECT {', '.join(names)} FROM {view.name} ORDER BY {', '.join(order_by)}"
        try:
            rows = client.execute_sql(translate(statement, client)) or ()
        except DatabaseUndefinedRelation as error:
            raise TablesMissingError(f"There is no view {view.name} yet: materialize its asset first.") from error
    return [dict(zip(names, row, strict=True)) for row in rows]


def translate(sql: str, client: SqlClientBase[Any], *, time_zone: str = "UTC", is_view: bool = False) -> str:
    """A statement written for DuckDB, as the client's warehouse and dataset have it.

    A view of DuckDB keeps the tables' bare names, which are looked for in its own schema: with the schema's name before
    them they would be ambiguous in a file that has the same name, as `invoicing.duckdb` has.
    """
    statement = sqlglot.parse_one(sql, read=WRITTEN_FOR)
    dialect = client.capabilities.sqlglot_dialect or WRITTEN_FOR
    for zone in statement.find_all(exp.AtTimeZone):
        zone.set("zone", exp.Literal.string(time_zone))
    if not (is_view and dialect == "duckdb"):
        for table in _find_tables(statement):
            table.replace(_name_table(client, table))
    return statement.sql(dialect=dialect, comments=False)


def _find_tables(statement: exp.Expr) -> list[exp.Table]:
    """What the statement reads that is not a part of itself."""
    parts = {part.alias for part in statement.find_all(exp.CTE)}
    return [table for table in statement.find_all(exp.Table, bfs=False) if table.name not in parts]


def _name_table(client: SqlClientBase[Any], table: exp.Table) -> exp.Table:
    """The table as the client calls it; the statement goes on to call it as it did."""
    *where, name = client.make_qualified_table_name_path(table.name, quote=False)
    catalog, db = [None, *where][-2:]
    return exp.table_(name, db=db, catalog=catalog, quoted=True, alias=table.alias_or_name)


def _trace(column: str, sql: str, schema: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The tables and columns at the end of a column's lineage."""
    leaves = [
        (node.expression.name, node.name.rpartition(".")[2])
        for node in lineage(column, sql, schema=dict(schema), dialect=WRITTEN_FOR).walk()
        if isinstance(node.expression, exp.Table)
    ]
    return [(table, name) for table, name in sorted(set(leaves)) if name != "*"]


def _write_sums(view: ReportView, total: Total, spec: ResourceSpec) -> Iterator[str]:
    """Two statements: what the column comes to in the view, and in its table; by currency where the table has one."""
    has_currency = any(column.name == "currency_code" for column in spec.columns)
    currency, group = ("currency_code", " GROUP BY currency_code") if has_currency else ("CAST(NULL AS TEXT)", "")
    sides = {
        "view": (total.column, view.name),
        "table": (total.amount, f"{spec.name} WHERE {DELETED_AT} IS NULL AND {total.predicate}"),
    }
    for side, (amount, source) in sides.items():
        summed = f"CAST(COALESCE(SUM({amount}), 0) AS DECIMAL(28, 6))"
        yield f"SELECT '{side}', '{total.column}', {currency}, {summed} FROM {source}{group}"
