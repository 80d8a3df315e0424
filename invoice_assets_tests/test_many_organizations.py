"""Several organisations in one deployment: each with its own dataset, token and quota, none in the way of another.

The file that names them is tested in `test_organizations.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import duckdb
import pytest
from dagster import AssetKey, DagsterInstance, ExecuteInProcessResult, TableColumnLineageMetadataValue

from invoice_assets.catalog import RESOURCES
from invoice_assets.definitions import build_definitions
from invoice_assets.settings import Settings
from invoice_assets_tests.many_organizations import ZONES, Deployment
from invoice_assets_tests.runs import failures_of
from invoice_assets_tests.sandbox.server import Sandbox

LISTS = ("invoices", "expenses", "taxes")
"""A keyset, a filter without a sort and a list by page number."""


@pytest.fixture(params=["duckdb"])
def deployment(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Deployment]:
    """On DuckDB, unless a test asks for others too."""
    is_postgres = request.param == "postgres"
    postgres_url = request.getfixturevalue("postgres").create_database() if is_postgres else None
    with ExitStack() as stack:
        sandboxes = {
            slug: stack.enter_context(
                Sandbox(rows=3, seed=seed, time_zone=zone, organization_id=f"48150000000000000{seed}")
            )
            for seed, (slug, zone) in enumerate(ZONES.items(), start=11)
        }
        instance = stack.enter_context(DagsterInstance.ephemeral())
        yield Deployment(sandboxes, tmp_path, monkeypatch, instance=instance, postgres_url=postgres_url)


def test_each_organisation_equals_its_own_source_with_its_own_token(deployment: Deployment) -> None:
    for slug in ZONES:
        assert deployment.materialize(slug, *LISTS).success

    assert {slug: sum(deployment.count_differences(slug, name) for name in LISTS) for slug in ZONES} == {
        "acme": 0,
        "globex": 0,
    }
    assert [sandbox.tokens_issued for sandbox in deployment.sandboxes.values()] == [1, 1]


@pytest.mark.parametrize("fault", ["blocked_43", "wrong_organization_6041", "token_throttled"])
def test_an_organisation_that_fails_holds_up_nobody_else(deployment: Deployment, fault: str) -> None:
    deployment.sandboxes["acme"].script(fault, times=None)

    failed, loaded = deployment.materialize("acme", "taxes", "items"), deployment.materialize("globex", "taxes")

    assert list(failures_of(failed)) == ["load_items_acme", "load_taxes_acme"]
    assert failures_of(failed)["load_taxes_acme"].startswith("acme/taxes: ")
    assert loaded.success
    assert deployment.count_differences("globex", "taxes") == 0


def test_an_organisation_without_credentials_names_its_own_variable_and_never_takes_another_s(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INVOICE_API_CLIENT_SECRET", deployment.sandboxes["globex"].client_secret)
    monkeypatch.delenv("ACME_CLIENT_SECRET")

    failed, loaded = deployment.materialize("acme", "taxes"), deployment.materialize("globex", "taxes")

    assert "No client_secret to ask for an access token with. Set ACME_CLIENT_SECRET; " in str(failures_of(failed))
    assert deployment.sandboxes["acme"].token_requests == 0
    assert loaded.success


@pytest.mark.parametrize("deployment", ["duckdb", "postgres"], indirect=True)
def test_a_view_has_the_rows_of_all_organisations_with_their_slug(deployment: Deployment) -> None:
    """A column that only one of them has is NULL for the other."""
    deployment.sandboxes["acme"].add_field("taxes", "cf_region", "north")
    for slug in ZONES:
        deployment.materialize(slug, "taxes")

    united = deployment.materialize("all", "taxes", "items")

    assert united.success
    assert _sources_of(united, "cf_region") == [AssetKey(["invoicing", "acme", "taxes"])]
    assert len(_sources_of(united, "tax_id")) == 2

    counted = "SELECT organization, COUNT(*), COUNT(cf_region) FROM invoicing.taxes GROUP BY 1 ORDER BY 1"
    assert deployment.query(counted) == [("acme", 3, 3), ("globex", 3, 0)]
    assert deployment.query("SELECT COUNT(*) FROM information_schema.tables WHERE table_name = 'items'") == [(0,)]

    deployment.sandboxes["globex"].add_field("taxes", "cf_area", "south")
    deployment.materialize("globex", "taxes")
    deployment.materialize("all", "taxes")

    assert deployment.query("SELECT COUNT(cf_area) FROM invoicing.taxes") == [(3,)]


def test_the_view_is_found_by_whoever_opens_the_file(deployment: Deployment) -> None:
    deployment.materialize("acme", "taxes")
    deployment.materialize("all", "taxes")

    with duckdb.connect(str(deployment.database), read_only=True) as connection:
        connection.execute("USE invoicing.invoicing")
        assert connection.execute("SELECT DISTINCT organization FROM taxes").fetchall() == [("acme",)]


def test_every_organisation_has_its_own_assets_checks_jobs_and_schedules(deployment: Deployment) -> None:
    repository = build_definitions(Settings.from_env()).get_repository_def()
    graph = repository.asset_graph

    assert graph.get_all_asset_keys() == {
        AssetKey(["invoicing", slug, name]) for slug in (*ZONES, "all") for name in RESOURCES
    } | {AssetKey(["invoicing_api", slug]) for slug in ZONES}
    assert {schedule.name: schedule.execution_timezone for schedule in repository.schedule_defs} == {
        "refresh_union_views": "UTC"
    } | {
        f"{name}_{slug}": zone
        for slug, zone in ZONES.items()
        for name in (
            "catch_up_transactions",
            "refresh_today",
            "snapshot_reference",
            "reconcile_transactions",
            "recheck_tables",
        )
    }
    assert {key.asset_key.path[1] for key in _checks_of(repository, "check_tables_acme")} == {"acme"}


def _sources_of(united: ExecuteInProcessResult, column: str) -> list[AssetKey]:
    """The assets that a column of the view of taxes is made from."""
    lineage = {
        event.asset_key.path[-1]: event.materialization.metadata.get("dagster/column_lineage")
        for event in united.get_asset_materialization_events()
        if event.asset_key
    }["taxes"]
    assert isinstance(lineage, TableColumnLineageMetadataValue)
    return [dep.asset_key for dep in lineage.column_lineage.deps_by_column[column]]


def _checks_of(repository: Any, job: str) -> set[Any]:
    return set(repository.get_job(job).asset_layer.asset_graph.asset_check_keys)
