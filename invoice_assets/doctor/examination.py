"""The whole examination: what is looked at, in the order of the chain from the settings to the alerts.

Each look lives in the module of its subject. None of them hides what another finds.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from functools import partial

from invoice_assets.catalog import RESOURCES
from invoice_assets.defs.schedules import find_wrong_crons
from invoice_assets.doctor import api, configuration, deployment, versions, warehouse
from invoice_assets.doctor.findings import Finding, State, collect
from invoice_assets.settings import Settings
from invoice_assets.variables import SettingsError


def examine(
    settings: Settings, organizations: Sequence[Settings], *, problems: Sequence[SettingsError]
) -> Iterator[Finding]:
    """Every finding; `organizations` are the settings of those whose API is asked, each by eleven requests at most."""
    yield from configuration.examine_settings([*problems, *find_wrong_crons(settings)])
    yield from configuration.examine_names(settings)
    yield from collect(".env", configuration.examine_env_file)
    yield from collect(versions.NAME, versions.examine_versions)
    yield from collect(deployment.SHARED_STATE, partial(deployment.examine_shared_state, settings))
    for own in organizations:
        yield from _examine_organization(own)
    yield from collect(warehouse.NAME, partial(warehouse.examine_warehouse, settings))
    yield from collect(deployment.INSTANCE, partial(deployment.examine_instance, settings))
    yield from collect(deployment.ALERTS, partial(deployment.examine_alerts, settings, list(RESOURCES)))


def _examine_organization(settings: Settings) -> Iterator[Finding]:
    addresses = list(configuration.examine_addresses(settings))
    found = [*addresses]
    if not _stops(addresses):
        found += collect(api.TOKEN, partial(api.examine_api, settings, RESOURCES))
    yield from (replace(finding, organization=settings.slug) for finding in found)


def _stops(findings: Collection[Finding]) -> bool:
    return any(finding.state is State.FAILING for finding in findings)
