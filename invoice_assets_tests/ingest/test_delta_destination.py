import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import cast

import pyarrow as pa
import pytest
from deltalake import DeltaTable
from deltalake.exceptions import CommitFailedError

from invoice_assets.catalog import RESOURCES
from invoice_assets.destinations import DELTA
from invoice_assets.ingest.delta_destination import LoadClient, hold_table
from invoice_assets.ingest.inspection import inspect_table
from invoice_assets.ingest.warehouse import open_destination
from invoice_assets.ingest.warehouse_errors import WarehouseBusyError, explain
from invoice_assets.resource_spec import ResourceSpec
from invoice_assets_tests.ingest.stored import DATASET, THINGS, load_table, open_load, thing
from invoice_assets_tests.warehouses import choose_warehouse

TAXES, USERS = RESOURCES["taxes"], RESOURCES["users"]
DYING_LOAD = """
import os, signal, sys
from invoice_assets.destinations import DELTA
from invoice_assets.ingest import delta_destination
from invoice_assets_tests.ingest.stored import THINGS, load_table, open_load, thing

merge = delta_destination.merge_delta_table
def die(*arguments, **named):
    if sys.argv[1] == "after":
        merge(*arguments, **named)
    os.kill(os.getpid(), signal.SIGKILL)
delta_destination.merge_delta_table = die
with open_load(THINGS, into=DELTA) as pipeline, delta_destination.hold_table(pipeline, THINGS, patience_s=0):
    load_table(pipeline, THINGS, thing("1", name="new"), thing("3"))
"""


@pytest.fixture
def lake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of Delta tables, which is the warehouse."""
    for name, value in choose_warehouse("delta", folder=tmp_path).variables.items():
        monkeypatch.setenv(name, value)
    return tmp_path / "lake"


def names_in(lake: Path) -> dict[str, str]:
    rows = DeltaTable(lake / DATASET / "things").to_pyarrow_table().to_pylist()
    return {row["thing_id"]: row["name"] for row in rows}


def test_the_destination_goes_by_the_name_and_the_type_that_dlt_knows(lake: Path) -> None:
    with open_destination(DELTA, database="", patience_s=0) as destination:
        assert (destination.destination_name, destination.destination_type) == (
            "warehouse",
            "dlt.destinations.filesystem",
        )


def test_a_load_is_one_commit(lake: Path) -> None:
    with open_load(THINGS, into=DELTA) as pipeline:
        load_table(pipeline, THINGS, *(thing(str(n)) for n in range(100)))

    operations = [commit["operation"] for commit in DeltaTable(lake / DATASET / "things").history()]
    assert operations == ["MERGE", "CREATE TABLE"]


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_load_that_is_killed_leaves_all_or_nothing_and_the_next_one_mends_it(lake: Path, moment: str) -> None:
    with open_load(THINGS, into=DELTA) as pipeline:
        load_table(pipeline, THINGS, thing("1", name="old"), thing("2"))

    died = subprocess.run([sys.executable, "-c", DYING_LOAD, moment], env=os.environ, check=False)

    assert died.returncode == -signal.SIGKILL
    assert names_in(lake) in (
        {"before": {"1": "old", "2": "Thing"}, "after": {"1": "new", "2": "Thing", "3": "Thing"}}[moment],
    )
    with open_load(THINGS, into=DELTA) as pipeline, hold_table(pipeline, THINGS, patience_s=0):
        load_table(pipeline, THINGS, thing("1", name="new"), thing("3"))
    assert names_in(lake) == {"1": "new", "2": "Thing", "3": "Thing"}


def test_a_table_is_read_without_an_extension_that_would_have_to_be_downloaded(lake: Path) -> None:
    with open_load(THINGS, into=DELTA) as pipeline:
        load_table(pipeline, THINGS, thing("1"))

    with open_load(THINGS, into=DELTA) as pipeline, pipeline.sql_client() as client:
        client.execute_sql("SET autoinstall_known_extensions = false")
        assert client.execute_sql("SELECT thing_id FROM invoicing.things") == [("1",)]
        loaded = client.execute_sql("SELECT extension_name FROM duckdb_extensions() WHERE loaded")
    assert "delta" not in {name for (name,) in loaded or ()}


def test_first_loads_of_an_empty_dataset_make_its_tables_side_by_side(lake: Path) -> None:
    """dlt's own client fails where another has just made the folder of the dataset."""
    specs = [TAXES, USERS, RESOURCES["items"]]
    at_once = Barrier(len(specs))

    def load(spec: ResourceSpec) -> None:
        with open_load(spec, into=DELTA) as pipeline, hold_table(pipeline, spec, patience_s=0):
            at_once.wait(timeout=60)
            load_table(pipeline, spec, {spec.primary_key: "1"})

    with ThreadPoolExecutor(len(specs)) as pool:
        list(pool.map(load, specs))

    assert [DeltaTable(lake / DATASET / spec.name).count() for spec in specs] == [1, 1, 1]


def test_storage_without_locks_is_loaded_without_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DESTINATION__WAREHOUSE__BUCKET_URL", "memory://lake")

    with (
        open_load(TAXES, into=DELTA) as pipeline,
        hold_table(pipeline, TAXES, patience_s=0),
        pipeline.destination_client() as client,
    ):
        assert cast(LoadClient, client).lock("taxes") is None


def test_a_commit_that_comes_too_late_is_told_as_one_that_a_later_run_can_make(lake: Path) -> None:
    with open_load(THINGS, into=DELTA) as pipeline:
        load_table(pipeline, THINGS, thing("1"))
    first, second = (DeltaTable(lake / DATASET / "things") for _ in range(2))
    first.delete()

    with pytest.raises(CommitFailedError) as late:
        second.update({"name": "'other'"})

    assert isinstance(explain([late.value]), WarehouseBusyError)


def test_a_column_of_another_type_is_told_and_a_table_of_somebody_elses_is_no_table(lake: Path) -> None:
    DeltaTable.create(lake / DATASET / "things", schema=pa.schema([("thing_id", pa.string()), ("total", pa.string())]))

    with open_load(THINGS, into=DELTA) as pipeline:
        found = inspect_table(pipeline, THINGS)
        nothing = inspect_table(pipeline, TAXES)

    assert found is not None
    assert (found.rows, found.types) == (0, {"thing_id": "text", "total": "text"})
    assert nothing is None
