"""Runs as the instance remembers them: which have ended, which are under way, what of one can be told.

What is observed of them lives in `check_observations.py` and `run_observations.py`. Instants are those that Dagster's
processes wrote down: the columns that a PostgreSQL fills or compares itself are hours off where its time zone is not
UTC. https://docs.dagster.io/deployment/oss/oss-instance-architecture
"""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta

from dagster import (
    DagsterEventType,
    DagsterInstance,
    DagsterRun,
    DagsterRunStatus,
    EventLogEntry,
    RunRecord,
    RunsFilter,
)
from dagster._core.storage.tags import (
    ASSET_PARTITION_RANGE_END_TAG,
    ASSET_PARTITION_RANGE_START_TAG,
    PARTITION_NAME_TAG,
    ROOT_RUN_ID_TAG,
    WILL_RETRY_TAG,
)

ENDED = [DagsterRunStatus.SUCCESS, DagsterRunStatus.FAILURE, DagsterRunStatus.CANCELED]
UNDER_WAY = [DagsterRunStatus.STARTED, DagsterRunStatus.CANCELING]

RUNS_PER_QUERY = 25
EVENTS_PER_QUERY = 500

LARGEST_SHIFT = timedelta(hours=15)
"""Time zones reach 14 hours from UTC; a database's clock may be a little off besides."""


def read_ended_runs(instance: DagsterInstance, *, since: float, page_size: int = RUNS_PER_QUERY) -> list[RunRecord]:
    """The runs that ended after the instant (epoch seconds), oldest first; cancelled ones too.

    The last page is one of which no run ended since. Runs come forward when their tags are changed after their end, but
    not a page of them at a time.
    """
    limit = page_size
    while True:
        records = instance.get_run_records(
            RunsFilter(statuses=ENDED, updated_after=datetime.fromtimestamp(since, UTC) - LARGEST_SHIFT),
            limit=limit,
            order_by="update_timestamp",
        )
        ended = [record for record in records if ended_at(record) > since]
        if len(records) < limit or not any(ended_at(record) > since for record in records[-page_size:]):
            return sorted(ended, key=ended_at)
        limit *= 2


def read_latest_runs(instance: DagsterInstance, *, limit: int) -> list[RunRecord]:
    """The runs that ended last, oldest first."""
    records = instance.get_run_records(RunsFilter(statuses=ENDED), limit=limit, order_by="update_timestamp")
    return sorted(records, key=ended_at)


def read_runs_under_way(instance: DagsterInstance) -> list[RunRecord]:
    """The runs that have started and not ended."""
    return list(instance.get_run_records(RunsFilter(statuses=UNDER_WAY)))


def read_runs(instance: DagsterInstance, run_ids: Iterable[str]) -> dict[str, RunRecord]:
    """The runs with these ids, by id; deleted ones are missing."""
    wanted = list(set(run_ids))
    records = instance.get_run_records(RunsFilter(run_ids=wanted)) if wanted else []
    return {record.dagster_run.run_id: record for record in records}


def read_retries(instance: DagsterInstance, run: DagsterRun) -> list[RunRecord]:
    """The runs that executed this one again, or the one that it began with; newest first."""
    root = run.tags.get(ROOT_RUN_ID_TAG, run.run_id)
    return list(instance.get_run_records(RunsFilter(tags={ROOT_RUN_ID_TAG: root})))


def read_events(
    instance: DagsterInstance, run_id: str, of_type: set[DagsterEventType], *, page_size: int = EVENTS_PER_QUERY
) -> Iterator[EventLogEntry]:
    """The events of these types in one run's log, oldest first."""
    cursor, has_more = None, True
    while has_more:
        page = instance.get_records_for_run(run_id, cursor=cursor, of_type=of_type, limit=page_size)
        yield from (record.event_log_entry for record in page.records)
        cursor, has_more = page.cursor, page.has_more


def ended_at(record: RunRecord) -> float:
    """When a run that is over ended, in epoch seconds."""
    return record.update_timestamp.timestamp() if record.end_time is None else record.end_time


def is_settled(instance: DagsterInstance, run: DagsterRun) -> bool:
    """Whether the run is over and Dagster will not retry it: the last word on what it was to do.

    Between a run's failure and Dagster's decision on a retry there is a moment, in which the tag is missing.
    """
    if run.status is not DagsterRunStatus.FAILURE:
        return run.is_finished
    undecided = "true" if instance.run_retries_enabled else "false"
    return run.tags.get(WILL_RETRY_TAG, undecided) == "false"


def name_partition(run: DagsterRun) -> str | None:
    """The partition that a run was for, `first...last` for several, None for a run without."""
    first = run.tags.get(ASSET_PARTITION_RANGE_START_TAG)
    last = run.tags.get(ASSET_PARTITION_RANGE_END_TAG)
    if first and last:
        return first if first == last else f"{first}...{last}"
    return run.tags.get(PARTITION_NAME_TAG)


def link_run(webserver_url: str, run_id: str) -> tuple[str, str]:
    """The text and the address of a run's page in the UI."""
    return "the run", f"{webserver_url}/runs/{run_id}"
