"""Loads that Dagster remembers: the last one, the last complete one, and how far they reach.

What a load tells, and how it is read again, lives in `load_metadata.py`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from dagster import AssetKey, DagsterInstance

from invoice_assets.defs.load_metadata import LoadFacts, read_load_facts

RECORDS_A_PAGE = 50
MAX_RECORDS = 5_000
"""Materializations that are searched: an hourly load's half year, or five backfills of a thousand days."""


@dataclass(frozen=True, kw_only=True)
class LoadHistory:
    """The loads of an asset that its checks ask about; None where there was none."""

    last: LoadFacts | None = None
    last_complete: LoadFacts | None = None

    def name_new_columns(self) -> dict[str, str]:
        """The JSON types of columns that the catalog does not know, as the two loads have seen them on the wire."""
        loads = [load for load in (self.last_complete, self.last) if load]
        return {name: json_type for load in loads for name, json_type in load.new_columns.items()}


def find_loads(instance: DagsterInstance, asset: AssetKey) -> LoadHistory:
    """The last load of the asset, and its last complete one."""
    last = None
    for facts in iterate_loads(instance, asset):
        last = last or facts
        if facts.window.is_complete:
            return LoadHistory(last=last, last_complete=facts)
    return LoadHistory(last=last)


def find_coverage(instance: DagsterInstance, asset: AssetKey) -> datetime | None:
    """The instant up to which the asset's table follows the source; None where nothing was ever loaded.

    A load that reads to the present reaches to its start, any other to the end of its window: loading an old partition
    again does not make a table fresh.
    """
    reached: list[datetime] = []
    for facts in iterate_loads(instance, asset):
        reached.append(facts.window.end or facts.started_at)
        if facts.window.end is None:
            break
    return max(reached, default=None)


def iterate_loads(instance: DagsterInstance, asset: AssetKey) -> Iterator[LoadFacts]:
    """What the asset's loads have told, the latest first."""
    cursor, searched = None, 0
    while searched < MAX_RECORDS:
        found = instance.fetch_materializations(asset, limit=RECORDS_A_PAGE, cursor=cursor)
        for record in found.records:
            materialization = record.asset_materialization
            facts = read_load_facts(materialization.metadata) if materialization else None
            if facts:
                yield facts
        if not found.has_more:
            return
        cursor, searched = found.cursor, searched + len(found.records)
