"""Asset checks: what the catalog promises of a table, and whether the table keeps it.

Three kinds of definition: one pass over a table answers all claims about it, another one its references to others, and
freshness is judged for all resources at once, without the warehouse. What a claim is lives in `claims.py`.
https://docs.dagster.io/guides/test/asset-checks
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from dagster import (
    AssetCheckExecutionContext,
    AssetCheckKey,
    AssetCheckResult,
    AssetChecksDefinition,
    AssetCheckSpec,
    AssetKey,
    DagsterInstance,
    MetadataValue,
    TableColumn,
    TableRecord,
    TableSchema,
    multi_asset_check,
)
from dagster._core.storage.asset_check_execution_record import COMPLETED_ASSET_CHECK_EXECUTION_RECORD_STATUSES

from invoice_assets.defs.claims import (
    REFERENCES,
    TABLE_CLAIMS,
    Claim,
    Evidence,
    TableClaim,
    Verdict,
    judge_missing_tables,
    judge_references,
)
from invoice_assets.defs.failures import report_failures
from invoice_assets.defs.freshness import IS_FRESH, judge_freshness
from invoice_assets.defs.load_history import find_loads
from invoice_assets.defs.pools import name_pool
from invoice_assets.defs.resources import WarehouseResource
from invoice_assets.defs.translator import build_asset_key
from invoice_assets.ingest.inspection import inspect_table
from invoice_assets.ingest.references import inspect_references
from invoice_assets.ingest.tables import SAMPLE_KEYS
from invoice_assets.resource_spec import ResourceSpec, qualify
from invoice_assets.settings import Settings

WHAT_TO_DO = "what_to_do"
"""Metadata of a check's spec: the next step of whoever meets its failure."""

RUNS_WITHOUT_ITS_ASSET = "runs_without_its_asset"
"""Metadata of a check's spec: it judges the clock, so that a load which does not bring it is no failure."""

OFFENDING_ROWS, SAMPLES = "offending_rows", "sample_keys"
"""Metadata of a result that an alert tells: how many rows offend, and the keys of some."""

MEMORY = "memory"
"""Metadata of a result: what the next judgement of the same claim has to know."""

_OFFENCES_SCHEMA = TableSchema(
    columns=[
        TableColumn("what", "text", description="Column, rule or table"),
        TableColumn("says", "text", description="What is wrong with it"),
        TableColumn("rows", "bigint", description="Rows that offend"),
        TableColumn("sample_keys", "text", description=f"Primary keys of up to {SAMPLE_KEYS} of them"),
    ]
)


def build_checks(catalog: Mapping[str, ResourceSpec], *, settings: Settings) -> list[AssetChecksDefinition]:
    """The checks of all resources, which run after their assets and on demand."""
    return [
        *(_build_table_check(spec, settings) for spec in catalog.values()),
        *(_build_reference_check(spec, catalog, settings) for spec in catalog.values() if spec.references),
        _build_freshness_check(catalog, settings),
    ]


def _build_table_check(spec: ResourceSpec, settings: Settings) -> AssetChecksDefinition:
    @multi_asset_check(
        name=qualify(f"check_{spec.name}", spec.organization),
        specs=[_build_spec(spec, claim) for claim in TABLE_CLAIMS],
        can_subset=True,
        pool=name_pool(spec, settings),
    )
    def check(context: AssetCheckExecutionContext, warehouse: WarehouseResource) -> Iterator[AssetCheckResult]:
        """Count once, judge each selected claim."""
        selected = {key.name for key in context.selected_asset_check_keys}
        for claim, verdict in judge_table(spec, warehouse=warehouse, instance=context.instance):
            if claim.name in selected:
                yield build_result(build_asset_key(spec), claim.name, verdict)

    return check


def _build_reference_check(
    spec: ResourceSpec, catalog: Mapping[str, ResourceSpec], settings: Settings
) -> AssetChecksDefinition:
    targets = {reference.resource: catalog[reference.resource] for reference in spec.references}
    awaited = [build_asset_key(target) for target in targets.values()]

    @multi_asset_check(
        name=qualify(f"check_references_of_{spec.name}", spec.organization),
        specs=[_build_spec(spec, REFERENCES, awaited=awaited)],
        pool=name_pool(spec, settings),
    )
    def check(context: AssetCheckExecutionContext, warehouse: WarehouseResource) -> Iterator[AssetCheckResult]:
        """Count the rows whose references lead nowhere."""
        loads = {name: find_loads(context.instance, build_asset_key(target)) for name, target in targets.items()}
        read_at = {name: history.last_complete.started_at for name, history in loads.items() if history.last_complete}
        with report_failures(spec), warehouse.open_pipeline(spec) as pipeline:
            found = inspect_references(pipeline, spec, targets=targets, read_at=read_at)
        yield build_result(build_asset_key(spec), REFERENCES.name, judge_references(spec, found))

    return check


