"""This project's load through Dagster: all assets, or those named, in one run in this process, after all is resolved.

`python -m benchmarks.loaders.project [--checks] [RESOURCE ...]`
"""

import sys
from collections.abc import Sequence
from importlib import import_module

from dagster import AssetKey, AssetSelection, DagsterInstance, JobDefinition

from benchmarks.peers.readiness import announced_load
from invoice_assets.catalog import RESOURCES
from invoice_assets.definitions import defs
from invoice_assets.settings import Settings
from invoice_assets_tests.runs import QUIET, select_all_partitions

CHECKS = "--checks"
IMPORTED_BY_A_RUN = (
    "invoice_assets.api.session",
    "invoice_assets.defs.loads",
    "invoice_assets.ingest.duckdb_destination",
)
"""What the definitions leave to a run to import; no loader's imports are counted."""


def build_job(names: Sequence[str], *, has_checks: bool = False) -> JobDefinition:
    """The job that materializes these resources, with all their checks or with none."""
    graph = defs.resolve_asset_graph()
    assets = AssetSelection.assets(*(AssetKey(["invoicing", name]) for name in names))
    checks = AssetSelection.checks_for_assets(*assets.resolve(graph)).resolve_checks(graph) if has_checks else set()
    job = defs.resolve_implicit_global_asset_job_def()
    return job.get_subset(asset_selection=assets.resolve(graph), asset_check_selection=checks)


def main(arguments: Sequence[str]) -> int:
    """Load; returns 0 where every check that ran has passed."""
    names = [argument for argument in arguments if argument != CHECKS] or list(RESOURCES)
    job, tags = build_job(names, has_checks=CHECKS in arguments), select_all_partitions(Settings.from_env())
    for module in IMPORTED_BY_A_RUN:
        import_module(module)
    with DagsterInstance.ephemeral() as instance, announced_load():
        result = job.execute_in_process(instance=instance, run_config=QUIET, tags=tags)
    failed = [evaluation for evaluation in result.get_asset_check_evaluations() if not evaluation.passed]
    for evaluation in failed:
        print(f"{evaluation.asset_key.to_user_string()}: {evaluation.check_name} failed", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
