"""Behaviour of dlt, Dagster and DuckDB that the code leans on: an upgrade that changes it fails here, by name."""

import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dlt
import duckdb
import pyarrow as pa
import pytest
from dagster import (
    AssetCheckEvaluation,
    AssetCheckKey,
    AssetKey,
    DagsterEventType,
    DagsterInstance,
    EventRecordsFilter,
    OpExecutionContext,
    RunsFilter,
    job,
    op,
)
from dagster._core.definitions.job_base import InMemoryJob
from dagster._core.execution.api import create_execution_plan, execute_plan
from dagster._core.storage.tags import MAX_RETRIES_TAG, WILL_RETRY_TAG
from dagster_dlt.translator import DltResourceTranslatorData
from deltalake import DeltaTable, write_deltalake
from deltalake.exceptions import DeltaError
from dlt.common.libs.deltalake import merge_delta_table
from dlt.sources.helpers.rest_client.client import PageData
from dlt.sources.rest_api import rest_api_source

from invoice_assets.defs.dlt_integration import DagsterDltTranslator
from invoice_assets_tests.defs.alerting.conftest import create_dagster_database, open_instance, store_in
from invoice_assets_tests.ingest.reading import open_session_on
from invoice_assets_tests.postgres import Postgres
from invoice_assets_tests.sandbox.server import Sandbox


def load(table: pa.Table | list[pa.Table], database: Path, **hints: Any) -> list[tuple[Any, ...]]:
    """Load Arrow tables into `things` of a DuckDB file; the rows that are in it then."""
    resource = dlt.resource(table, name="things", **hints)
    pipeline = dlt.pipeline(
        "things",
        pipelines_dir=str(database.parent / "pipelines"),
        destination=dlt.destinations.duckdb(str(database)),
        dataset_name="upstream",
    )
    try:
        pipeline.run(resource, loader_file_format="parquet")
        with pipeline.sql_client() as client:
            return [tuple(row) for row in client.execute_sql("SELECT * FROM things ORDER BY ALL") or []]
    finally:
        pipeline.deactivate()


def test_importing_dagster_embedded_elt_warns_that_it_is_deprecated() -> None:
    """The reason for the filter in defs/dlt_integration.py."""
    imported = subprocess.run(
        [sys.executable, "-W", "default", "-c", "import dagster_embedded_elt.dlt"],
        capture_output=True,
        text=True,
        check=True,
    )

    assert "The `dagster-embedded-elt` library is deprecated" in imported.stderr


def test_a_step_behind_a_rest_api_resource_gets_whole_pages(sandbox: Sandbox) -> None:
    """RowBatcher counts on it: a list of rows, with the paginator that knows whether more will come."""
    seen: list[tuple[type, int, bool]] = []

    def look(page: PageData[Any], meta: Any = None) -> Iterator[int]:
        seen.append((type(page), len(page), page.paginator.has_next_page))
        yield len(page)

    with open_session_on(sandbox) as session:
        source = rest_api_source(
            {
                "client": {"base_url": sandbox.api_base_url, "session": session, "paginator": "single_page"},
                "resources": [{"name": "items", "endpoint": {"path": "items", "data_selector": "items"}}],
            }
        )
        source.resources["items"].add_step(look)
        list(source)

    assert seen == [(PageData, 3, False)]


def test_an_empty_arrow_table_creates_the_table_with_its_columns(tmp_path: Path) -> None:
    schema = pa.schema([("id", pa.string()), ("total", pa.decimal128(28, 6))])

    assert load(schema.empty_table(), tmp_path / "u.duckdb") == []


def test_of_two_rows_with_one_key_the_last_in_the_dedup_sort_wins(tmp_path: Path) -> None:
    table = pa.table({"id": ["1", "1", "1"], "stamp": [2, 3, 1]})

    rows = load(
        table,
        tmp_path / "u.duckdb",
        primary_key="id",
        write_disposition="merge",
        columns={"stamp": {"dedup_sort": "desc"}},
    )

    assert rows == [("1", 3)]


