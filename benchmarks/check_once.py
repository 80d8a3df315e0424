"""One load of the invoices and then all their checks, as `check_cost.py` measures them; prints seconds as JSON."""

import os
import sys
import time
from collections.abc import Callable

import msgspec
from dagster import AssetKey, AssetSelection, DagsterInstance, ExecuteInProcessResult

from invoice_assets.definitions import defs
from invoice_assets.settings import Settings
from invoice_assets_tests.runs import QUIET, metadata_of, select_all_partitions

LOADED = AssetSelection.assets(*(AssetKey(["invoicing", name]) for name in ("contacts", "invoices")))
CHECKED = AssetSelection.checks_for_assets(AssetKey(["invoicing", "invoices"]))


def main() -> int:
    """Load, check, print; returns 0 where every row has arrived and every check passed."""
    graph, job = defs.resolve_asset_graph(), defs.resolve_implicit_global_asset_job_def()
    load = job.get_subset(asset_selection=LOADED.resolve(graph), asset_check_selection=set())
    checks = job.get_subset(asset_check_selection=CHECKED.resolve_checks(graph))
    tags = select_all_partitions(Settings.from_env())
    with DagsterInstance.ephemeral() as instance:
        loaded, load_cost = _time(
            "load", lambda: load.execute_in_process(instance=instance, run_config=QUIET, tags=tags)
        )
        checked, check_cost = _time("checks", lambda: checks.execute_in_process(instance=instance, run_config=QUIET))
    print(msgspec.json.encode(load_cost | check_cost).decode())
    rows = metadata_of(loaded, "invoices")["dagster/row_count"]
    passed = [evaluation.passed for evaluation in checked.get_asset_check_evaluations()]
    return 0 if rows == int(os.environ["EXPECTED_ROWS"]) and passed and all(passed) else 1


def _time(name: str, run: Callable[[], ExecuteInProcessResult]) -> tuple[ExecuteInProcessResult, dict[str, float]]:
    cpu, wall = time.process_time(), time.monotonic()
    result = run()
    return result, {f"{name}_cpu_s": time.process_time() - cpu, f"{name}_wall_s": time.monotonic() - wall}


if __name__ == "__main__":
    sys.exit(main())
