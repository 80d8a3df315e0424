"""The definitions that Dagster loads: `defs`, assembled by `build_definitions`, which takes overrides.

`workspace.yaml` names this module. Loading it reads no secret, opens no connection and takes no lock.
https://docs.dagster.io/guides/build/projects-and-components
"""

from collections.abc import Mapping
from dataclasses import replace

from dagster import Definitions, ExecutorDefinition

from invoice_assets.catalog import RESOURCES
from invoice_assets.defs.alerting.resource import AlertsResource
from invoice_assets.defs.alerting.sensors import build_alert_sensors
from invoice_assets.defs.assets import build_asset
from invoice_assets.defs.checks import build_checks
from invoice_assets.defs.dlt_integration import DagsterDltResource
from invoice_assets.defs.executors import choose_executor
from invoice_assets.defs.resources import InvoiceApiResource, WarehouseResource, name_api_resource
from invoice_assets.defs.retention import build_retention
from invoice_assets.defs.schedules import build_automation, find_wrong_crons
from invoice_assets.defs.telemetry import TelemetryResource
from invoice_assets.defs.translator import InvoicingTranslator, build_api_spec
from invoice_assets.defs.union_views import build_union_views
from invoice_assets.organizations import split_by_organization
from invoice_assets.resource_spec import ResourceSpec
from invoice_assets.settings import Settings


def build_definitions(
    settings: Settings | None = None,
    *,
    catalog: Mapping[str, ResourceSpec] = RESOURCES,
    executor: ExecutorDefinition | None = None,
) -> Definitions:
    """All assets, checks and resources for the settings; without settings, for those of the environment.

    Without an executor, steps work where the settings say: by default in the process of their run, because a DuckDB
    file takes one writer, and a process each costs seconds.

    Raises:
        SettingsError: A variable of the environment cannot be used.
    """
    settings = settings or Settings.from_env()
    for problem in find_wrong_crons(settings):
        raise problem
    shared = Definitions(
        sensors=build_alert_sensors(settings, resources=catalog.keys()),
        resources={
            "alerts": AlertsResource.from_settings(settings),
            "dlt_resource": DagsterDltResource(),
            "telemetry": TelemetryResource.from_settings(settings),
            "warehouse": WarehouseResource.from_settings(settings),
        },
        executor=executor or choose_executor(settings),
    )
    each = split_by_organization(settings)
    parts = [build_retention(settings), *(_build_organization(own, catalog) for own in each)]
    if settings.organizations_file and settings.destination.has_views:
        parts.append(build_union_views(catalog, settings, slugs=[own.slug for own in each]))
    return Definitions.merge(shared, *parts)


def _build_organization(settings: Settings, catalog: Mapping[str, ResourceSpec]) -> Definitions:
    """What an organisation has of its own: assets and their checks, API, jobs and schedules, and reports if wanted."""
    catalog = {
        name: replace(spec, organization=settings.slug, personal_data=settings.personal_data)
        for name, spec in catalog.items()
    }
    translator = InvoicingTranslator(
        catalog=catalog, dataset=settings.dataset, destination=settings.destination, owners=settings.owners
    )
    automation = build_automation(catalog, settings)
    loads = Definitions(
        assets=[
            build_api_spec(settings),
            *(
                build_asset(spec, catalog=catalog, settings=settings, translator=translator)
                for spec in catalog.values()
            ),
        ],
        asset_checks=build_checks(catalog, settings=settings),
        jobs=automation.jobs,
        schedules=automation.schedules,
        resources={name_api_resource(settings): InvoiceApiResource.from_settings(settings)},
    )
    if not settings.reporting:
        return loads
    from invoice_assets.defs.reporting import build_reporting

    return Definitions.merge(loads, build_reporting(catalog, settings))


defs = build_definitions()
