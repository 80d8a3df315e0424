"""`check_observations.py`, read from both storages: every evaluation counts, and so does a check that was left out."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest
from dagster import (
    AssetCheckEvaluation,
    AssetCheckKey,
    DagsterEvent,
    DagsterEventType,
    DagsterInstance,
    DagsterRun,
)
from sqlalchemy import event
from sqlalchemy.engine import Engine

from invoice_assets.alerts.observations import Observation, Report, Severity
from invoice_assets.api.errors import InvalidResponseError
from invoice_assets.defs.alerting.check_observations import RECORDS_PER_QUERY, CheckObservations
from invoice_assets.defs.schedules import RANGE_END_TAG, RANGE_START_TAG
from invoice_assets_tests.defs.alerting.location import (
    FAILED,
    FRESH,
    IN_STEP,
    INVOICES,
    PASSED,
    PLAUSIBLE,
    RETRIED_ONCE,
    UNIQUE,
    USERS,
    WARNED,
    Location,
)

ALWAYS = 0.0
ABOUT_THE_SCHEMA = ("secondary_indexes", "pg_catalog", "sqlite_master", "alembic_version")
UI = "http://dagster.example.com"


@pytest.fixture
def location(instance: DagsterInstance) -> Location:
    return Location(instance=instance)


def read(location: Location) -> CheckObservations:
    graph = location.repository.asset_graph
    return CheckObservations(
        instance=location.instance,
        specs={key: graph.get_check_spec(key) for key in graph.asset_check_keys},
        webserver_url=UI,
    )


def states_of(key: AssetCheckKey, observations: Sequence[Observation]) -> list[Severity | str | None]:
    """What a check was seen to be, oldest first: its severity, or its cause where it has one."""
    subject = f"{key.asset_key.to_user_string()}:{key.name}"
    return [seen.cause or seen.severity for seen in observations if seen.subject == subject]


def left_out(observations: Sequence[Observation]) -> set[str]:
    return {seen.report.title for seen in observations if seen.cause == "not run"}


def test_every_evaluation_is_observed_whoever_made_it(location: Location) -> None:
    location.run()
    location.results[UNIQUE] = FAILED
    location.run("check")
    location.report(UNIQUE, PASSED)
    location.report(UNIQUE, WARNED)

    observations = read(location).read_since(ALWAYS)

    assert states_of(UNIQUE, observations) == [None, Severity.ERROR, None, Severity.WARN]
    assert states_of(IN_STEP, observations) == [None]
    assert [seen.at for seen in observations] == sorted(seen.at for seen in observations)


def test_a_look_sees_what_is_newer_than_its_instant_and_sees_it_again(location: Location) -> None:
    location.report(UNIQUE, PASSED)
    location.report(UNIQUE, FAILED)
    location.run("check")
    first, *later = read(location).read_since(ALWAYS)

    assert read(location).read_since(first.at) == later
    assert read(location).read_since(first.at) == later
    assert read(location).read_since(later[-1].at) == []


def test_a_failure_is_told_with_its_rows_its_keys_its_partition_and_its_links(location: Location) -> None:
    location.results[UNIQUE] = FAILED
    run = location.run(tags={RANGE_START_TAG: "2024-01-01", RANGE_END_TAG: "2024-01-03"}, assets=[INVOICES])

    failure = next(seen for seen in read(location).read_since(ALWAYS) if seen.severity)

    assert failure.resource == "invoices"
    assert failure.report == Report(
        title="invoices: primary_key_is_unique",
        summary="2 of 9 rows share a key.",
        what_to_do="Mend primary_key_is_unique.",
        rows=2,
        sample_keys=("460001", "460002"),
        partition="2024-01-01...2024-01-03",
        links=(
            ("the check", f"{UI}/assets/invoicing/invoices?view=checks&checkDetail=primary_key_is_unique"),
            ("the run", f"{UI}/runs/{run.dagster_run.run_id}"),
        ),
    )


def test_of_the_metadata_only_counts_and_keys_are_told(location: Location) -> None:
    location.report(UNIQUE, FAILED)

    assert "Planted Customer" not in repr(read(location).read_since(ALWAYS))


def test_a_result_without_a_run_has_no_link_to_one(location: Location) -> None:
    location.report(UNIQUE, FAILED)

    (failure,) = read(location).read_since(ALWAYS)

    assert [text for text, _ in failure.report.links] == ["the check"]
    assert failure.report.partition is None


def test_all_pages_of_a_busy_check_are_read(location: Location) -> None:
    for _ in range(RECORDS_PER_QUERY + 2):
        location.report(PLAUSIBLE, PASSED)
        location.report(PLAUSIBLE, WARNED)

    observations = read(location).read_since(ALWAYS)

    assert states_of(PLAUSIBLE, observations) == [None, Severity.WARN] * (RECORDS_PER_QUERY + 2)


def test_a_run_that_was_planned_first_and_checks_last_is_observed(location: Location) -> None:
    """Dagster keeps a check's records in the order in which their runs were created, not evaluated."""
    instance, job = location.instance, location.definitions.resolve_job_def("check")
    first, second = instance.create_run_for_job(job), instance.create_run_for_job(job)
    evaluate(instance, second, passed=True)
    (seen,) = read(location).read_since(ALWAYS)
    evaluate(instance, first, passed=False)

    assert states_of(UNIQUE, read(location).read_since(seen.at)) == [Severity.ERROR]


