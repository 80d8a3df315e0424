"""Partitions definitions, one per cadence, and the window of `last_modified_time` that a run's partitions cover.

Add one here when a new cadence appears. Which resource has which is the catalog's business.
https://docs.dagster.io/guides/build/partitions-and-backfills
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from dagster import DailyPartitionsDefinition, TimeWindowPartitionsDefinition
from dagster._core.storage.tags import (
    ASSET_PARTITION_RANGE_END_TAG,
    ASSET_PARTITION_RANGE_START_TAG,
    PARTITION_NAME_TAG,
)

from invoice_assets.ingest.windows import Window
from invoice_assets.resource_spec import Cadence
from invoice_assets.settings import Settings


def build_partitions(cadence: Cadence, settings: Settings) -> DailyPartitionsDefinition | None:
    """A partition per day for the transactions, today's included; none for what is read whole each time."""
    if cadence is Cadence.REFERENCE:
        return None
    return DailyPartitionsDefinition(
        start_date=settings.start_date.isoformat(), timezone=settings.time_zone, end_offset=1
    )


def cover(partitions: TimeWindowPartitionsDefinition, keys: Sequence[str], *, now: datetime) -> Window:
    """The window that a run for these consecutive partitions reads.

    The first partition also holds what was last changed before it, and today's has no end yet: together all partitions
    are the whole table.
    """
    first, last = partitions.time_window_for_partition_key(keys[0]), partitions.time_window_for_partition_key(keys[-1])
    return Window(
        start=None if keys[0] == partitions.get_first_partition_key() else first.start,
        end=None if last.end > now else last.end,
    )


def find_selected_keys(
    partitions: TimeWindowPartitionsDefinition, tags: Mapping[str, str], *, now: datetime
) -> Sequence[str]:
    """The partitions that a run's tags ask for; none where they name none that exists."""
    first = tags.get(ASSET_PARTITION_RANGE_START_TAG, tags.get(PARTITION_NAME_TAG, ""))
    last = tags.get(ASSET_PARTITION_RANGE_END_TAG, first)
    keys = partitions.get_partition_keys(current_time=now)
    if first not in keys or last not in keys:
        return []
    return keys[keys.index(first) : keys.index(last) + 1]


def count_by_partition(
    partitions: TimeWindowPartitionsDefinition, keys: Sequence[str], rows_by_instant: Mapping[datetime, int]
) -> dict[str, int]:
    """Rows per partition, from rows per instant of their last change; the first partition has all the earlier ones."""
    zone = ZoneInfo(partitions.timezone)
    first_key = partitions.get_first_partition_key()
    counts = dict.fromkeys(keys, 0)
    for instant, rows in rows_by_instant.items():
        key = max(instant.astimezone(zone).date().isoformat(), first_key or "")
        if key in counts:
            counts[key] += rows
    return counts
