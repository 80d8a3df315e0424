"""`claims.py`: what is held against a table, judged from evidence made by hand; `test_checks.py` has the warehouse."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from invoice_assets.defs.claims import (
    ERROR,
    NEW_NORMAL,
    REFERENCES,
    TABLE_CLAIMS,
    WARN,
    Evidence,
    Offence,
    TableClaim,
    Verdict,
    judge_columns,
    judge_missing_tables,
    judge_plausibility,
    judge_presence,
    judge_references,
    judge_required_columns,
    judge_row_count,
    judge_uniqueness,
)
from invoice_assets.defs.load_history import LoadHistory
from invoice_assets.defs.load_metadata import LoadFacts
from invoice_assets.ingest.inspection import TableInspection
from invoice_assets.ingest.references import ReferenceInspection
from invoice_assets.ingest.windows import COMPLETE, Window
from invoice_assets.resource_spec import CheckName, Reference
from invoice_assets_tests.ingest.stored import THINGS

TODAY = date(2026, 3, 8)
STARTED_AT = datetime(2026, 3, 8, 12, 0, tzinfo=UTC)
DAY = timedelta(days=1)
WINDOW = Window(start=STARTED_AT - DAY)
TYPES = {column.name: column.type_name for column in THINGS.columns} | {"deleted_at": "timestamp"}
SENT = frozenset(column.name for column in THINGS.columns)
CLEAN = TableInspection(
    rows=9,
    live_keys=9,
    keys_in_window=None,
    rows_without_key=0,
    rows_with_repeated_key=0,
    missing={"thing_id": 0, "name": 0, "total": 0},
    filled={"balance": 9, "note": 9},
    empty=frozenset(),
    implausible={rule.name: 0 for rule in THINGS.plausibility_rules},
    types=TYPES,
    samples={},
    sql="SELECT what was counted",
)


def told(window: Window = COMPLETE, **changes: Any) -> LoadFacts:
    """What a load has told that has read all nine rows with all their fields."""
    facts = LoadFacts(
        started_at=STARTED_AT, window=window, source_rows=9, new_columns={}, always_sent=SENT, never_sent=frozenset()
    )
    return replace(facts, **changes)


def remember(*loads: LoadFacts) -> LoadHistory:
    """A history of these loads, the latest first."""
    return LoadHistory(
        last=loads[0] if loads else None,
        last_complete=next((load for load in loads if load.window.is_complete), None),
    )


def gather(
    table: TableInspection = CLEAN,
    *,
    loads: LoadHistory | None = None,
    memories: dict[CheckName, dict[str, Any]] | None = None,
    today: date = TODAY,
) -> Evidence:
    return Evidence(spec=THINGS, table=table, loads=loads or remember(told()), memories=memories or {}, today=today)


class Judge:
    """Judges all claims again and again, each knowing what the last judgement has left it."""

    def __init__(self) -> None:
        self.memories: dict[CheckName, dict[str, Any]] = {}

    def judge(
        self, table: TableInspection = CLEAN, *, loads: LoadHistory | None = None, day: int = 0
    ) -> dict[CheckName, Verdict]:
        """The verdicts that fail, some days after the first judgement."""
        evidence = gather(table, loads=loads, memories=dict(self.memories), today=TODAY + day * DAY)
        verdicts = {claim.name: claim.judge(evidence) for claim in TABLE_CLAIMS}
        self.memories = {name: dict(verdict.memory) for name, verdict in verdicts.items()}
        return {name: verdict for name, verdict in verdicts.items() if verdict.offences}


def without_note(rows: int = 0) -> TableInspection:
    """A table in which so many rows have a note."""
    filled = {"balance": 9} | ({"note": rows} if rows else {})
    return replace(CLEAN, filled=filled, empty=frozenset() if rows else frozenset({"note"}))


NO_LONGER_SENT = told(always_sent=SENT - {"note"}, never_sent=frozenset({"note"}))


def test_a_table_that_keeps_all_promises_fails_no_claim() -> None:
    assert Judge().judge() == {}


@pytest.mark.parametrize(
    ("table", "loads", "claim", "severity"),
    [
        pytest.param(
            replace(CLEAN, rows=10, rows_with_repeated_key=1),
            remember(told()),
            CheckName.PRIMARY_KEY_IS_UNIQUE,
            ERROR,
            id="a repeated key",
        ),
        pytest.param(
            replace(CLEAN, rows=10, rows_without_key=1, missing={**CLEAN.missing, "thing_id": 1}),
            remember(told()),
            CheckName.PRIMARY_KEY_IS_PRESENT,
            ERROR,
            id="a missing key",
        ),
        pytest.param(
            replace(CLEAN, missing={**CLEAN.missing, "name": 1}),
            remember(told()),
            CheckName.REQUIRED_COLUMNS_ARE_PRESENT,
            ERROR,
            id="a missing name",
        ),
        pytest.param(
            CLEAN,
            remember(told(source_rows=10)),
            CheckName.ROW_COUNT_MATCHES_SOURCE,
            ERROR,
            id="a missing row",
        ),
        pytest.param(
            replace(CLEAN, types=TYPES | {"total": "double"}),
            remember(told()),
            CheckName.COLUMNS_MATCH_CATALOG,
            ERROR,
            id="another type",
        ),
        pytest.param(
            replace(CLEAN, types=TYPES | {"surprise": "text"}),
            remember(told()),
            CheckName.COLUMNS_MATCH_CATALOG,
            WARN,
            id="a new column",
        ),
        pytest.param(
            replace(CLEAN, implausible={**CLEAN.implausible, "total_is_never_negative": 1}),
            remember(told()),
            CheckName.VALUES_ARE_PLAUSIBLE,
            WARN,
            id="an amount below zero",
        ),
    ],
)
def test_a_defect_fails_its_own_claim_and_no_other(
    table: TableInspection, loads: LoadHistory, claim: CheckName, severity: object
) -> None:
    failed = Judge().judge(table, loads=loads)

    assert set(failed) == {claim}
    assert failed[claim].severity is severity


def test_repeated_keys_are_counted_and_sampled() -> None:
    verdict = judge_uniqueness(gather(replace(CLEAN, rows_with_repeated_key=3, samples={"thing_id": ("1", "2")})))

    assert verdict.offences == (Offence(what="thing_id", says="is repeated", rows=3, sample_keys=("1", "2")),)
    assert verdict.sql == CLEAN.sql


def test_missing_keys_are_counted() -> None:
    verdict = judge_presence(gather(replace(CLEAN, rows_without_key=2)))

    assert verdict.offences == (Offence(what="thing_id", says="is missing", rows=2),)
    assert verdict.sql == CLEAN.sql


def test_each_required_column_has_its_rows_and_samples() -> None:
    table = replace(
        CLEAN, missing={"thing_id": 4, "name": 1, "total": 2}, samples={"name": ("7",), "total": ("8", "9")}
    )

    assert judge_required_columns(gather(table)).offences == (
        Offence(what="name", says="is missing", rows=1, sample_keys=("7",)),
        Offence(what="total", says="is missing", rows=2, sample_keys=("8", "9")),
    )


def test_a_column_that_turns_empty_warns_with_the_day_since_which_it_is() -> None:
    judge = Judge()
    judge.judge()

    failed = judge.judge(without_note(), day=2)

    verdict = failed[CheckName.REQUIRED_COLUMNS_ARE_PRESENT]
    assert set(failed) == {CheckName.REQUIRED_COLUMNS_ARE_PRESENT}
    assert verdict.offences == (Offence(what="note", says="has no value any more, since 2026-03-10"),)
    assert verdict.severity is WARN


def test_a_missing_value_is_worse_than_a_column_that_turned_empty() -> None:
    judge = Judge()
    judge.judge()

    failed = judge.judge(replace(without_note(), missing={**CLEAN.missing, "name": 1}))

    verdict = failed[CheckName.REQUIRED_COLUMNS_ARE_PRESENT]
    assert [offence.what for offence in verdict.offences] == ["name", "note"]
    assert verdict.severity is ERROR


def test_a_column_that_turned_empty_is_news_for_thirty_days_and_then_no_more() -> None:
    judge = Judge()
    judge.judge()

    news = {day: judge.judge(without_note(), day=day) for day in (1, 2, 15, 31, 32, 33, 100)}

    assert [day for day, failed in news.items() if failed] == [1, 2, 15, 31]
    assert {o.says for failed in news.values() for v in failed.values() for o in v.offences} == {
        "has no value any more, since 2026-03-09"
    }
    assert timedelta(days=30) == NEW_NORMAL


@pytest.mark.parametrize("days_empty", [1, 40], ids=["while it was news", "when it was no news any more"])
def test_a_column_that_is_filled_again_passes_and_is_news_when_it_turns_empty_again(days_empty: int) -> None:
    judge = Judge()
    judge.judge()
    for day in range(1, days_empty + 1):
        judge.judge(without_note(), day=day)

    assert judge.judge(day=50) == {}

    failed = judge.judge(without_note(), day=51)
    (offence,) = failed[CheckName.REQUIRED_COLUMNS_ARE_PRESENT].offences
    assert offence.says == f"has no value any more, since {TODAY + 51 * DAY}"


def test_a_column_that_was_never_filled_has_not_turned_empty() -> None:
    judge = Judge()

    assert judge.judge(without_note()) == {}
    assert judge.judge(without_note(), day=1) == {}


@pytest.mark.parametrize(("rows", "is_news"), [(2, False), (3, True)], ids=["of two rows", "of three rows"])
def test_a_few_values_may_go_by_chance(rows: int, is_news: bool) -> None:
    judge = Judge()
    judge.judge(without_note(rows))

    assert bool(judge.judge(without_note(), day=1)) is is_news


def test_a_column_that_the_source_no_longer_sends_fails_and_is_not_also_called_empty() -> None:
    judge = Judge()
    judge.judge()

    failed = judge.judge(without_note(), loads=remember(NO_LONGER_SENT), day=1)

    assert set(failed) == {CheckName.COLUMNS_MATCH_CATALOG}
    verdict = failed[CheckName.COLUMNS_MATCH_CATALOG]
    assert verdict.offences == (Offence(what="note", says="is no longer sent by the source, since 2026-03-09"),)
    assert verdict.severity is ERROR


def test_a_column_that_is_no_longer_sent_is_news_for_thirty_days_and_then_neither_unsent_nor_empty() -> None:
    judge = Judge()
    judge.judge()

    news = {day: judge.judge(without_note(), loads=remember(NO_LONGER_SENT), day=day) for day in (1, 2, 31, 32, 70)}

    assert {day: set(failed) for day, failed in news.items()} == {
        1: {CheckName.COLUMNS_MATCH_CATALOG},
        2: {CheckName.COLUMNS_MATCH_CATALOG},
        31: {CheckName.COLUMNS_MATCH_CATALOG},
        32: set(),
        70: set(),
    }


def test_a_column_that_is_sent_again_passes_and_is_news_when_it_is_lost_again() -> None:
    judge = Judge()
    judge.judge()
    judge.judge(without_note(), loads=remember(NO_LONGER_SENT), day=1)

    assert judge.judge(day=2) == {}

    failed = judge.judge(without_note(), loads=remember(NO_LONGER_SENT), day=3)
    (offence,) = failed[CheckName.COLUMNS_MATCH_CATALOG].offences
    assert offence.says == "is no longer sent by the source, since 2026-03-11"


def test_a_column_that_was_never_sent_is_not_missed() -> None:
    judge = Judge()
    loads = remember(NO_LONGER_SENT)

    assert judge.judge(without_note(), loads=loads) == {}
    assert judge.judge(without_note(), loads=loads, day=1) == {}


def test_a_column_that_only_some_rows_had_is_not_missed() -> None:
    judge = Judge()
    judge.judge(loads=remember(told(always_sent=SENT - {"note"})))

    assert judge.judge(loads=remember(NO_LONGER_SENT), day=1) == {}


def test_an_incremental_read_without_a_column_says_nothing_about_it() -> None:
    judge = Judge()
    judge.judge()

    assert judge.judge(loads=remember(replace(NO_LONGER_SENT, window=WINDOW), told()), day=1) == {}


@pytest.mark.parametrize("loads", [LoadHistory(), remember(told(WINDOW))], ids=["no load", "only an incremental one"])
def test_what_was_sent_once_is_remembered_where_no_complete_read_is_known(loads: LoadHistory) -> None:
    judge = Judge()
    judge.judge()
    judge.judge(loads=loads, day=1)

    assert set(judge.judge(loads=remember(NO_LONGER_SENT), day=2)) == {CheckName.COLUMNS_MATCH_CATALOG}


def test_an_empty_complete_read_takes_back_nothing_of_what_was_sent() -> None:
    judge = Judge()
    judge.judge()
    judge.judge(loads=remember(told(source_rows=0, always_sent=frozenset())), day=1)

    assert set(judge.judge(loads=remember(NO_LONGER_SENT), day=2)) == {CheckName.COLUMNS_MATCH_CATALOG}


@pytest.mark.parametrize(
    ("new_columns", "on_the_wire"),
    [({"surprise": "number"}, "number"), ({}, "not seen")],
    ids=["with a value in the last load", "from an earlier load"],
)
def test_a_new_column_is_named_with_its_types(new_columns: dict[str, str], on_the_wire: str) -> None:
    table = replace(CLEAN, types=TYPES | {"surprise": "text"})

    verdict = judge_columns(gather(table, loads=remember(told(new_columns=new_columns))))

    assert verdict.offences == (Offence(what="surprise", says=f"is new: text in the table, {on_the_wire} on the wire"),)
    assert verdict.severity is WARN


def test_a_custom_field_is_no_surprise() -> None:
    verdict = judge_columns(gather(replace(CLEAN, types=TYPES | {"cf_region": "text", "cf_term": "text"})))

    assert verdict.offences == ()
    assert verdict.numbers == {"columns": len(TYPES) + 2, "custom_columns": 2}


def test_new_columns_are_told_apart_from_custom_ones_in_the_numbers() -> None:
    verdict = judge_columns(gather(replace(CLEAN, types=TYPES | {"cf_region": "text", "surprise": "text"})))

    assert verdict.numbers == {"columns": len(TYPES) + 2, "custom_columns": 1}


def test_a_type_that_changed_and_a_column_that_is_gone_are_named() -> None:
    types = {name: kind for name, kind in TYPES.items() if name != "note"} | {"total": "decimal(18, 2)"}

    verdict = judge_columns(gather(replace(CLEAN, types=types)))

    assert verdict.offences == (
        Offence(what="total", says="is decimal(18, 2), in the catalog decimal(28, 6)"),
        Offence(what="note", says="is not in the table"),
    )
    assert verdict.severity is ERROR


def test_the_mark_of_deletion_is_a_column_of_every_table() -> None:
    types = {name: kind for name, kind in TYPES.items() if name != "deleted_at"}

    verdict = judge_columns(gather(replace(CLEAN, types=types)))

    assert verdict.offences == (Offence(what="deleted_at", says="is not in the table"),)


def test_a_type_that_changed_is_worse_than_a_new_column() -> None:
    table = replace(CLEAN, types=TYPES | {"total": "text", "surprise": "text"})

    verdict = judge_columns(gather(table))

    assert [offence.what for offence in verdict.offences] == ["total", "surprise"]
    assert verdict.severity is ERROR


@pytest.mark.parametrize(("live", "missing"), [(9, 0), (10, 0), (7, 2)], ids=["as many", "one more", "two fewer"])
def test_after_a_complete_read_the_live_rows_are_those_that_it_returned(live: int, missing: int) -> None:
    verdict = judge_row_count(gather(replace(CLEAN, live_keys=live)))

    assert [offence.rows for offence in verdict.offences] == ([missing] if missing else [])
    assert verdict.numbers == {"source_rows": 9, "live_rows": live, "rows_missing": missing}


def test_a_row_that_is_missing_is_told_with_the_read_that_returned_it() -> None:
    loads = remember(told(source_rows=12_000))

    verdict = judge_row_count(gather(replace(CLEAN, live_keys=11_999), loads=loads))

    assert verdict.offences == (
        Offence(
            what="the last complete read", says="of 2026-03-08 12:00 UTC returned 12,000 rows, 11,999 are there", rows=1
        ),
    )
    assert verdict.severity is ERROR


def test_after_an_incremental_read_its_window_is_compared_too() -> None:
    incremental = told(WINDOW, started_at=STARTED_AT + DAY, source_rows=4)
    table = replace(CLEAN, live_keys=10, keys_in_window=3)

    verdict = judge_row_count(gather(table, loads=remember(incremental, told())))

    assert verdict.offences == (
        Offence(what="the last read", says="of 2026-03-09 12:00 UTC returned 4 rows, 3 are there", rows=1),
    )


def test_a_complete_read_is_compared_once() -> None:
    table = replace(CLEAN, live_keys=8, keys_in_window=8)

    assert len(judge_row_count(gather(table)).offences) == 1


def test_rows_that_both_reads_returned_are_missing_from_both() -> None:
    table = replace(CLEAN, live_keys=8, keys_in_window=2)

    verdict = judge_row_count(gather(table, loads=remember(told(WINDOW, source_rows=4), told())))

    assert [(offence.what, offence.rows) for offence in verdict.offences] == [
        ("the last complete read", 1),
        ("the last read", 2),
    ]
    assert verdict.numbers == {"source_rows": 9, "live_rows": 8, "rows_missing": 3}


def test_rows_of_a_window_do_not_make_up_for_those_of_the_complete_read() -> None:
    """The window's new rows are in the table beside the old ones: fewer live rows than before are still a loss."""
    table = replace(CLEAN, live_keys=8, keys_in_window=4)

    verdict = judge_row_count(gather(table, loads=remember(told(WINDOW, source_rows=4), told())))

    assert [offence.what for offence in verdict.offences] == ["the last complete read"]