def evaluate(instance: DagsterInstance, run: DagsterRun, *, passed: bool) -> None:
    """Let a run that has been created start, and evaluate one check."""
    started = DagsterEvent(event_type_value=DagsterEventType.RUN_START.value, job_name=run.job_name)
    evaluation = AssetCheckEvaluation(asset_key=INVOICES, check_name=UNIQUE.name, passed=passed, metadata={})
    evaluated = DagsterEvent(
        event_type_value=DagsterEventType.ASSET_CHECK_EVALUATION.value,
        job_name=run.job_name,
        event_specific_data=evaluation,
    )
    for dagster_event in (started, evaluated):
        instance.report_dagster_event(dagster_event, run_id=run.run_id)


def test_a_check_that_was_left_out_of_a_load_has_failed(location: Location) -> None:
    location.run(assets=[INVOICES])
    run = location.run("load_unchecked")

    observations = read(location).read_since(ALWAYS)

    assert states_of(UNIQUE, observations) == [None, "not run"]
    assert states_of(PLAUSIBLE, observations) == [None, "not run"]
    assert states_of(FRESH, observations) == [None]
    missed = next(seen for seen in observations if seen.cause)
    assert (missed.severity, missed.at) == (Severity.ERROR, run.end_time)
    assert missed.report.links[-1] == ("the run", f"{UI}/runs/{run.dagster_run.run_id}")


def test_a_check_that_was_left_out_recovers_when_it_runs(location: Location) -> None:
    location.run("load_unchecked")
    location.run("check")

    assert states_of(UNIQUE, read(location).read_since(ALWAYS)) == ["not run", None]


def test_a_check_that_raises_was_left_out(location: Location) -> None:
    location.errors["check_invoices"] = InvalidResponseError("no answer")
    location.run()

    assert left_out(read(location).read_since(ALWAYS)) == {
        "invoices: primary_key_is_unique",
        "invoices: values_are_plausible",
    }


def test_the_checks_of_a_load_that_failed_were_not_due(location: Location) -> None:
    """The load itself is told of: by run_failure_alerts."""
    location.errors["load_invoices"] = InvalidResponseError("no answer")
    location.run()

    assert left_out(read(location).read_since(ALWAYS)) == set()


def test_a_materialization_that_is_reported_by_hand_makes_no_check_due(location: Location) -> None:
    location.run(assets=[INVOICES])
    location.report_materialization(INVOICES)
    location.report_materialization(USERS)

    assert left_out(read(location).read_since(ALWAYS)) == set()


def test_a_check_that_was_declared_after_the_load_is_only_new(location: Location) -> None:
    location.run(assets=[INVOICES])
    later = Location(instance=location.instance, more_checks=("columns_match_catalog",))

    assert left_out(read(later).read_since(ALWAYS)) == set()

    later.run("load_unchecked")
    assert "invoices: columns_match_catalog" in left_out(read(later).read_since(ALWAYS))


def test_a_load_that_is_retried_is_judged_by_its_last_retry(location: Location) -> None:
    location.errors["check_invoices"] = InvalidResponseError("no answer")
    first = location.run(tags=RETRIED_ONCE, assets=[INVOICES])
    assert left_out(read(location).read_since(ALWAYS)) == set()

    retry = location.retry(first, "check")

    missed = [seen for seen in read(location).read_since(ALWAYS) if seen.cause]
    assert {seen.at for seen in missed} == {retry.end_time}
    assert states_of(UNIQUE, missed) == ["not run"]


def test_a_check_that_a_retry_has_run_was_not_left_out(location: Location) -> None:
    location.errors["check_invoices"] = InvalidResponseError("no answer")
    first = location.run(tags=RETRIED_ONCE, assets=[INVOICES])
    del location.errors["check_invoices"]
    location.retry(first, "check")

    observations = read(location).read_since(ALWAYS)

    assert left_out(observations) == set()
    assert states_of(UNIQUE, observations) == [None]


def test_the_current_state_is_the_latest_of_each_check(location: Location) -> None:
    location.report(UNIQUE, FAILED)
    location.report(PLAUSIBLE, WARNED)
    location.run("load_unchecked")
    location.report(UNIQUE, PASSED)

    current = read(location).read_current()

    assert {seen.report.title: seen.cause or seen.severity for seen in current} == {
        "invoices: primary_key_is_unique": None,
        "invoices: values_are_plausible": "not run",
    }


def test_an_empty_history_has_nothing_to_observe(location: Location) -> None:
    assert read(location).read_current() == []
    assert read(location).read_since(ALWAYS) == []


def test_a_look_at_a_history_in_which_nothing_happened_is_three_queries(location: Location) -> None:
    run, reader = location.run(assets=[INVOICES]), read(location)
    assert run.end_time is not None
    reader.read_since(run.end_time)

    with count_queries() as statements:
        assert reader.read_since(run.end_time) == []

    assert len(statements) == 3


@contextmanager
def count_queries() -> Iterator[list[str]]:
    """The SELECTs that are sent to any database while the context is open; Dagster also asks for the schema's state."""
    statements: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if statement.startswith("SELECT") and not any(name in statement for name in ABOUT_THE_SCHEMA):
            statements.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield statements
    finally:
        event.remove(Engine, "before_cursor_execute", note)
