"""Freshness: whether a table follows its source as closely as the schedules promise.

Judged from what Dagster remembers of loads, never from the warehouse: it has to work when nothing else does.
Dagster's own freshness policies and builders cannot carry it (docs/adr/0009).
"""

from datetime import datetime, timedelta

from dagster import DagsterInstance
from dagster._utils.schedules import reverse_cron_string_iterator

from invoice_assets.defs.claims import ERROR, WARN, Claim, Offence, Verdict
from invoice_assets.defs.load_history import find_coverage
from invoice_assets.defs.translator import build_asset_key
from invoice_assets.resource_spec import Cadence, CheckName, ResourceSpec
from invoice_assets.settings import Settings

IS_FRESH = Claim(
    name=CheckName.IS_FRESH,
    description="The table follows the source as closely as its schedule promises; one load missed warns, two fail.",
    what_to_do="Look whether the daemon runs, the schedule is switched on, and the last run of the asset succeeded.",
)


def judge_freshness(spec: ResourceSpec, *, instance: DagsterInstance, settings: Settings, now: datetime) -> Verdict:
    """A table offends mildly where it lacks the load that was due last, and where it lacks two it fails."""
    reached = find_coverage(instance, build_asset_key(spec))
    if reached is None:
        never = Offence(what=spec.label, says="was never loaded, as far as this Dagster instance knows")
        return Verdict(offences=(never,))
    due, due_before = find_due_loads(spec, settings=settings, now=now)
    hours = round((now - reached).total_seconds() / 3600, 2)
    late = Offence(
        what=spec.label,
        says=f"follows the source up to {reached:%Y-%m-%d %H:%M} UTC, {hours:g} hours ago; "
        f"a load was due at {due:%Y-%m-%d %H:%M %Z}",
    )
    return Verdict(
        offences=() if reached >= due else (late,),
        severity=WARN if reached >= due_before else ERROR,
        numbers={"hours_behind": hours},
    )


def find_due_loads(spec: ResourceSpec, *, settings: Settings, now: datetime) -> tuple[datetime, datetime]:
    """When the last load was due that must be done by now, and the one before it.

    A load has `INVOICE_FRESHNESS_GRACE_MINUTES` after its time to be done.
    """
    cron = settings.cron_snapshot if spec.cadence is Cadence.REFERENCE else settings.cron_today
    ticks = reverse_cron_string_iterator(
        (now - timedelta(minutes=settings.freshness_grace_minutes)).timestamp(), cron, settings.time_zone
    )
    return next(ticks), next(ticks)
