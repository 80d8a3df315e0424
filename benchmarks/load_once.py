"""One full load through Dagster, as `full_load.py` measures it; fails unless every row has arrived."""

import os
import sys

from dagster import DagsterInstance

from invoice_assets.catalog import RESOURCES
from invoice_assets.definitions import defs
from invoice_assets.settings import Settings
from invoice_assets_tests.runs import QUIET, metadata_of, select_all_partitions


def main() -> int:
    """Load all resources; returns 0 where the rows in the tables add up to EXPECTED_ROWS."""
    with DagsterInstance.ephemeral() as instance:
        result = defs.resolve_implicit_global_asset_job_def().execute_in_process(
            instance=instance, run_config=QUIET, tags=select_all_partitions(Settings.from_env())
        )
    rows = sum(metadata_of(result, name)["dagster/row_count"] for name in RESOURCES)
    return 0 if rows == int(os.environ["EXPECTED_ROWS"]) else 1


if __name__ == "__main__":
    sys.exit(main())
