"""A code location of two assets and their checks that do as they are told, and what happens in it.

Its runs are executed in this process. What is read of them lives in the tests.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from dagster import (
    AssetCheckEvaluation,
    AssetCheckExecutionContext,
    AssetCheckKey,
    AssetCheckResult,
    AssetCheckSeverity,
    AssetCheckSpec,
    AssetKey,
    AssetMaterialization,
    AssetsDefinition,
    AssetSelection,
    AssetSpec,
    DagsterInstance,
    Definitions,
    MaterializeResult,
    MetadataValue,
    RepositoryDefinition,
    RunRecord,
    define_asset_job,
    multi_asset,
    multi_asset_check,
)
from dagster._core.storage.tags import MAX_RETRIES_TAG, PARENT_RUN_ID_TAG, ROOT_RUN_ID_TAG

from invoice_assets.defs.checks import RUNS_WITHOUT_ITS_ASSET, WHAT_TO_DO
from invoice_assets_tests.runs import QUIET

RETRIED_ONCE = {MAX_RETRIES_TAG: "1"}
"""Tags of a run that Dagster tries again where it fails."""

INVOICES, USERS = AssetKey(["invoicing", "invoices"]), AssetKey(["invoicing", "users"])
UNIQUE = AssetCheckKey(INVOICES, "primary_key_is_unique")
PLAUSIBLE = AssetCheckKey(INVOICES, "values_are_plausible")
FRESH = AssetCheckKey(INVOICES, "is_fresh")
IN_STEP = AssetCheckKey(USERS, "rows_were_read")

FAILED = AssetCheckResult(
    passed=False,
    description="2 of 9 rows share a key.",
    metadata={
        "offending_rows": 2,
        "sample_keys": MetadataValue.json(["460001", "460002"]),
        "offenders": "460001 Planted Customer Ltd",
    },
)
WARNED = AssetCheckResult(passed=False, severity=AssetCheckSeverity.WARN, description="A balance is below 0.")
PASSED = AssetCheckResult(passed=True)


@dataclass(kw_only=True)
class Location:
    """What the checks say and the steps raise can be changed between runs."""

    instance: DagsterInstance
    results: dict[AssetCheckKey, AssetCheckResult] = field(default_factory=dict)
    errors: dict[str, BaseException] = field(default_factory=dict)
    """What a step raises, by its name."""
    blocking: bool = False
    more_checks: tuple[str, ...] = ()
    """Names of further checks of the invoices."""

    @cached_property
    def definitions(self) -> Definitions:
        """`load_invoices` with three checks in two steps of their own, and `load_users` with one in its own."""
        more_checks = [AssetCheckKey(INVOICES, name) for name in self.more_checks]
        return Definitions(
            assets=[self._build_asset(INVOICES), self._build_asset(USERS, IN_STEP)],
            asset_checks=[
                self._build_checks("check_invoices", UNIQUE, PLAUSIBLE, *more_checks),
                self._build_checks("check_freshness", FRESH, metadata={RUNS_WITHOUT_ITS_ASSET: True}),
            ],
            jobs=[
                define_asset_job("load", AssetSelection.all()),
                define_asset_job("load_unchecked", AssetSelection.assets(INVOICES).without_checks()),
                define_asset_job("check", AssetSelection.all_asset_checks() - AssetSelection.checks(IN_STEP)),
            ],
        )

    @property
    def repository(self) -> RepositoryDefinition:
        """What a sensor is given of it."""
        return self.definitions.get_repository_def()

    def run(
        self, job: str = "load", *, tags: Mapping[str, str] | None = None, assets: list[AssetKey] | None = None
    ) -> RunRecord:
        """The record of a run of one of the jobs, which is over."""
        result = self.definitions.resolve_job_def(job).execute_in_process(
            instance=self.instance, raise_on_error=False, run_config=QUIET, tags=tags, asset_selection=assets
        )
        (record,) = self.instance.get_run_records(limit=1)
        assert record.dagster_run.run_id == result.run_id
        return record

    def retry(self, record: RunRecord, job: str = "load") -> RunRecord:
        """The record of the last run that Dagster's daemon would launch in place of one that failed."""
        run_id = record.dagster_run.run_id
        return self.run(job, tags={MAX_RETRIES_TAG: "0", PARENT_RUN_ID_TAG: run_id, ROOT_RUN_ID_TAG: run_id})

    def report(self, key: AssetCheckKey, result: AssetCheckResult) -> None:
        """Report a result without a run, as the UI and the API can."""
        self.instance.report_runless_asset_event(
            AssetCheckEvaluation(
                asset_key=key.asset_key,
                check_name=key.name,
                passed=result.passed,
                metadata=result.metadata,
                severity=result.severity,
                description=result.description,
            )
        )

    def report_materialization(self, key: AssetKey) -> None:
        """Report a materialization without a run."""
        self.instance.report_runless_asset_event(AssetMaterialization(key))

    def _build_asset(self, key: AssetKey, *checks: AssetCheckKey) -> AssetsDefinition:
        step = f"load_{key.path[-1]}"

        @multi_asset(
            name=step,
            specs=[AssetSpec(key)],
            check_specs=[AssetCheckSpec(check.name, asset=key) for check in checks],
        )
        def load() -> Iterator[Any]:
            self._raise(step)
            yield from (self._result_of(check) for check in checks)
            yield MaterializeResult(asset_key=key)

        return load

    def _build_checks(self, step: str, *keys: AssetCheckKey, metadata: Mapping[str, Any] | None = None) -> Any:
        specs = [
            AssetCheckSpec(
                key.name,
                asset=key.asset_key,
                blocking=self.blocking,
                metadata={WHAT_TO_DO: f"Mend {key.name}.", **(metadata or {})},
            )
            for key in keys
        ]

        @multi_asset_check(name=step, specs=specs, can_subset=True)
        def check(context: AssetCheckExecutionContext) -> Iterator[AssetCheckResult]:
            self._raise(step)
            yield from (self._result_of(key) for key in keys if key in context.selected_asset_check_keys)

        return check

    def _raise(self, step: str) -> None:
        if error := self.errors.get(step):
            raise error

    def _result_of(self, key: AssetCheckKey) -> AssetCheckResult:
        result = self.results.get(key, PASSED)
        return result._replace(asset_key=key.asset_key, check_name=key.name)
