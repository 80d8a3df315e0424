"""How each asset stands, as the Dagster instance remembers it: last load, rows, freshness, failing checks, next load.

Neither the API nor the warehouse is asked. What fails in words is the business of `alerting/`; how it is shown, of the
command line.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from dagster import AssetKey, DagsterInstance, DefaultScheduleStatus, RepositoryDefinition, ScheduleDefinition
from dagster._core.scheduler.instigation import InstigatorStatus, InstigatorType
from dagster._utils.schedules import cron_string_iterator

from invoice_assets.alerts.observations import Observation
from invoice_assets.defs.claims import WARN
from invoice_assets.defs.freshness import judge_freshness
from invoice_assets.defs.load_history import iterate_loads
from invoice_assets.defs.translator import build_asset_key
from invoice_assets.resource_spec import ResourceSpec
from invoice_assets.settings import Settings


class Freshness(StrEnum):
    """How closely a table follows its source, as the check `is_fresh` judges it."""

    FRESH = "fresh"
    LATE = "late"
    """The load that was due last is missing."""
    STALE = "stale"
    """The last two are."""
    NEVER_LOADED = "never loaded"


@dataclass(frozen=True, kw_only=True)
class AssetStatus:
    """How one table, view or report stands; None for what nobody knows, or it has not."""

    asset: str
    """`invoices`, or `acme/invoices` where there are several organisations; `reporting/top_debtors`."""
    time_zone: str
    loaded_at: datetime | None
    """When its last load began; when a view was made last."""
    rows: int | None = None
    """Live rows in the table after it."""
    freshness: Freshness | None = None
    """None for what follows its tables by itself."""
    failing_checks: tuple[str, ...]
    next_load_at: datetime | None
    """The next tick of a schedule that is switched on; None where none is."""
    quota_remaining: int | None = None
    """Requests of the day that the API had left when the load ended."""


def read_statuses(
    instance: DagsterInstance,
    repository: RepositoryDefinition,
    resources: Iterable[tuple[ResourceSpec, Settings]],
    *,
    observations: Sequence[Observation],
    time_zone: str,
    now: datetime,
) -> list[AssetStatus]:
    """The status of each resource, given with the settings of its organisation, and of what is made from them."""
    failing = _name_failing_checks(observations)
    ticks = find_next_ticks(instance, repository, now=now)
    tables = {build_asset_key(spec): (spec, settings) for spec, settings in resources}
    made = sorted(repository.asset_graph.executable_asset_keys - tables.keys())
    return [
        *(
            _read_table_status(
                spec,
                instance=instance,
                settings=settings,
                failing_checks=failing.get(key, ()),
                next_load_at=ticks.get(key),
                now=now,
            )
            for key, (spec, settings) in tables.items()
        ),
        *(
            AssetStatus(
                asset=key.to_user_string(),
                time_zone=time_zone,
                loaded_at=_find_last_made(instance, key),
                failing_checks=failing.get(key, ()),
                next_load_at=ticks.get(key),
            )
            for key in made
        ),
    ]


def find_next_ticks(
    instance: DagsterInstance, repository: RepositoryDefinition, *, now: datetime
) -> Mapping[AssetKey, datetime]:
    """When each asset is loaded next, by the schedules that are switched on."""
    ticks: dict[AssetKey, datetime] = {}
    for schedule in _find_schedules_switched_on(instance, repository):
        cron, time_zone = str(schedule.cron_schedule), schedule.execution_timezone
        tick = next(cron_string_iterator(now.timestamp(), cron, time_zone))
        for key in repository.get_job(schedule.job_name).asset_layer.executable_asset_keys:
            ticks[key] = min(tick, ticks.get(key, tick))
    return ticks


def _find_schedules_switched_on(
    instance: DagsterInstance, repository: RepositoryDefinition
) -> Iterable[ScheduleDefinition]:
    states = {
        state.name: state.status for state in instance.all_instigator_state(instigator_type=InstigatorType.SCHEDULE)
    }
    for schedule in repository.schedule_defs:
        status = states.get(schedule.name, InstigatorStatus.DECLARED_IN_CODE)
        by_default = schedule.default_status is DefaultScheduleStatus.RUNNING
        if status is InstigatorStatus.RUNNING or (status is InstigatorStatus.DECLARED_IN_CODE and by_default):
            yield schedule


def _find_last_made(instance: DagsterInstance, key: AssetKey) -> datetime | None:
    event = instance.get_latest_materialization_event(key)
    return datetime.fromtimestamp(event.timestamp, UTC) if event else None


def _read_table_status(
    spec: ResourceSpec,
    *,
    instance: DagsterInstance,
    settings: Settings,
    failing_checks: tuple[str, ...],
    next_load_at: datetime | None,
    now: datetime,
) -> AssetStatus:
    last = next(iterate_loads(instance, build_asset_key(spec)), None)
    return AssetStatus(
        asset=spec.label,
        time_zone=settings.time_zone,
        loaded_at=last.started_at if last else None,
        rows=last.rows_in_table if last else None,
        freshness=_judge(spec, instance=instance, settings=settings, now=now) if last else Freshness.NEVER_LOADED,
        failing_checks=failing_checks,
        next_load_at=next_load_at,
        quota_remaining=last.quota_remaining if last else None,
    )


def _judge(spec: ResourceSpec, *, instance: DagsterInstance, settings: Settings, now: datetime) -> Freshness:
    verdict = judge_freshness(spec, instance=instance, settings=settings, now=now)
    if not verdict.offences:
        return Freshness.FRESH
    return Freshness.LATE if verdict.severity is WARN else Freshness.STALE


def _name_failing_checks(observations: Iterable[Observation]) -> Mapping[AssetKey, tuple[str, ...]]:
    failing: dict[AssetKey, tuple[str, ...]] = {}
    for seen in observations:
        asset, _, check = seen.subject.rpartition(":")
        if seen.severity is not None:
            key = AssetKey.from_user_string(asset)
            failing[key] = (*failing.get(key, ()), check)
    return failing