def test_merging_keeps_rows_that_a_new_pull_does_not_bring(tmp_path: Path) -> None:
    hints = {"primary_key": "id", "write_disposition": "merge"}
    load(pa.table({"id": ["1", "2"]}), tmp_path / "u.duckdb", **hints)

    assert load(pa.table({"id": ["2", "3"]}), tmp_path / "u.duckdb", **hints) == [("1",), ("2",), ("3",)]


def test_the_staging_dataset_keeps_the_rows_of_the_last_load(tmp_path: Path) -> None:
    """ingest/deletions.py finds there what a complete read has brought."""
    hints = {"primary_key": "id", "write_disposition": "merge"}
    load(pa.table({"id": ["1", "2"]}), tmp_path / "u.duckdb", **hints)
    load(pa.table({"id": ["2", "3"]}), tmp_path / "u.duckdb", **hints)

    with duckdb.connect(str(tmp_path / "u.duckdb")) as connection:
        staged = connection.execute("SELECT id FROM upstream_staging.things ORDER BY id").fetchall()

    assert staged == [("2",), ("3",)]


def test_duckdb_refuses_a_schema_that_is_called_like_its_file(tmp_path: Path) -> None:
    """The reason for docs/adr/0007."""
    with duckdb.connect(str(tmp_path / "invoicing.duckdb")) as connection:
        connection.execute("CREATE SCHEMA invoicing.invoicing")
        with pytest.raises(duckdb.BinderException, match="Ambiguous reference"):
            connection.execute("CREATE TABLE invoicing.things (id TEXT)")


def test_dagster_dlt_names_an_asset_without_a_pipeline() -> None:
    """Definitions are loaded with a placeholder source and no pipeline, so that loading them touches no disk."""
    data = DltResourceTranslatorData(resource=dlt.resource([], name="things"), pipeline=None)

    assert DagsterDltTranslator().get_asset_spec(data).key.path[-1].endswith("things")


@op
def nothing() -> None: ...


@op
def tell_steps(context: OpExecutionContext) -> None:
    context.log.info(f"told: {list(context.get_step_execution_context().execution_plan.step_keys_to_execute)}")


@job
def tell_steps_twice() -> None:
    tell_steps.alias("first")()
    tell_steps.alias("second")()


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        pytest.param(None, ["['first', 'second']", "['first', 'second']"], id="all steps in one process"),
        pytest.param(["second"], ["['second']"], id="a step in a process of its own"),
    ],
)
def test_a_step_knows_which_steps_its_process_executes(asked: list[str] | None, told: list[str]) -> None:
    """defs/read_plan.py reads nothing ahead for steps of another process, which is how executors ask for one step."""
    with DagsterInstance.ephemeral() as instance:
        in_memory = InMemoryJob(tell_steps_twice)
        plan = create_execution_plan(in_memory, step_keys_to_execute=asked)
        run = instance.create_run_for_job(tell_steps_twice, execution_plan=plan)
        execute_plan(plan, in_memory, instance, run)
        messages = [entry.user_message for entry in instance.all_logs(run.run_id)]

    assert [text.removeprefix("told: ") for text in messages if text.startswith("told: ")] == told


@job
def do_nothing() -> None:
    nothing()


def test_events_of_checks_cannot_be_read_after_a_cursor_on_sqlite(tmp_path: Path) -> None:
    """The documented way to alert on checks; defs/check_observations.py reads the table of their executions."""
    of_checks = EventRecordsFilter(DagsterEventType.ASSET_CHECK_EVALUATION, after_cursor=1)

    with (
        open_instance(tmp_path / "dagster", {}) as instance,
        pytest.raises(Exception, match="not run-aware"),
    ):
        instance.event_log_storage.get_event_records(of_checks)