def _build_freshness_check(catalog: Mapping[str, ResourceSpec], settings: Settings) -> AssetChecksDefinition:
    """One step for all resources, in no pool: a load that hangs must not keep it waiting."""

    @multi_asset_check(
        name=qualify("check_freshness", settings.slug),
        specs=[_build_spec(spec, IS_FRESH, extra={RUNS_WITHOUT_ITS_ASSET: True}) for spec in catalog.values()],
        can_subset=True,
    )
    def check(context: AssetCheckExecutionContext) -> Iterator[AssetCheckResult]:
        """Compare the loads that Dagster remembers with those that were due."""
        selected = {key.asset_key for key in context.selected_asset_check_keys}
        now = datetime.now(UTC)
        for spec in catalog.values():
            if build_asset_key(spec) in selected:
                verdict = judge_freshness(spec, instance=context.instance, settings=settings, now=now)
                yield build_result(build_asset_key(spec), IS_FRESH.name, verdict)

    return check


def judge_table(
    spec: ResourceSpec, *, warehouse: WarehouseResource, instance: DagsterInstance
) -> Iterator[tuple[TableClaim, Verdict]]:
    """Each claim about a resource's table with its verdict, from one pass over the table."""
    loads = find_loads(instance, build_asset_key(spec))
    memories = {claim.name: _recall(instance, spec, claim) for claim in TABLE_CLAIMS if claim.remembers}
    window = loads.last.window if loads.last and not loads.last.window.is_complete else None
    with report_failures(spec), warehouse.open_pipeline(spec) as pipeline:
        table = inspect_table(pipeline, spec, window=window)
    for claim in TABLE_CLAIMS:
        if table is None:
            yield claim, judge_missing_tables([spec.name], claim, memories.get(claim.name))
        else:
            today = datetime.now(UTC).date()
            yield claim, claim.judge(Evidence(spec=spec, table=table, loads=loads, memories=memories, today=today))


def _build_spec(
    spec: ResourceSpec,
    claim: Claim,
    *,
    awaited: list[AssetKey] | None = None,
    extra: Mapping[str, Any] | None = None,
) -> AssetCheckSpec:
    return AssetCheckSpec(
        str(claim.name),
        asset=build_asset_key(spec),
        description=claim.description,
        additional_deps=awaited,
        blocking=claim.name in spec.blocking_checks,
        metadata={WHAT_TO_DO: claim.what_to_do, **(extra or {})},
    )


def build_result(asset: AssetKey, check: str, verdict: Verdict) -> AssetCheckResult:
    """The verdict as Dagster keeps it: numbers to plot, offences as a table, the SQL that counted."""
    rows = [
        TableRecord({"what": o.what, "says": o.says, "rows": o.rows, "sample_keys": ", ".join(o.sample_keys)})
        for o in verdict.offences
    ]
    metadata: dict[str, Any] = {
        "offences": len(verdict.offences),
        OFFENDING_ROWS: sum(offence.rows or 0 for offence in verdict.offences),
        **verdict.numbers,
    }
    if verdict.offences:
        keys = list(dict.fromkeys(key for offence in verdict.offences for key in offence.sample_keys))
        metadata["offenders"] = MetadataValue.table(rows, schema=_OFFENCES_SCHEMA)
        metadata[SAMPLES] = MetadataValue.json(keys[:SAMPLE_KEYS])
    if verdict.sql:
        metadata["sql"] = MetadataValue.md(f"```sql\n{verdict.sql}\n```")
    if verdict.memory:
        metadata[MEMORY] = MetadataValue.json(dict(verdict.memory))
    return AssetCheckResult(
        asset_key=asset,
        check_name=str(check),
        passed=not verdict.offences,
        severity=verdict.severity,
        description=_summarize(verdict),
        metadata=metadata,
    )


def _summarize(verdict: Verdict) -> str | None:
    """The offences in a sentence each, with their rows."""
    told = [f"{offence.what} {offence.says}{_count_rows(offence.rows)}" for offence in verdict.offences]
    return "; ".join(told) or verdict.remark or None


def _count_rows(rows: int | None) -> str:
    return "" if rows is None else f": {rows:,} {'row' if rows == 1 else 'rows'}"


def _recall(instance: DagsterInstance, spec: ResourceSpec, claim: Claim) -> dict[str, Any]:
    """What the last judgement of the claim has left for the next."""
    records = instance.event_log_storage.get_asset_check_execution_history(
        AssetCheckKey(build_asset_key(spec), str(claim.name)),
        limit=1,
        status=COMPLETED_ASSET_CHECK_EXECUTION_RECORD_STATUSES,
    )
    evaluation = records[0].evaluation if records else None
    memory = evaluation.metadata.get(MEMORY) if evaluation else None
    return dict(memory.value) if memory and isinstance(memory.value, Mapping) else {}
