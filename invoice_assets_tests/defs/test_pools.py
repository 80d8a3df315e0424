from dataclasses import replace

from invoice_assets.catalog import INVOICES, TAXES
from invoice_assets.definitions import build_definitions
from invoice_assets.defs.pools import name_pool
from invoice_assets.settings import Settings


def test_everything_that_opens_one_duckdb_file_shares_a_pool() -> None:
    assert name_pool(INVOICES, Settings()) == name_pool(TAXES, Settings()) == "invoicing"


def test_on_a_server_each_table_has_a_pool_of_its_own() -> None:
    settings = replace(Settings(), destination_type="postgres", database="")

    assert name_pool(INVOICES, settings) == "invoicing_invoices"
    assert name_pool(TAXES, settings) == "invoicing_taxes"


def test_loads_and_checks_wait_in_the_same_pool() -> None:
    job = build_definitions(Settings()).resolve_implicit_global_asset_job_def()
    pools = {op.name: op.pool for op in job.graph.node_defs}  # type: ignore[attr-defined]  # all are ops

    assert pools.pop("check_freshness") is None  # it opens no table, and must not wait for a load that hangs
    assert set(pools.values()) == {"invoicing"}
