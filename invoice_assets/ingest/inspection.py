"""One pass over a table that counts what the asset checks judge.

What counts as a failure lives in `defs/claims.py`; who refers to whom is counted in `references.py`.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from dlt.pipeline.pipeline import Pipeline

from invoice_assets.ingest.tables import SAMPLE_KEYS, StoredTable, open_tables
from invoice_assets.ingest.windows import Window
from invoice_assets.resource_spec import ResourceSpec
from invoice_assets.rules import Rule


@dataclass(frozen=True, kw_only=True)
class TableInspection:
    """What one pass over a table has counted. "Live" rows are those that the source still has."""

    rows: int
    live_keys: int
    """Live rows with different primary keys."""
    keys_in_window: int | None
    """Of these, those last modified within the window that was asked about; None where none was."""
    rows_without_key: int
    rows_with_repeated_key: int
    """Rows beyond the first of their key."""
    missing: Mapping[str, int]
    """Live rows in which a required column is NULL or, where it is text, empty; by column."""
    filled: Mapping[str, int]
    """Live rows with a value, by nullable column that has any."""
    empty: frozenset[str]
    """Nullable columns without a value in any live row; none where there are no live rows."""
    implausible: Mapping[str, int]
    """Live rows that break a rule, by the rule's name."""
    types: Mapping[str, str]
    """The table's columns with their types in dlt's words."""
    samples: Mapping[str, tuple[str, ...]]
    """Keys of some rows that offend: without a required column, against a rule, or with the repeated primary key."""
    sql: str
    """The statement that counted."""


def inspect_table(pipeline: Pipeline, spec: ResourceSpec, *, window: Window | None = None) -> TableInspection | None:
    """Count in the resource's table whatever its checks ask; None where there is no such table.

    One statement counts. Only where something offends a second one fetches the keys of some offending rows.
    """
    with open_tables(pipeline, spec) as (table,):
        return count_in(table, window=window) if table else None


def count_in(table: StoredTable, *, window: Window | None = None) -> TableInspection:
    """Count in an open table whatever its checks ask."""
    spec = table.spec
    lacks = {column.name: f"{table.value(column)} IS NULL" for column in spec.required_columns}
    breaks = {rule.name: f"NOT ({table.dialect.translate(rule.predicate)})" for rule in _find_judgeable_rules(table)}
    optional = [column for column in spec.optional_columns if column.name in table.types]
    (totals, missing, implausible, values), sql = _count(
        table,
        _total_counts(table, window),
        {name: _count_live(table, predicate) for name, predicate in lacks.items()},
        {name: _count_live(table, predicate) for name, predicate in breaks.items()},
        {column.name: f"COUNT(CASE WHEN {table.is_live} THEN {table.value(column)} END)" for column in optional},
    )
    offending = [name for name, rows in (missing | implausible).items() if rows]
    repeated = totals["rows_with_key"] - totals["keys"]
    return TableInspection(
        rows=totals["rows"],
        live_keys=totals["live_keys"],
        keys_in_window=totals.get("keys_in_window"),
        rows_without_key=totals["rows"] - totals["rows_with_key"],
        rows_with_repeated_key=repeated,
        missing=missing,
        filled={name: rows for name, rows in values.items() if rows},
        empty=frozenset(name for name, rows in values.items() if not rows and totals["live_keys"]),
        implausible=implausible,
        types=table.types,
        samples=_sample(table, {name: (lacks | breaks)[name] for name in offending}, repeated=repeated > 0),
        sql=sql,
    )


def _find_judgeable_rules(table: StoredTable) -> list[Rule]:
    """The rules whose columns are all there, with the types that the rules are written for."""
    changed = [column.name for column in table.spec.columns if not table.has(column)]
    return [rule for rule in table.spec.plausibility_rules if not any(map(rule.mentions, changed))]


def _total_counts(table: StoredTable, window: Window | None) -> dict[str, str]:
    counts = {
        "rows": "COUNT(*)",
        "rows_with_key": f"COUNT({table.key})",
        "keys": f"COUNT(DISTINCT {table.key})",
        "live_keys": f"COUNT(DISTINCT CASE WHEN {table.is_live} THEN {table.key} END)",
    }
    stamp = table.spec.modified_column
    if window and stamp and table.has(table.spec.column(stamp)):
        within = f"{table.is_live} AND {_is_within(table, stamp, window)}"
        counts["keys_in_window"] = f"COUNT(DISTINCT CASE WHEN {within} THEN {table.key} END)"
    return counts


def _count_live(table: StoredTable, predicate: str) -> str:
    return f"COUNT(CASE WHEN {table.is_live} AND {predicate} THEN 1 END)"


def _is_within(table: StoredTable, stamp: str, window: Window) -> str:
    """A predicate: the row was last modified within the window, its overlap with the one before included."""
    bounds = ((">=", window.reads_from), ("<", window.end))
    column, write = table.quote(stamp), table.dialect.write_instant
    return " AND ".join(f"{column} {sign} {write(bound)}" for sign, bound in bounds if bound) or "1 = 1"


def _count(table: StoredTable, *groups: Mapping[str, str]) -> tuple[list[dict[str, int]], str]:
    """The counts of each group, by the names that the group has for its SQL; and the one statement that counted."""
    expressions = [sql for group in groups for sql in group.values()]
    statement = "SELECT " + ",\n  ".join(expressions) + f"\nFROM {table.name}"
    numbers = iter(table.query(statement)[0])
    return [{name: int(next(numbers)) for name in group} for group in groups], statement


def _sample(table: StoredTable, offending: Mapping[str, str], *, repeated: bool) -> dict[str, tuple[str, ...]]:
    """Some keys for each offence, which is a name and a predicate; repeated keys go by the primary key's name."""
    key, limit = table.key, f"ORDER BY 2 LIMIT {SAMPLE_KEYS}"
    queries = [
        f"(SELECT '{name}', {key} FROM {table.name} "
        f"WHERE {table.is_live} AND {predicate} AND {key} IS NOT NULL {limit})"
        for name, predicate in offending.items()
    ]
    if repeated:
        queries.append(
            f"(SELECT '{table.spec.primary_key}', {key} FROM {table.name} WHERE {key} IS NOT NULL "
            f"GROUP BY {key} HAVING COUNT(*) > 1 {limit})"
        )
    keys: dict[str, list[str]] = {}
    for name, value in table.query(" UNION ALL ".join(queries)) if queries else ():
        keys.setdefault(name, []).append(str(value))
    return {name: tuple(sorted(found)) for name, found in keys.items()}
