"""A code location for a real daemon: the project's definitions, and a sensor that asks at once for one load.

A schedule asks for its runs in the same way, but no sooner than the next full minute.
"""

from collections.abc import Iterator

from dagster import AssetKey, DefaultSensorStatus, Definitions, RunRequest, SensorDefinition

from invoice_assets.definitions import build_definitions

LOADED = ("contacts", "taxes")


def build_one_load_sensor() -> SensorDefinition:
    """Asks for one run of some reference resources, and never again."""
    keys = [AssetKey(["invoicing", name]) for name in LOADED]

    def ask() -> Iterator[RunRequest]:
        yield RunRequest(run_key="the only one", asset_selection=keys)

    return SensorDefinition(
        name="one_load",
        asset_selection=keys,
        evaluation_fn=ask,
        minimum_interval_seconds=1,
        default_status=DefaultSensorStatus.RUNNING,
    )


defs = Definitions.merge(build_definitions(), Definitions(sensors=[build_one_load_sensor()]))
