"""Asset checks: what the catalog promises of a table, and whether the table keeps it.

One definition per resource, all its checks answered by one pass over the table (`ingest/inspection.py`).
https://docs.dagster.io/guides/test/asset-checks
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from dagster import (
    AssetCheckExecutionContext,
    AssetCheckResult,
    AssetChecksDefinition,
    AssetCheckSeverity,
    AssetCheckSpec,
    MetadataValue,
    multi_asset_check,
)

from invoice_assets.defs.failures import report_failures
from invoice_assets.defs.pools import name_pool
from invoice_assets.defs.resources import WarehouseResource
from invoice_assets.defs.translator import build_asset_key
from invoice_assets.ingest.inspection import TableInspection, inspect_table
from invoice_assets.resource_spec import ResourceSpec
from invoice_assets.settings import Settings


@dataclass(frozen=True, kw_only=True)
class _Claim:
    """A statement about a table, and how many rows of an inspected one contradict it, in all and by column."""

    name: str
    description: str
    count_offences: Callable[[ResourceSpec, TableInspection], dict[str, int]]


def _repeated_keys(spec: ResourceSpec, table: TableInspection) -> dict[str, int]:
    present = table.rows - table.missing[spec.primary_key]
    return {spec.primary_key: present - table.distinct_keys}


def _missing_keys(spec: ResourceSpec, table: TableInspection) -> dict[str, int]:
    return {spec.primary_key: table.missing[spec.primary_key]}


def _missing_values(spec: ResourceSpec, table: TableInspection) -> dict[str, int]:
    return dict(table.missing)


CLAIMS = (
    _Claim(
        name="primary_key_is_unique",
        description="No two rows have the same primary key.",
        count_offences=_repeated_keys,
    ),
    _Claim(
        name="primary_key_is_present",
        description="Every row has a primary key: neither NULL nor empty.",
        count_offences=_missing_keys,
    ),
    _Claim(
        name="required_columns_are_present",
        description="Every column that the API promises to fill is filled: neither NULL nor empty.",
        count_offences=_missing_values,
    ),
)


def build_checks(spec: ResourceSpec, *, settings: Settings) -> AssetChecksDefinition:
    """The checks of one resource, which run after its asset and on demand."""
    key = build_asset_key(spec)

    @multi_asset_check(
        name=f"check_{spec.name}",
        specs=[AssetCheckSpec(claim.name, asset=key, description=claim.description) for claim in CLAIMS],
        can_subset=True,
        pool=name_pool(spec, settings),
    )
    def check(context: AssetCheckExecutionContext, warehouse: WarehouseResource) -> Iterator[AssetCheckResult]:
        """Count once, judge each selected claim."""
        with report_failures(spec), warehouse.open_pipeline(spec) as pipeline:
            table = inspect_table(pipeline, spec)
        selected = {check_key.name for check_key in context.selected_asset_check_keys}
        for claim in CLAIMS:
            if claim.name in selected:
                yield judge(spec, claim, table)

    return check


def judge(spec: ResourceSpec, claim: _Claim, table: TableInspection | None) -> AssetCheckResult:
    """The result of one claim about an inspected table, or about one that does not exist (None)."""
    key = build_asset_key(spec)
    if table is None:
        return AssetCheckResult(
            asset_key=key,
            check_name=claim.name,
            passed=False,
            description="There is no table yet: materialize the asset first.",
        )
    offences = {column: count for column, count in claim.count_offences(spec, table).items() if count}
    return AssetCheckResult(
        asset_key=key,
        check_name=claim.name,
        passed=not offences,
        severity=AssetCheckSeverity.ERROR,
        description="; ".join(f"{column}: {count} of {table.rows} rows" for column, count in offences.items()) or None,
        metadata={
            "rows": table.rows,
            "offending_rows": sum(offences.values()),
            "offending_rows_by_column": MetadataValue.json(offences),
            "sql": MetadataValue.md(f"```sql\n{table.sql}\n```"),
        },
    )
