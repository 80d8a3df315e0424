"""Claims: what the catalog promises of a table, and what is held against it.

Each claim judges evidence that was gathered before: `ingest/` counts in the tables, `load_history.py` knows what the
source returned. How a verdict becomes a Dagster check result lives in `checks.py`; freshness is judged in
`freshness.py`.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

from dagster import AssetCheckSeverity

from invoice_assets.defs.load_history import LoadHistory
from invoice_assets.ingest.inspection import TableInspection
from invoice_assets.ingest.references import ReferenceInspection
from invoice_assets.resource_spec import CUSTOM_FIELD_PREFIX, DELETED_AT, CheckName, ResourceSpec

WARN, ERROR = AssetCheckSeverity.WARN, AssetCheckSeverity.ERROR

NEW_NORMAL = timedelta(days=30)
"""A column that has been empty, or was not sent, for this long is no news any more."""

ROWS_THAT_DO_NOT_GO_BY_CHANCE = 3
"""A column with a value in fewer rows turns empty when these are deleted or edited: no sign of anything."""

NO_TABLE = "has no table yet: materialize its asset first"


@dataclass(frozen=True, kw_only=True)
class Offence:
    """One thing that contradicts a claim: a column, a rule, a table, and in how many rows."""

    what: str
    says: str
    rows: int | None = None
    sample_keys: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What a claim has come to: it holds where nothing offends it.

    `numbers` are plotted over time. `memory` is what the next judgement of the same claim has to know.
    """

    offences: tuple[Offence, ...] = ()
    severity: AssetCheckSeverity = ERROR
    remark: str = ""
    numbers: Mapping[str, int | float] = field(default_factory=dict)
    memory: Mapping[str, Any] = field(default_factory=dict)
    sql: str = ""


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What is known of a table, of the reads that filled it, and of the judgements before this one."""

    spec: ResourceSpec
    table: TableInspection
    loads: LoadHistory
    memories: Mapping[CheckName, Mapping[str, Any]]
    today: date

    def recall(self, check: CheckName, name: str) -> Any:
        """What the last judgement of a claim has left under that name; empty where it has left nothing."""
        return self.memories.get(check, {}).get(name, {})


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A statement about a table, and how it is judged."""

    name: CheckName
    description: str
    what_to_do: str
    severity: AssetCheckSeverity = ERROR
    """Of the worst failure; a verdict may be milder."""


@dataclass(frozen=True, kw_only=True)
class TableClaim(Claim):
    """A claim about one table, judged from what one pass over it has counted."""

    judge: Callable[[Evidence], Verdict]
    remembers: bool = False
    """Whether its verdict depends on the one before."""


def judge_uniqueness(evidence: Evidence) -> Verdict:
    """Repeated primary keys offend."""
    table, key = evidence.table, evidence.spec.primary_key
    rows = table.rows_with_repeated_key
    offence = Offence(what=key, says="is repeated", rows=rows, sample_keys=table.samples.get(key, ()))
    return Verdict(offences=(offence,) if rows else (), sql=table.sql)


def judge_presence(evidence: Evidence) -> Verdict:
    """Rows without a primary key offend."""
    rows = evidence.table.rows_without_key
    offence = Offence(what=evidence.spec.primary_key, says="is missing", rows=rows)
    return Verdict(offences=(offence,) if rows else (), sql=evidence.table.sql)


def judge_required_columns(evidence: Evidence) -> Verdict:
    """Rows without a required value offend, and mildly a column that had values before and has none any more."""
    table, key = evidence.table, evidence.spec.primary_key
    missing = [
        Offence(what=column, says="is missing", rows=rows, sample_keys=table.samples.get(column, ()))
        for column, rows in table.missing.items()
        if rows and column != key
    ]
    turned_empty = _remember(
        table.empty - find_columns_no_longer_sent(evidence).keys(),
        evidence,
        check=CheckName.REQUIRED_COLUMNS_ARE_PRESENT,
        once="filled",
        no_more="turned_empty",
    )
    faded = [Offence(what=column, says=f"has no value any more, since {day}") for column, day in turned_empty.items()]
    return Verdict(
        offences=(*missing, *faded),
        severity=ERROR if missing else WARN,
        memory={"filled": _find_filled_columns(evidence), "turned_empty": turned_empty},
        sql=table.sql,
    )


