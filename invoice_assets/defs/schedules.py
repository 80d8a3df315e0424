"""Jobs and schedules, one pair per task: what is due when, and for which partitions.

They select by the catalog's cadence, never by a list of names. A schedule asks for what is missing, not only for the
latest partition: Dagster's own partitioned schedules never catch up after an outage.
https://docs.dagster.io/guides/automate/schedules
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import partial
from zoneinfo import ZoneInfo

from dagster import (
    AssetKey,
    AssetRecordsFilter,
    AssetSelection,
    DagsterInstance,
    DefaultScheduleStatus,
    JobDefinition,
    RunRequest,
    ScheduleDefinition,
    ScheduleEvaluationContext,
    SkipReason,
    TimeWindowPartitionsDefinition,
    define_asset_job,
)
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition
from dagster._core.storage.tags import ASSET_PARTITION_RANGE_END_TAG, ASSET_PARTITION_RANGE_START_TAG
from dagster._utils.schedules import is_valid_cron_schedule

from invoice_assets.defs.load_metadata import COMPLETE_PARTITION
from invoice_assets.defs.partitions import build_partitions
from invoice_assets.defs.translator import build_asset_key, describe_tags
from invoice_assets.resource_spec import Cadence, ResourceSpec, qualify
from invoice_assets.settings import Settings
from invoice_assets.variables import SettingsError

RANGE_START_TAG = ASSET_PARTITION_RANGE_START_TAG
RANGE_END_TAG = ASSET_PARTITION_RANGE_END_TAG

Requests = Iterator[RunRequest | SkipReason]
Evaluation = Callable[[ScheduleEvaluationContext], Requests]


@dataclass(frozen=True, kw_only=True)
class Automation:
    """The jobs and the schedules of one deployment."""

    jobs: Sequence[UnresolvedAssetJobDefinition]
    schedules: Sequence[ScheduleDefinition]


def build_automation(catalog: Mapping[str, ResourceSpec], settings: Settings) -> Automation:
    """A job per cadence and one for all checks, and the schedules that keep the tables equal to the source."""
    assets = _group_by_cadence(catalog)
    jobs = {cadence: _build_job(cadence, keys, settings) for cadence, keys in assets.items()}
    transactions, partitions = assets[Cadence.TRANSACTIONS], build_partitions(Cadence.TRANSACTIONS, settings)
    if partitions is None:
        raise TypeError("the transactions are partitioned")
    build = partial(build_schedule, settings)
    check_tables = _build_check_job([key for keys in assets.values() for key in keys], settings)
    return Automation(
        jobs=[*jobs.values(), check_tables],
        schedules=[
            build(
                "catch_up_transactions",
                settings.cron_catch_up,
                jobs[Cadence.TRANSACTIONS],
                lambda context: request_missing_days(context, partitions, transactions, days=settings.catch_up_days),
                "Loads yesterday's partition, and those of the last days that were missed, in one run.",
            ),
            build(
                "refresh_today",
                settings.cron_today,
                jobs[Cadence.TRANSACTIONS],
                lambda context: request_today(context, partitions),
                "Loads today's partition again, so that the tables follow the day.",
            ),
            build(
                "snapshot_reference",
                settings.cron_snapshot,
                jobs[Cadence.REFERENCE],
                request_run,
                "Reads the reference resources whole and marks what is gone.",
            ),
            build(
                "reconcile_transactions",
                settings.cron_reconciliation,
                jobs[Cadence.TRANSACTIONS],
                lambda context: request_everything(context, partitions, transactions),
                "Reads the transactions whole, one run each: marks deletions, refreshes what changes without a stamp.",
            ),
            build(
                "recheck_tables",
                settings.cron_checks,
                check_tables,
                request_run,
                "Runs all checks on the tables as they are: notices what changed between loads, and that none came.",
            ),
        ],
    )


def find_wrong_crons(settings: Settings) -> Iterator[SettingsError]:
    """An error for each variable INVOICE_CRON_… by which Dagster can make no schedule."""
    for field in fields(settings):
        cron = getattr(settings, field.name)
        if field.name.startswith("cron_") and not is_valid_cron_schedule(cron):
            yield SettingsError(f"INVOICE_{field.name.upper()} is {cron!r}: set it to five fields, such as 5 * * * *.")


def build_schedule(
    settings: Settings,
    name: str,
    cron: str,
    job: JobDefinition | UnresolvedAssetJobDefinition,
    evaluate: Evaluation,
    description: str,
) -> ScheduleDefinition:
    """A schedule in the settings' time zone, which starts switched on where everything does."""
    return ScheduleDefinition(
        name=qualify(name, settings.slug),
        cron_schedule=cron,
        execution_timezone=settings.time_zone,
        job=job,
        execution_fn=evaluate,
        description=description,
        default_status=DefaultScheduleStatus.RUNNING if settings.automation else DefaultScheduleStatus.STOPPED,
    )


