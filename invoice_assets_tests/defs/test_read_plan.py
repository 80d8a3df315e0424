"""`defs/read_plan.py` as runs show it: which lists are read ahead, over which windows, and which are read anew.

How reads run side by side is tested in `ingest/test_reading.py`.
"""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from dagster import DagsterInstance

from invoice_assets.catalog import RESOURCES
from invoice_assets.ingest import reading as ingest_reading
from invoice_assets.ingest import source as ingest_source
from invoice_assets.ingest.windows import OVERLAP, format_instant
from invoice_assets_tests.defs.conftest import Days
from invoice_assets_tests.project import Project
from invoice_assets_tests.runs import failures_of
from invoice_assets_tests.sandbox.application import PageHook, ServedPage
from invoice_assets_tests.sandbox.server import Sandbox

WAIT_S = 30.0
"""Only what is broken waits for so long."""


@pytest.fixture
def hooks() -> list[PageHook]:
    """What happens when a page has been read and before it is sent; empty means nothing."""
    return []


@pytest.fixture
def source(hooks: list[PageHook]) -> Iterator[Sandbox]:
    """A sandbox in UTC with three rows of every resource, all of them from months ago."""

    def call_hooks(page: ServedPage) -> None:
        for hook in hooks:
            hook(page)

    with Sandbox(rows=3, time_zone="UTC", page_hook=call_hooks) as running:
        yield running


@pytest.fixture
def instance() -> Iterator[DagsterInstance]:
    """An instance that remembers what the runs of the test did."""
    with DagsterInstance.ephemeral() as ephemeral:
        yield ephemeral


@pytest.fixture
def project(
    source: Sandbox, days: Days, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, instance: DagsterInstance
) -> Iterator[Project]:
    """A project whose first partition is the day before yesterday; no thread of it outlives the test."""
    monkeypatch.setattr(ingest_reading, "WORTH_READING_AHEAD_S", 0)
    project = Project(source, tmp_path, monkeypatch, instance=instance, has_checks=False)
    monkeypatch.setenv("INVOICE_START_DATE", days.before)
    yield project
    assert_no_read_is_left()


def assert_no_read_is_left() -> None:
    """Reads that nobody wants any more end by themselves."""
    for thread in threading.enumerate():
        if thread.name.startswith("read "):
            thread.join(WAIT_S)
            assert not thread.is_alive(), thread.name


def resources_asked_for(sandbox: Sandbox) -> list[str]:
    """The resource of every list request, sorted."""
    return sorted(entry.resource or "" for entry in sandbox.ledger.requests())


def test_the_lists_of_later_steps_are_read_while_an_earlier_one_is_loaded(
    project: Project, hooks: list[PageHook]
) -> None:
    """No page leaves before every list was asked for: read one after another, the first would wait for ever."""
    together = threading.Barrier(3)
    hooks.append(lambda _: together.wait(WAIT_S))

    result = project.materialize("expenses", "taxes", "users")

    assert failures_of(result) == {}
    assert [len(project.read_table(name)) for name in ("expenses", "taxes", "users")] == [3, 3, 3]


def test_all_lists_of_a_run_are_asked_for_once(project: Project, source: Sandbox) -> None:
    result = project.materialize()

    assert failures_of(result) == {}
    assert resources_asked_for(source) == sorted(RESOURCES)
    assert source.tokens_issued == 1


def test_a_run_of_some_assets_reads_nothing_that_it_does_not_load(project: Project, source: Sandbox) -> None:
    assert project.materialize("taxes", "invoices").success
    assert resources_asked_for(source) == ["invoices", "taxes"]
    source.ledger.clear()

    assert project.materialize("items").success

    assert resources_asked_for(source) == ["items"]


def test_what_is_read_ahead_covers_the_partitions_of_the_run(project: Project, days: Days, source: Sandbox) -> None:
    names = ["credit_notes", "expenses", "invoices"]
    midnight = datetime.fromisoformat(days.yesterday).replace(tzinfo=UTC)

    assert project.materialize(*names, partitions=(days.yesterday, days.yesterday)).success

    assert resources_asked_for(source) == names
    asked = {entry.query.get("last_modified_time") for entry in source.ledger.requests()}
    assert asked == {format_instant(midnight - OVERLAP)}


def test_what_is_read_ahead_of_all_partitions_is_complete(project: Project, days: Days, source: Sandbox) -> None:
    assert project.materialize("expenses", "invoices", partitions=(days.before, days.today)).success

    assert resources_asked_for(source) == ["expenses", "invoices"]
    assert {entry.query.get("last_modified_time") for entry in source.ledger.requests()} == {None}


def test_an_earlier_load_of_another_run_outdates_nothing(project: Project, source: Sandbox) -> None:
    project.materialize("taxes", "users")
    source.ledger.clear()

    assert project.materialize("taxes", "users").success

    assert resources_asked_for(source) == ["taxes", "users"]


def test_an_asset_that_fails_keeps_no_other_from_being_loaded(project: Project, source: Sandbox) -> None:
    source.script("missing_wrapper_key", resource="invoices")

    result = project.materialize("expenses", "invoices", "taxes")

    assert failures_of(result).keys() == {"load_invoices"}
    assert [len(project.read_table(name)) for name in ("expenses", "taxes")] == [3, 3]


def test_a_list_that_was_read_ahead_in_vain_fails_its_own_step_alone(project: Project, source: Sandbox) -> None:
    source.script("missing_wrapper_key", resource="users")

    result = project.materialize("taxes", "users")

    assert failures_of(result).keys() == {"load_users"}
    assert "users" in failures_of(result)["load_users"]


def test_a_refused_grant_is_tried_once_however_many_lists_are_read_at_a_time(project: Project, source: Sandbox) -> None:
    source.script("token_invalid_code")

    result = project.materialize("expenses", "invoices", "taxes", "users")

    assert failures_of(result).keys() == {"load_expenses", "load_invoices", "load_taxes", "load_users"}
    assert (source.token_requests, resources_asked_for(source)) == (1, [])
    assert_no_read_is_left()


def test_a_run_whose_warehouse_cannot_be_opened_leaves_no_read_behind(project: Project) -> None:
    project.database.parent.mkdir(parents=True)
    project.database.write_text("not a database " * 1_000)

    result = project.materialize("invoices", "taxes")

    assert failures_of(result).keys() == {"load_invoices", "load_taxes"}
    assert_no_read_is_left()


def test_a_read_that_no_step_takes_ends_with_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file became unusable after the list of the next step was begun: full of rows, it waits for nobody."""
    monkeypatch.setattr(ingest_source, "BATCH_ROWS", 200)
    monkeypatch.setattr(ingest_reading, "WORTH_READING_AHEAD_S", 0)
    has_been_read, database = threading.Event(), tmp_path / "warehouse" / "invoicing.duckdb"

    def spoil_the_file(page: ServedPage) -> None:
        if page.resource == "users":
            has_been_read.set()
        elif page.resource == "taxes":
            assert has_been_read.wait(WAIT_S)
            database.rename(tmp_path / "moved.duckdb")
            database.write_text("not a database " * 1_000)

    with Sandbox(rows={"taxes": 3, "users": 3_000}, page_hook=spoil_the_file) as sandbox:
        project = Project(sandbox, tmp_path, monkeypatch, has_checks=False)

        result = project.materialize("taxes", "users")

        assert "is damaged or no database" in failures_of(result)["load_users"]
        assert_no_read_is_left()
        assert len(sandbox.ledger.requests("users")) < 15
