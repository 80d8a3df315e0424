"""A code location: the project's definitions under the executor that gives each step a process of its own.

The project itself runs its steps in the process of their run (docs/adr/0007); somebody who changes that must get the
same tables. https://docs.dagster.io/guides/operate/run-executors
"""

from dagster import multiprocess_executor

from invoice_assets.definitions import build_definitions

PRELOADED = ["dlt", "duckdb", "pyarrow.parquet", "invoice_assets.definitions", "invoice_assets.defs.loads"]
"""Imported once, by the server that the steps' processes are forked from."""

defs = build_definitions(
    executor=multiprocess_executor.configured(
        {"max_concurrent": 3, "start_method": {"forkserver": {"preload_modules": PRELOADED}}}
    )
)
