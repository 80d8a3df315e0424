"""What a deployment runs on beside the API and the warehouse: Dagster's instance, the shared state, where alerts go.

What each is for: docs/operations.md.
"""

from collections.abc import Collection, Iterator
from contextlib import closing

from dagster import DagsterInstance, build_resources

from invoice_assets.api.shared_state import open_shared_state
from invoice_assets.defs.alerting.resource import AlertsResource
from invoice_assets.defs.instance import open_instance
from invoice_assets.defs.resources import InvoiceApiResource
from invoice_assets.doctor.findings import Finding, State, fine
from invoice_assets.settings import Settings
from invoice_assets.variables import ALERT_URLS

INSTANCE, SHARED_STATE, ALERTS = "Dagster", "shared state", "alerts"
_TAKE_OVER = "Take {section} over from this project's dagster.yaml."


def examine_instance(settings: Settings) -> Iterator[Finding]:
    """Whether Dagster's instance works, and is configured as this project needs it."""
    with open_instance(settings) as instance:
        # Asked once by one process: several that use a fresh one at the same time would spoil it for good.
        runs = instance.get_runs_count()
        yield fine(INSTANCE, f"its storage works and knows {runs:,} runs")
        yield from _examine_pools(instance)
        for is_on, section, what in (
            (instance.run_monitoring_enabled, "run_monitoring", "a run that dies with its machine counts as running"),
            (instance.run_retries_enabled, "run_retries", "a run whose process died is not tried again"),
        ):
            if is_on:
                yield fine(INSTANCE, f"{section} is on")
            else:
                yield _warn(INSTANCE, f"{section} is off: {what}", _TAKE_OVER.format(section=section))


def _examine_pools(instance: DagsterInstance) -> Iterator[Finding]:
    limit = instance.get_concurrency_config().pool_config.default_pool_limit
    if limit == 1:
        yield fine(INSTANCE, "a pool takes one load at a time")
        return
    what = "pools have no limit" if limit is None else f"a pool takes {limit} loads at a time"
    advice = _TAKE_OVER.format(section="concurrency.pools.default_limit: 1")
    yield _warn(INSTANCE, f"{what}: loads of one table wait inside their runs, and time out there", advice)


def examine_shared_state(settings: Settings) -> Iterator[Finding]:
    """Whether processes can meet where the settings say."""
    api = InvoiceApiResource.from_settings(settings)
    with build_resources({"invoice_api": api}) as resources:
        location = resources.invoice_api.shared_state
    with closing(open_shared_state(location)) as state, state.slot("doctor", 1):
        yield fine(SHARED_STATE, f"processes can meet in {settings.shared_state or 'the database'}")


def examine_alerts(settings: Settings, resources: Collection[str]) -> Iterator[Finding]:
    """Whether the channels can be read; nothing is sent."""
    with build_resources({"alerts": AlertsResource.from_settings(settings)}) as built:
        channels = built.alerts.open_channels(resources)
    if channels:
        names = ", ".join(channel.name for channel in channels)
        yield fine(ALERTS, f"{names}; `invoice-assets alerts test` tries them")
    else:
        mend = "Set it (docs/checks_and_alerts.md)."
        yield _warn(ALERTS, f"{ALERT_URLS} is not set: nobody is told of a failure", mend)


def _warn(name: str, what: str, what_to_do: str) -> Finding:
    return Finding(name=name, state=State.WARNING, what=what, what_to_do=what_to_do)
