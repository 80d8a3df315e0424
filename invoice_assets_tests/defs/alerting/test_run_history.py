"""`run_history.py`: which runs a look reads, and what of one is told."""

from pathlib import Path

import pytest
from dagster import DagsterEventType, DagsterInstance, DagsterRun, DagsterRunStatus, job, op
from dagster._core.storage.tags import MAX_RETRIES_TAG, PARTITION_NAME_TAG, WILL_RETRY_TAG

from invoice_assets.defs.alerting.run_history import (
    ended_at,
    is_settled,
    name_partition,
    read_ended_runs,
    read_events,
    read_latest_runs,
    read_runs,
    read_runs_under_way,
)
from invoice_assets.defs.schedules import RANGE_END_TAG, RANGE_START_TAG
from invoice_assets_tests.defs.alerting.conftest import open_instance


@op
def nothing() -> None: ...


@job
def do_nothing() -> None:
    nothing()


def fail_runs(instance: DagsterInstance, count: int) -> list[str]:
    """The ids of runs that have failed, one after the other."""
    runs = [instance.create_run_for_job(do_nothing) for _ in range(count)]
    for run in runs:
        instance.report_run_failed(run)
    return [run.run_id for run in runs]


def test_the_runs_that_ended_since_an_instant_are_read_oldest_first(instance: DagsterInstance) -> None:
    """Where they are more than a page, too, and on a database whose clock is hours off."""
    run_ids = fail_runs(instance, 3)
    everything = read_ended_runs(instance, since=0.0, page_size=1)

    assert [record.dagster_run.run_id for record in everything] == run_ids
    assert read_ended_runs(instance, since=ended_at(everything[-2]), page_size=1) == everything[-1:]
    assert read_latest_runs(instance, limit=2) == everything[-2:]


def test_a_run_that_was_created_first_and_ends_last_is_read(instance: DagsterInstance) -> None:
    slow, quick = instance.create_run_for_job(do_nothing), instance.create_run_for_job(do_nothing)
    instance.report_run_failed(quick)
    (record,) = read_ended_runs(instance, since=0.0)
    instance.report_run_failed(slow)

    assert [seen.dagster_run.run_id for seen in read_ended_runs(instance, since=ended_at(record))] == [slow.run_id]


def test_a_run_that_is_launched_is_not_under_way(instance: DagsterInstance) -> None:
    launched = instance.create_run_for_job(do_nothing, status=DagsterRunStatus.STARTING)
    started = instance.create_run_for_job(do_nothing, status=DagsterRunStatus.STARTED)

    assert [record.dagster_run.run_id for record in read_runs_under_way(instance)] == [started.run_id]
    assert set(read_runs(instance, [launched.run_id, "deleted"])) == {launched.run_id}


def test_no_id_asks_for_no_run(instance: DagsterInstance) -> None:
    """An empty filter of Dagster's means all runs."""
    fail_runs(instance, 1)

    assert read_runs(instance, []) == {}


def test_all_pages_of_a_log_are_read(instance: DagsterInstance) -> None:
    (run_id,) = fail_runs(instance, 1)
    for number in range(3):
        instance.report_engine_event(str(number), instance.get_run_by_id(run_id))

    events = read_events(instance, run_id, {DagsterEventType.ENGINE_EVENT}, page_size=2)

    assert [entry.get_dagster_event().message for entry in events] == ["0", "1", "2"]


@pytest.mark.parametrize(
    ("status", "tags", "expected"),
    [
        pytest.param(DagsterRunStatus.SUCCESS, {}, True, id="success"),
        pytest.param(DagsterRunStatus.CANCELED, {}, True, id="cancelled"),
        pytest.param(DagsterRunStatus.STARTED, {}, False, id="under-way"),
        pytest.param(DagsterRunStatus.FAILURE, {WILL_RETRY_TAG: "true"}, False, id="to-be-retried"),
        pytest.param(DagsterRunStatus.FAILURE, {WILL_RETRY_TAG: "false"}, True, id="not-to-be-retried"),
        pytest.param(DagsterRunStatus.FAILURE, {}, False, id="not-yet-decided"),
    ],
)
def test_a_run_is_settled_once_no_retry_can_follow(
    tmp_path: Path, status: DagsterRunStatus, tags: dict[str, str], expected: bool
) -> None:
    run = DagsterRun(job_name="do_nothing", run_id="1", status=status, tags=tags)
    with open_instance(tmp_path / "dagster", {}) as instance:
        assert is_settled(instance, run) is expected


def test_without_run_retries_every_failure_is_settled(tmp_path: Path) -> None:
    run = DagsterRun(job_name="do_nothing", run_id="1", status=DagsterRunStatus.FAILURE, tags={MAX_RETRIES_TAG: "3"})

    with open_instance(tmp_path / "dagster", {"run_retries": {"enabled": False}}) as instance:
        assert is_settled(instance, run)


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        pytest.param({RANGE_START_TAG: "a", RANGE_END_TAG: "b"}, "a...b", id="several"),
        pytest.param({RANGE_START_TAG: "a", RANGE_END_TAG: "a"}, "a", id="several-that-are-one"),
        pytest.param({PARTITION_NAME_TAG: "a"}, "a", id="one"),
        pytest.param({}, None, id="none"),
    ],
)
def test_a_partition_is_named_by_the_tags_of_its_run(tags: dict[str, str], expected: str | None) -> None:
    assert name_partition(DagsterRun(job_name="load", run_id="1", tags=tags)) == expected