def test_before_any_complete_read_the_window_is_what_is_compared() -> None:
    table = replace(CLEAN, live_keys=3, keys_in_window=3)

    verdict = judge_row_count(gather(table, loads=remember(told(WINDOW, source_rows=4))))

    assert [(offence.what, offence.rows) for offence in verdict.offences] == [("the last read", 1)]
    assert verdict.numbers == {"source_rows": 4, "live_rows": 3, "rows_missing": 1}


def test_a_window_that_could_not_be_counted_is_not_compared() -> None:
    verdict = judge_row_count(gather(loads=remember(told(WINDOW, source_rows=4), told())))

    assert verdict.offences == ()


def test_without_a_load_there_is_nothing_to_compare_with_and_that_is_said() -> None:
    verdict = judge_row_count(gather(loads=LoadHistory()))

    assert verdict.offences == ()
    assert verdict.remark == "This Dagster instance knows of no load: nothing to compare with."


def test_without_a_load_no_claim_fails() -> None:
    assert Judge().judge(loads=LoadHistory()) == {}


def test_rules_that_are_broken_are_told_in_their_own_words() -> None:
    table = replace(
        CLEAN,
        implausible={"total_is_never_negative": 2, "status_is_known": 0},
        samples={"total_is_never_negative": ("3", "4")},
    )

    verdict = judge_plausibility(gather(table))

    assert verdict.offences == (
        Offence(
            what="total_is_never_negative", says="is broken (total is never below zero)", rows=2, sample_keys=("3", "4")
        ),
    )
    assert (verdict.severity, verdict.numbers, verdict.sql) == (WARN, {"rules_judged": 2}, CLEAN.sql)