def test_a_postgresql_that_is_not_in_utc_is_hours_off_in_what_it_stamps_and_compares(
    tmp_path: Path, postgres: Postgres
) -> None:
    """The reason why defs/run_history.py trusts `end_time` alone, and asks for more than it wants."""
    with open_instance(tmp_path / "dagster", store_in(create_dagster_database(postgres))) as instance:
        instance.report_run_failed(instance.create_run_for_job(do_nothing))
        (record,) = instance.get_run_records()
        found = instance.get_run_records(RunsFilter(updated_after=datetime.now(UTC) - timedelta(hours=1)))

    assert record.end_time is not None
    assert record.end_time - record.update_timestamp.timestamp() > timedelta(hours=3).total_seconds()
    assert found == []


def test_the_executions_of_a_check_come_latest_first_and_with_those_that_had_no_run(tmp_path: Path) -> None:
    key = AssetCheckKey(AssetKey("things"), "are_well")
    with open_instance(tmp_path / "dagster", {}) as instance:
        for passed in (True, False):
            instance.report_runless_asset_event(
                AssetCheckEvaluation(asset_key=key.asset_key, check_name=key.name, passed=passed, metadata={})
            )
        latest = instance.event_log_storage.get_latest_asset_check_execution_by_key([key])
        history = instance.event_log_storage.get_asset_check_execution_history(key, limit=9)

    evaluations = [record.evaluation for record in (latest[key], *history)]
    assert [evaluation.passed for evaluation in evaluations if evaluation] == [False, False, True]


@pytest.mark.parametrize(("max_retries", "expected"), [pytest.param("1", "true"), pytest.param("0", "false")])
def test_a_run_that_fails_is_tagged_with_whether_it_is_tried_again(
    tmp_path: Path, max_retries: str, expected: str
) -> None:
    with open_instance(tmp_path / "dagster", {}) as instance:
        run = instance.create_run_for_job(do_nothing, tags={MAX_RETRIES_TAG: max_retries})
        instance.report_run_failed(run)
        (record,) = instance.get_run_records()

    assert record.dagster_run.tags[WILL_RETRY_TAG] == expected


@pytest.fixture
def delta_table(tmp_path: Path) -> DeltaTable:
    """A table with a row, to be merged into as dlt does it."""
    rows = pa.table({"thing_id": ["1"], "name": ["old"], "note": ["old"]})
    write_deltalake(tmp_path / "things", rows)
    return DeltaTable(tmp_path / "things")


def merge(table: DeltaTable, rows: pa.Table) -> None:
    key = {"name": "thing_id", "data_type": "text", "primary_key": True}
    schema: Any = {"columns": {"thing_id": key}, "x-merge-strategy": "upsert"}
    merge_delta_table(table, rows, schema, "things", streamed_exec=True)


def test_a_merge_into_a_delta_table_leaves_a_column_alone_that_its_rows_lack(delta_table: DeltaTable) -> None:
    """`ingest/delta_destination.py` hands over every column of the table, NULL where the load has none."""
    merge(delta_table, pa.table({"thing_id": ["1"], "name": ["new"]}))

    assert delta_table.to_pyarrow_table().to_pylist() == [{"thing_id": "1", "name": "new", "note": "old"}]


def test_a_merge_into_a_delta_table_does_not_choose_between_rows_of_one_key(delta_table: DeltaTable) -> None:
    """`ingest/staged_files.py` does, for this destination too."""
    with pytest.raises(DeltaError, match="MERGE matched a target row with multiple source rows"):
        merge(delta_table, pa.table({"thing_id": ["1", "1"], "name": ["a", "b"]}))


def test_dlt_merges_no_plain_files_and_falls_back_to_appending(tmp_path: Path) -> None:
    """Why the destination `filesystem` is refused without a table format."""
    capabilities = dlt.destinations.filesystem(str(tmp_path)).capabilities()
    schema: Any = {"name": "things", "columns": {}, "write_disposition": "merge"}

    assert capabilities.merge_strategies_selector(["upsert"], table_schema=schema) == []