def judge_row_count(evidence: Evidence) -> Verdict:
    """Rows that the source returned and the table lacks offend; mildly, those that it did not and that are unmarked."""
    complete, last, table = evidence.loads.last_complete, evidence.loads.last, evidence.table
    if last is None:
        return Verdict(remark="This Dagster instance knows of no load: nothing to compare with.", sql=table.sql)
    expected = []
    if complete:
        expected.append(("the last complete read", complete.started_at, complete.source_rows, table.live_keys))
    if last is not complete and table.keys_in_window is not None:
        expected.append(("the last read", last.started_at, last.source_rows, table.keys_in_window))
    offences = [
        Offence(what=read, says=f"of {at:%Y-%m-%d %H:%M} UTC returned {source:,} rows, {found:,} are there", rows=gap)
        for read, at, source, found in expected
        if (gap := source - found) > 0
    ]
    unmarked = complete.rows_unmarked if complete else 0
    left = Offence(
        what="the last complete read", says="did not return rows that are not marked as deleted", rows=unmarked
    )
    return Verdict(
        offences=(*offences, left) if unmarked else tuple(offences),
        severity=ERROR if offences else WARN,
        numbers={
            "source_rows": (complete or last).source_rows,
            "live_rows": table.live_keys,
            "rows_missing": sum(offence.rows or 0 for offence in offences),
        },
        sql=table.sql,
    )


def judge_columns(evidence: Evidence) -> Verdict:
    """Columns that are missing, of another type or no longer sent offend; those that the catalog lacks do mildly."""
    spec, types = evidence.spec, evidence.table.types
    expected = {column.name: column.type_name for column in spec.columns} | {DELETED_AT: "timestamp"}
    changed = [
        Offence(
            what=name,
            says=f"is {types[name]}, in the catalog {declared}" if name in types else "is not in the table",
        )
        for name, declared in expected.items()
        if types.get(name) != declared
    ]
    unsent = find_columns_no_longer_sent(evidence)
    wire_types = evidence.loads.name_new_columns()
    unknown = sorted(types.keys() - expected.keys())
    new = [
        Offence(what=name, says=f"is new: {types[name]} in the table, {wire_types.get(name, 'not seen')} on the wire")
        for name in unknown
        if not name.startswith(CUSTOM_FIELD_PREFIX)
    ]
    lost = [Offence(what=name, says=f"is no longer sent by the source, since {day}") for name, day in unsent.items()]
    once_sent = evidence.recall(CheckName.COLUMNS_MATCH_CATALOG, "sent")
    complete = evidence.loads.last_complete
    sent = (set(once_sent) | complete.always_sent) - complete.never_sent if complete else set(once_sent)
    return Verdict(
        offences=(*changed, *lost, *new),
        severity=ERROR if changed or lost else WARN,
        numbers={"columns": len(types), "custom_columns": len(unknown) - len(new)},
        memory={"sent": sorted(sent), "no_longer_sent": unsent},
    )


def judge_plausibility(evidence: Evidence) -> Verdict:
    """Rows that break a rule of the catalog offend."""
    sentences = {rule.name: rule.sentence.rstrip(".") for rule in evidence.spec.plausibility_rules}
    offences = [
        Offence(
            what=name,
            says=f"is broken ({sentences[name]})",
            rows=rows,
            sample_keys=evidence.table.samples.get(name, ()),
        )
        for name, rows in evidence.table.implausible.items()
        if rows
    ]
    return Verdict(
        offences=tuple(offences),
        severity=WARN,
        numbers={"rules_judged": len(evidence.table.implausible)},
        sql=evidence.table.sql,
    )


def judge_references(spec: ResourceSpec, found: ReferenceInspection) -> Verdict:
    """Rows that refer to a row which is not there offend."""
    if found.missing_tables:
        return judge_missing_tables(found.missing_tables, REFERENCES)
    offences = [
        Offence(
            what=reference.column,
            says=f"refers to a row that is not in {reference.resource}",
            rows=found.orphans[reference.column],
            sample_keys=found.samples.get(reference.column, ()),
        )
        for reference in spec.references
        if found.orphans[reference.column]
    ]
    return Verdict(offences=tuple(offences), severity=WARN, numbers={"rows": found.rows}, sql=found.sql)


