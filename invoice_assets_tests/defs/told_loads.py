"""Loads as Dagster is told of them, without any having run.

What a real load tells is tested in `test_loads.py`; what is read of it again, in the tests that ask for this.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from dagster import AssetMaterialization, DagsterInstance

from invoice_assets.api.envelope import Row
from invoice_assets.api.session import ApiUsage
from invoice_assets.catalog import TAXES
from invoice_assets.defs.load_metadata import describe_load
from invoice_assets.defs.loads import Load
from invoice_assets.defs.translator import build_asset_key
from invoice_assets.ingest.census import RowCensus
from invoice_assets.ingest.paging import ScanReport
from invoice_assets.ingest.windows import COMPLETE, Window
from invoice_assets.resource_spec import ResourceSpec


def describe(started_at: datetime, **told: Any) -> dict[str, Any]:
    """The metadata of such a load, see `build_load`."""
    return describe_load(build_load(started_at, **told))


def build_load(
    started_at: datetime,
    *,
    window: Window = COMPLETE,
    rows: Sequence[Row] = (),
    spec: ResourceSpec = TAXES,
    **changes: Any,
) -> Load:
    """A load that has read these rows."""
    census = RowCensus(spec)
    census.note(rows)
    told: dict[str, Any] = {
        "report": ScanReport(pages=1),
        "rows_marked_deleted": 0,
        "marking_refusal": None,
        "rows_in_table": len(rows),
        "stages_s": {"load": 0.25},
        "usage": ApiUsage(requests=1),
        "table_name": f"invoicing.{spec.name}",
    }
    return Load(spec=spec, window=window, started_at=started_at, census=census, **(told | changes))


def report_load(
    instance: DagsterInstance,
    started_at: datetime,
    *,
    window: Window = COMPLETE,
    rows: Sequence[Row] = (),
    spec: ResourceSpec = TAXES,
    partition: str | None = None,
) -> None:
    """Let the instance remember a load."""
    metadata = describe(started_at, window=window, rows=rows, spec=spec)
    report_metadata(instance, metadata, spec=spec, partition=partition)


def report_metadata(
    instance: DagsterInstance, metadata: dict[str, Any], *, spec: ResourceSpec = TAXES, partition: str | None = None
) -> None:
    """Let the instance remember a materialization of the resource's asset."""
    instance.report_runless_asset_event(
        AssetMaterialization(build_asset_key(spec), metadata=metadata, partition=partition)
    )
