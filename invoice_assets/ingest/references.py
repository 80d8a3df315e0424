"""Rows that refer to a row of another resource which is not there, counted and sampled.

What they are judged to be lives in `defs/claims.py`; what is counted within one table in `inspection.py`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from dlt.pipeline.pipeline import Pipeline

from invoice_assets.ingest.tables import SAMPLE_KEYS, StoredTable, open_tables
from invoice_assets.resource_spec import ResourceSpec


@dataclass(frozen=True, kw_only=True)
class ReferenceInspection:
    """What one pass over a table and those that it refers to has counted."""

    rows: int
    """Live rows of the table."""
    orphans: Mapping[str, int]
    """Of these, rows that refer to a row which is not there; by the column that refers."""
    samples: Mapping[str, tuple[str, ...]]
    """Primary keys of some of them, by that column."""
    missing_tables: tuple[str, ...] = ()
    """Tables that do not exist, so that nothing was counted."""
    sql: str = ""


def inspect_references(
    pipeline: Pipeline,
    spec: ResourceSpec,
    *,
    targets: Mapping[str, ResourceSpec],
    read_at: Mapping[str, datetime],
) -> ReferenceInspection:
    """Count the rows whose references lead nowhere, in one statement.

    `targets` are the resources that the table refers to, by name. A row that was modified after its target was last
    read (`read_at`, by name) is not held against it: the row that it refers to may be younger than that read. A target
    that is marked as deleted is there.
    """
    with open_tables(pipeline, spec, *targets.values()) as (table, *others):
        found = {name: other for name, other in zip(targets, others, strict=True) if other}
        missing = [name for name in targets if name not in found]
        if table is None or missing:
            return ReferenceInspection(
                rows=0, orphans={}, samples={}, missing_tables=(*([] if table else [spec.name]), *missing)
            )
        return count_orphans(table, found, read_at=read_at)


def count_orphans(
    table: StoredTable, targets: Mapping[str, StoredTable], *, read_at: Mapping[str, datetime]
) -> ReferenceInspection:
    """Count in an open table the rows whose references lead nowhere; see `inspect_references`."""
    joined, leads_nowhere = _join(table, targets, read_at)
    counts = ["COUNT(*)", *(f"COUNT(CASE WHEN {predicate} THEN 1 END)" for predicate in leads_nowhere.values())]
    sql = "SELECT " + ",\n  ".join(counts) + f"\nFROM {joined}\nWHERE {table.is_live}"
    rows, *orphans = [int(number) for number in table.query(sql)[0]]
    by_column = dict(zip(leads_nowhere, orphans, strict=True))
    return ReferenceInspection(
        rows=rows,
        orphans=by_column,
        samples={column: _sample(table, joined, leads_nowhere[column]) for column, count in by_column.items() if count},
        sql=sql,
    )


def _join(
    table: StoredTable, targets: Mapping[str, StoredTable], read_at: Mapping[str, datetime]
) -> tuple[str, dict[str, str]]:
    """The table joined with the keys of its targets; and for each column that refers, a predicate of its orphans."""
    joined, leads_nowhere = table.name, {}
    for number, reference in enumerate(table.spec.references):
        target, value = targets[reference.resource], table.value(table.spec.column(reference.column))
        alias = f"target_{number}"
        as_text = table.dialect.as_text.format
        joined += (
            f"\nLEFT JOIN (SELECT DISTINCT {as_text(target.key)} AS {alias} FROM {target.name}) AS {alias}s "
            f"ON {alias}s.{alias} = {as_text(value)}"
        )
        predicates = [f"{value} IS NOT NULL", f"{alias}s.{alias} IS NULL"]
        stamp, known_until = table.spec.modified_column, read_at.get(reference.resource)
        if stamp and known_until and table.has(table.spec.column(stamp)):
            predicates.append(f"COALESCE({table.quote(stamp)} < {table.dialect.write_instant(known_until)}, 1 = 1)")
        leads_nowhere[reference.column] = " AND ".join(predicates)
    return joined, leads_nowhere


def _sample(table: StoredTable, joined: str, predicate: str) -> tuple[str, ...]:
    rows = table.query(
        f"SELECT {table.key} FROM {joined} WHERE {table.is_live} AND {predicate} AND {table.key} IS NOT NULL "
        f"ORDER BY 1 LIMIT {SAMPLE_KEYS}"
    )
    return tuple(str(row[0]) for row in rows)