def judge_missing_tables(tables: Iterable[str], claim: Claim, memory: Mapping[str, Any] | None = None) -> Verdict:
    """A table that does not exist offends every claim about it; what a claim remembers is kept."""
    return Verdict(
        offences=tuple(Offence(what=table, says=NO_TABLE) for table in tables),
        severity=claim.severity,
        memory=memory or {},
    )


def find_columns_no_longer_sent(evidence: Evidence) -> dict[str, str]:
    """Columns that every row had before and none had in the last complete read, and since which day that is known."""
    complete = evidence.loads.last_complete
    return _remember(
        complete.never_sent if complete else frozenset(),
        evidence,
        check=CheckName.COLUMNS_MATCH_CATALOG,
        once="sent",
        no_more="no_longer_sent",
    )


def _find_filled_columns(evidence: Evidence) -> list[str]:
    """The nullable columns with values worth remembering; of a table without rows, those that had any before."""
    if not evidence.table.live_keys:
        return sorted(evidence.recall(CheckName.REQUIRED_COLUMNS_ARE_PRESENT, "filled"))
    return sorted(name for name, rows in evidence.table.filled.items() if rows >= ROWS_THAT_DO_NOT_GO_BY_CHANCE)


def _remember(
    lacking: frozenset[str], evidence: Evidence, *, check: CheckName, once: str, no_more: str
) -> dict[str, str]:
    """Those of the lacking columns that did not lack once, with the day since which they do; old news is dropped."""
    known: dict[str, str] = evidence.recall(check, no_more)
    since = {column: evidence.today.isoformat() for column in evidence.recall(check, once)} | known
    oldest = (evidence.today - NEW_NORMAL).isoformat()
    return {column: since[column] for column in sorted(lacking & since.keys()) if since[column] >= oldest}


TABLE_CLAIMS = (
    TableClaim(
        name=CheckName.PRIMARY_KEY_IS_UNIQUE,
        description="No two rows have the same primary key.",
        what_to_do="Somebody has written into the table: remove the copies, then run the check again.",
        judge=judge_uniqueness,
    ),
    TableClaim(
        name=CheckName.PRIMARY_KEY_IS_PRESENT,
        description="Every row has a primary key: neither NULL nor empty.",
        what_to_do="Somebody has written into the table: remove these rows, then load the whole table again.",
        judge=judge_presence,
    ),
    TableClaim(
        name=CheckName.REQUIRED_COLUMNS_ARE_PRESENT,
        description="Every column that the API promises to fill is filled, and no other one has turned empty.",
        what_to_do="Look at these rows in the API. Where it has a value, load the whole table again. Where it has "
        "none, mend the rows there, or make the column nullable in invoice_assets/catalog.py.",
        judge=judge_required_columns,
        remembers=True,
    ),
    TableClaim(
        name=CheckName.ROW_COUNT_MATCHES_SOURCE,
        description="Every row that the last reads returned is in the table, and what they did not return is marked.",
        what_to_do="Rows missing: find out who deletes from the table, then load the whole table again. Rows not "
        "marked: the source had too few to be believed; if it is right, raise INVOICE_DELETION_LIMIT and load again.",
        judge=judge_row_count,
    ),
    TableClaim(
        name=CheckName.COLUMNS_MATCH_CATALOG,
        description="The table and the source have the catalog's columns, with the catalog's types.",
        what_to_do="A new column: declare it in invoice_assets/catalog.py. Another type, or not in the table: restore "
        "the column and load the whole table again. No longer sent: ask the API's vendor.",
        judge=judge_columns,
        remembers=True,
    ),
    TableClaim(
        name=CheckName.VALUES_ARE_PLAUSIBLE,
        description="Every row keeps the rules that the catalog declares.",
        what_to_do="Look at these rows in the API: mend them there, or the rule in invoice_assets/catalog.py.",
        severity=WARN,
        judge=judge_plausibility,
    ),
)

REFERENCES = Claim(
    name=CheckName.REFERENCES_ARE_RESOLVED,
    description="Every row that refers to a row of another table finds it there.",
    what_to_do="Materialize the table that is referred to. If the rows stay, the API has lost what they refer to.",
    severity=WARN,
)
