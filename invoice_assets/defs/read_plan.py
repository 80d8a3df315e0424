"""Which lists a run reads, and in which order: what may be read ahead while an earlier one is loaded.

How lists are read side by side lives in `ingest/reading.py`.
"""

from collections.abc import Mapping
from datetime import datetime

from dagster import AssetExecutionContext, DagsterRun

from invoice_assets.defs.partitions import build_partitions, cover, find_selected_keys
from invoice_assets.ingest.windows import COMPLETE, ReadRequest, Window
from invoice_assets.resource_spec import Cadence, ResourceSpec, qualify
from invoice_assets.settings import Settings


def name_load_step(spec: ResourceSpec) -> str:
    """The name of the step that loads the resource."""
    return qualify(f"load_{spec.name}", spec.organization)


def find_upcoming_reads(
    context: AssetExecutionContext, catalog: Mapping[str, ResourceSpec], *, settings: Settings, now: datetime
) -> list[ReadRequest]:
    """What the steps after this one will read, as far as this process executes them.

    Transactions come first, in the order of the catalog: theirs are the long lists, and the sooner a long list is
    begun, the sooner a run ends.
    """
    step = context.get_step_execution_context()
    keys = step.execution_plan.step_keys_to_execute
    later = set(keys[keys.index(step.step.key) + 1 :])
    specs = [spec for spec in catalog.values() if name_load_step(spec) in later]
    specs.sort(key=lambda spec: spec.cadence is not Cadence.TRANSACTIONS)
    windows = {
        cadence: _find_window(cadence, context.run, settings=settings, now=now)
        for cadence in {spec.cadence for spec in specs}
    }
    return [ReadRequest(spec=spec, window=window) for spec in specs if (window := windows[spec.cadence])]


def _find_window(cadence: Cadence, run: DagsterRun, *, settings: Settings, now: datetime) -> Window | None:
    """What a run reads of the resources of a cadence; None where its tags do not tell."""
    partitions = build_partitions(cadence, settings)
    if partitions is None:
        return COMPLETE
    keys = find_selected_keys(partitions, run.tags, now=now)
    return cover(partitions, keys, now=now) if keys else None
