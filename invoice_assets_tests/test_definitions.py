import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from dagster import AssetCheckKey, AssetKey, AssetsDefinition, DagsterInstance

from invoice_assets.catalog import RESOURCES
from invoice_assets.definitions import build_definitions
from invoice_assets.destinations import DELTA, DUCKDB, DestinationSpec
from invoice_assets.resource_spec import CheckName
from invoice_assets.settings import Settings
from invoice_assets_tests.project import Project
from invoice_assets_tests.runs import names_of_checks
from invoice_assets_tests.sandbox.server import Sandbox

LOAD = "import invoice_assets.definitions as d; print(len(list(d.defs.resolve_all_asset_keys())))"
OF_LOADS = {"dlt.sources.helpers.rest_client", "duckdb", "pyarrow", "requests"}
"""What only a load needs, and takes as long to import as all the rest of the definitions."""


def test_definitions_load_with_an_empty_environment_and_leave_nothing_behind(tmp_path: Path) -> None:
    loaded = subprocess.run(
        [sys.executable, "-c", LOAD],
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    assert loaded.stdout == "10\n"
    assert loaded.returncode == 0
    assert list(tmp_path.iterdir()) == []


def test_definitions_load_without_what_only_a_load_needs() -> None:
    """Each run, each tick of a sensor in a new process and each command that asks Dagster begins with them."""
    listed = f"{LOAD}; import sys; print(*sys.modules)"
    modules = subprocess.run([sys.executable, "-c", listed], capture_output=True, text=True, check=True).stdout.split()

    assert "dagster" in modules
    assert OF_LOADS & {*modules} == set()


def test_every_resource_is_one_asset_with_every_check_beside_the_api_that_they_come_from() -> None:
    graph = build_definitions(Settings()).resolve_asset_graph()

    assert graph.get_all_asset_keys() == {
        AssetKey(["invoicing_api"]),
        *(AssetKey(["invoicing", name]) for name in RESOURCES),
    }
    assert {(key.asset_key.path[-1], key.name) for key in graph.asset_check_keys} == {
        (spec.name, check) for spec in RESOURCES.values() for check in names_of_checks(spec)
    }


def test_a_check_blocks_what_is_downstream_only_where_the_catalog_says_so() -> None:
    blocking = replace(RESOURCES["taxes"], blocking_checks=frozenset({CheckName.PRIMARY_KEY_IS_UNIQUE}))
    graph = build_definitions(Settings(), catalog={**RESOURCES, "taxes": blocking}).resolve_asset_graph()

    blocks = [key for key in graph.asset_check_keys if graph.get_check_spec(key).blocking]

    assert blocks == [AssetCheckKey(AssetKey(["invoicing", "taxes"]), "primary_key_is_unique")]


def test_each_resource_has_a_definition_of_its_own() -> None:
    definitions = [asset for asset in build_definitions(Settings()).assets or [] if isinstance(asset, AssetsDefinition)]

    assert [len(definition.keys) for definition in definitions] == [1] * 9


@pytest.mark.parametrize("destination", [DUCKDB, DELTA], ids=lambda row: row.name)
def test_views_over_organisations_are_there_where_the_destination_has_views(
    tmp_path: Path, destination: DestinationSpec
) -> None:
    (tmp_path / "organizations.toml").write_text('[acme]\norganization_id = "1"\ndata_center = "eu"\n')
    settings = Settings(
        organizations_file=str(tmp_path / "organizations.toml"),
        destination_type=destination.destination_type,
        table_format=destination.table_format,
    )

    keys = build_definitions(settings).resolve_asset_graph().get_all_asset_keys()

    assert AssetKey(["invoicing", "acme", "taxes"]) in keys
    assert (AssetKey(["invoicing", "all", "taxes"]) in keys) == destination.has_views


def test_no_secret_is_found_in_anything_that_a_run_leaves_behind(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """A good run and a failed one, on an instance with files, logs of all levels included."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    home = tmp_path / "dagster"
    home.mkdir()
    with DagsterInstance.local_temp(str(home)) as instance:
        project = Project(sandbox, tmp_path, monkeypatch, instance=instance)
        assert project.materialize("invoices", "taxes").success
        sandbox.script("dead_token_57", resource="users", times=None)
        sandbox.script("token_invalid_code", times=None)
        assert not project.materialize("users").success
    printed = "".join(capfd.readouterr())

    secrets = {sandbox.client_id, sandbox.client_secret, sandbox.refresh_token, *sandbox.issued_access_tokens}
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    found = {str(path) for path in files for secret in secrets if secret.encode() in path.read_bytes()}
    assert len(files) > 3
    assert found == set()
    assert not [secret for secret in secrets if secret in printed]