def request_missing_days(
    context: ScheduleEvaluationContext,
    partitions: TimeWindowPartitionsDefinition,
    assets: Sequence[AssetKey],
    *,
    days: int,
) -> Requests:
    """One run from the first of the last `days` partitions that an asset lacks, or else yesterday, to yesterday."""
    finished = [key for key in _keys_until(context, partitions) if key < _today(context, partitions)]
    if not finished:
        yield SkipReason("No day is over since INVOICE_START_DATE.")
        return
    recent = finished[-max(days, 1) :]
    complete = [find_complete_partitions(context.instance, asset, recent) for asset in assets]
    missing = [key for key in recent if not all(key in keys for keys in complete)]
    yield _request_range(context, (missing or finished[-1:])[0], finished[-1])


def find_complete_partitions(instance: DagsterInstance, asset: AssetKey, keys: Sequence[str]) -> set[str]:
    """Those of the partitions that were loaded after their day was over.

    Today's partition is loaded every hour: that it was materialized does not yet mean that its evening is there.
    """
    complete: set[str] = set()
    cursor, has_more = None, True
    while has_more:
        found = instance.fetch_materializations(
            AssetRecordsFilter(asset_key=asset, asset_partitions=keys), limit=1_000, cursor=cursor
        )
        for record in found.records:
            materialization = record.asset_materialization
            flag = materialization.metadata.get(COMPLETE_PARTITION) if materialization else None
            if record.partition_key and flag is not None and flag.value:
                complete.add(record.partition_key)
        cursor, has_more = found.cursor, found.has_more
    return complete


def request_today(context: ScheduleEvaluationContext, partitions: TimeWindowPartitionsDefinition) -> Requests:
    """One run for the partition of the day on which the schedule ticks."""
    today = _today(context, partitions)
    if today not in _keys_until(context, partitions):
        yield SkipReason("INVOICE_START_DATE has not come yet.")
        return
    yield _request_range(context, today, today)


def request_run(context: ScheduleEvaluationContext) -> Requests:
    """One run of the whole job."""
    yield RunRequest(run_key=_tick(context))


def request_everything(
    context: ScheduleEvaluationContext, partitions: TimeWindowPartitionsDefinition, assets: Sequence[AssetKey]
) -> Requests:
    """One run per asset over all partitions, today's included: a complete read."""
    keys = _keys_until(context, partitions)
    if not keys:
        yield SkipReason("INVOICE_START_DATE has not come yet.")
        return
    for asset in assets:
        yield _request_range(context, keys[0], keys[-1], asset=asset)


def _build_job(cadence: Cadence, assets: Sequence[AssetKey], settings: Settings) -> UnresolvedAssetJobDefinition:
    return define_asset_job(
        qualify(f"load_{cadence}", settings.slug),
        selection=AssetSelection.assets(*assets),
        tags=describe_tags(cadence, settings.slug),
        description=f"Loads the resources of the cadence {cadence} and checks their tables.",
    )


def _group_by_cadence(catalog: Mapping[str, ResourceSpec]) -> dict[Cadence, list[AssetKey]]:
    return {
        cadence: [build_asset_key(spec) for spec in catalog.values() if spec.cadence is cadence] for cadence in Cadence
    }


def _build_check_job(assets: Sequence[AssetKey], settings: Settings) -> UnresolvedAssetJobDefinition:
    return define_asset_job(
        qualify("check_tables", settings.slug),
        selection=AssetSelection.checks_for_assets(*assets),
        description="Checks all tables as they are, without loading anything.",
    )


def _request_range(
    context: ScheduleEvaluationContext, first: str, last: str, *, asset: AssetKey | None = None
) -> RunRequest:
    """A run for consecutive partitions; its key has the tick in it, so that a partition can be asked for again."""
    subject = f"{asset.to_user_string()}/" if asset else ""
    return RunRequest(
        run_key=f"{subject}{first}...{last}@{_tick(context)}",
        tags={RANGE_START_TAG: first, RANGE_END_TAG: last},
        asset_selection=[asset] if asset else None,
    )


def _keys_until(context: ScheduleEvaluationContext, partitions: TimeWindowPartitionsDefinition) -> Sequence[str]:
    return partitions.get_partition_keys(current_time=context.scheduled_execution_time)


def _today(context: ScheduleEvaluationContext, partitions: TimeWindowPartitionsDefinition) -> str:
    return context.scheduled_execution_time.astimezone(ZoneInfo(partitions.timezone)).date().isoformat()


def _tick(context: ScheduleEvaluationContext) -> str:
    return context.scheduled_execution_time.isoformat()