BELONGINGS = replace(
    THINGS,
    references=(Reference(column="name", resource="owners"), Reference(column="note", resource="places")),
)


def test_orphans_are_told_with_the_table_in_which_they_are_not() -> None:
    found = ReferenceInspection(rows=9, orphans={"name": 0, "note": 2}, samples={"note": ("1", "2")}, sql="SELECT")

    verdict = judge_references(BELONGINGS, found)

    assert verdict.offences == (
        Offence(what="note", says="refers to a row that is not in places", rows=2, sample_keys=("1", "2")),
    )
    assert (verdict.severity, verdict.numbers, verdict.sql) == (WARN, {"rows": 9}, "SELECT")


def test_references_that_are_all_resolved_fail_nothing() -> None:
    found = ReferenceInspection(rows=9, orphans={"name": 0, "note": 0}, samples={})

    assert judge_references(BELONGINGS, found).offences == ()


def test_a_table_that_is_not_there_resolves_nothing_and_is_named() -> None:
    found = ReferenceInspection(rows=0, orphans={}, samples={}, missing_tables=("things", "places"))

    verdict = judge_references(BELONGINGS, found)

    assert [offence.what for offence in verdict.offences] == ["things", "places"]
    assert {offence.says for offence in verdict.offences} == {"has no table yet: materialize its asset first"}
    assert verdict.severity is WARN


@pytest.mark.parametrize("claim", TABLE_CLAIMS, ids=lambda claim: claim.name)
def test_a_claim_about_a_table_that_is_not_there_fails_as_badly_as_it_can(claim: TableClaim) -> None:
    verdict = judge_missing_tables(["things"], claim)

    assert [offence.what for offence in verdict.offences] == ["things"]
    assert verdict.severity is claim.severity


def test_what_is_remembered_outlives_a_table() -> None:
    memory = {"filled": ["note"], "turned_empty": {}}

    assert judge_missing_tables(["things"], TABLE_CLAIMS[2], memory).memory == memory


def test_every_check_of_a_table_is_a_claim_and_says_what_to_do() -> None:
    claims = [*TABLE_CLAIMS, REFERENCES]

    assert {claim.name for claim in claims} == set(CheckName) - {CheckName.IS_FRESH}
    assert all(claim.description and claim.what_to_do for claim in claims)


def test_a_claim_that_leaves_a_memory_is_one_that_remembers() -> None:
    assert {claim.name for claim in TABLE_CLAIMS if claim.judge(gather()).memory} == {
        claim.name for claim in TABLE_CLAIMS if claim.remembers
    }
