"""Old runs: deleted once newer ones have replaced what they tell.

Dagster keeps the events of every run for ever; old ticks go by `retention` of `dagster.yaml`.
https://docs.dagster.io/deployment/oss/dagster-yaml#data-retention
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from dagster import (
    AssetRecordsFilter,
    DagsterEventType,
    DagsterInstance,
    DagsterRun,
    Definitions,
    EventLogRecord,
    JobDefinition,
    OpExecutionContext,
    RunsFilter,
    in_process_executor,
    job,
    op,
)
from dagster._core.storage.dagster_run import FINISHED_STATUSES

from invoice_assets.defs.schedules import build_schedule, request_run
from invoice_assets.settings import Settings

JOB_NAME = "purge_old_runs"
RUNS_AT_A_TIME = 100


def build_retention(settings: Settings) -> Definitions:
    """A job that deletes runs older than `INVOICE_KEEP_RUNS_DAYS`, and its schedule; nothing where all are kept."""
    if not settings.keep_runs_days:
        return Definitions()
    purge = _build_job(settings.keep_runs_days)
    description = f"Deletes runs that ended more than {settings.keep_runs_days} days ago and that newer ones replaced."
    return Definitions(
        jobs=[purge],
        schedules=[build_schedule(settings, JOB_NAME, settings.cron_purge, purge, request_run, description)],
    )


def find_replaced_runs(instance: DagsterInstance, *, ended_before: datetime) -> Iterator[DagsterRun]:
    """The runs that ended before then, but those that tell the newest of a partition, a table or a check."""
    wanted = RunsFilter(statuses=list(FINISHED_STATUSES), updated_before=ended_before)
    cursor = None
    while runs := instance.get_runs(wanted, cursor=cursor, limit=RUNS_AT_A_TIME):
        cursor = runs[-1].run_id
        yield from (run for run in runs if not _tells_the_newest(instance, run))


def _build_job(keep_days: int) -> JobDefinition:
    @op(description="Deletes what Dagster remembers of old runs; tables and tokens are none of its business.")
    def purge_runs(context: OpExecutionContext) -> None:
        instance, now = context.instance, datetime.now(UTC)
        replaced = list(find_replaced_runs(instance, ended_before=now - timedelta(days=keep_days)))
        for run in replaced:
            instance.delete_run(run.run_id)
        context.add_output_metadata({"runs_deleted": len(replaced)})

    @job(name=JOB_NAME, executor_def=in_process_executor, description="Deletes runs that newer ones have replaced.")
    def purge() -> None:
        purge_runs()

    return purge


def _tells_the_newest(instance: DagsterInstance, run: DagsterRun) -> bool:
    return any(
        _is_newest_materialization(instance, record)
        for record in _read_events(instance, run, DagsterEventType.ASSET_MATERIALIZATION)
    ) or any(
        _is_newest_evaluation(instance, record)
        for record in _read_events(instance, run, DagsterEventType.ASSET_CHECK_EVALUATION)
    )


def _read_events(instance: DagsterInstance, run: DagsterRun, kind: DagsterEventType) -> Iterator[EventLogRecord]:
    yield from instance.get_records_for_run(run.run_id, of_type=kind).records


def _is_newest_materialization(instance: DagsterInstance, record: EventLogRecord) -> bool:
    key, partition = record.asset_key, record.partition_key
    if key is None:
        return False
    newest = instance.fetch_materializations(
        AssetRecordsFilter(asset_key=key, asset_partitions=[partition] if partition else None), limit=1
    ).records
    return bool(newest) and newest[0].storage_id == record.storage_id


def _is_newest_evaluation(instance: DagsterInstance, record: EventLogRecord) -> bool:
    event = record.event_log_entry.dagster_event
    if event is None:
        return False
    key = event.asset_check_evaluation_data.asset_check_key
    newest = instance.event_log_storage.get_latest_asset_check_execution_by_key([key]).get(key)
    return newest is not None and newest.run_id == record.run_id
