"""A code location for a real daemon: the project's alert sensors, in a hurry, and an asset whose checks nothing runs.

Its checks are reported by the test that starts the daemon.
"""

from dagster import AssetCheckResult, AssetChecksDefinition, AssetCheckSpec, Definitions, asset, multi_asset_check

from invoice_assets.defs.alerting.resource import AlertsResource
from invoice_assets.defs.alerting.sensors import build_alert_sensors
from invoice_assets.settings import Settings

CHECKS = ("primary_key_is_unique", "values_are_plausible", "columns_match_catalog")


@asset(key_prefix="invoicing")
def invoices() -> None:
    """A table of which this location only knows the checks."""


def build_definitions(settings: Settings) -> Definitions:
    """The asset, its checks and the sensors."""
    return Definitions(
        assets=[invoices],
        asset_checks=[_build_checks()],
        sensors=build_alert_sensors(settings, resources=["invoices"], look_every_s=1),
        resources={"alerts": AlertsResource.from_settings(settings)},
    )


def _build_checks() -> AssetChecksDefinition:
    @multi_asset_check(specs=[AssetCheckSpec(name, asset=invoices) for name in CHECKS])
    def check_invoices() -> AssetCheckResult:
        raise NotImplementedError("its results are reported")

    return check_invoices


defs = build_definitions(Settings.from_env())
