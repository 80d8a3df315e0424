"""How a load is told to Dagster: metadata when it is done, counts per partition.

Numbers are numbers, so that the UI plots them over time. https://docs.dagster.io/guides/build/assets/metadata-and-tags
"""

from typing import Any

from dagster import AssetExecutionContext, MetadataValue, TimeWindowPartitionsDefinition

from invoice_assets.defs.loads import Load
from invoice_assets.defs.partitions import count_by_partition
from invoice_assets.defs.translator import build_table_schema
from invoice_assets.ingest.typing import name_new_columns

COMPLETE_PARTITION = "partition_is_complete"
"""Metadata of a partition: whether its day was over when it was read."""


def describe_load(load: Load) -> dict[str, Any]:
    """What was read, what it cost and what is in the table now."""
    metadata: dict[str, Any] = {
        "rows_loaded": load.rows_loaded,
        "rows_marked_deleted": load.rows_marked_deleted,
        "dagster/row_count": load.rows_in_table,
        "pages": load.report.pages,
        "api_requests": load.usage.requests,
        "api_requests_failed": load.usage.failed_attempts,
        "bytes_read": load.usage.bytes,
        "new_columns": MetadataValue.json(_describe_new_columns(load)),
        "dagster/column_schema": build_table_schema(load.spec),
        "dagster/table_name": load.table_name,
    }
    metadata |= {f"{stage}_s": seconds for stage, seconds in load.stages_s.items()}
    if load.usage.quota_remaining is not None:
        metadata["quota_remaining"] = load.usage.quota_remaining
    if warnings := _collect_warnings(load):
        metadata["warning"] = " ".join(warnings)
    return metadata


def tell_partitions(context: AssetExecutionContext, load: Load, partitions: TimeWindowPartitionsDefinition) -> None:
    """Tell each partition how many of the table's rows are its own, and the last one what the whole load has cost."""
    keys = context.partition_keys
    for key, rows in count_by_partition(partitions, keys, load.rows_by_modification).items():
        is_over = partitions.time_window_for_partition_key(key).end <= load.started_at
        told = {"dagster/partition_row_count": rows, COMPLETE_PARTITION: is_over}
        context.add_asset_metadata(told, partition_key=key)
    context.add_asset_metadata(describe_load(load), partition_key=keys[-1])


def _describe_new_columns(load: Load) -> dict[str, dict[str, str]]:
    """Each field that the catalog does not know: the column that it landed in, and its JSON type on the wire."""
    types = load.new_columns
    return {
        field: {"column": column, "type": types[field]} for field, column in name_new_columns(load.spec, types).items()
    }


def _collect_warnings(load: Load) -> list[str]:
    warnings = [load.deletion_refusal] if load.deletion_refusal else []
    if load.report.sort_ignored:
        warnings.append(
            f"The API did not sort by {load.spec.sort.column}: the list was read by page number, and a change "
            "meanwhile may have hidden a row."
        )
    return warnings
