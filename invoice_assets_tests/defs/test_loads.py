"""Partitions and deletions as a run shows them: windows of the last change, complete reads, rows that are gone."""

from collections.abc import Iterator
from dataclasses import astuple
from datetime import UTC, datetime, timedelta
from logging import WARNING
from pathlib import Path
from typing import Any

import pytest
from dagster import AssetKey, DagsterInstance, ExecuteInProcessResult

from invoice_assets.catalog import RESOURCES
from invoice_assets_tests.defs.conftest import Days
from invoice_assets_tests.project import Project
from invoice_assets_tests.runs import failures_of, metadata_of
from invoice_assets_tests.sandbox.application import ServedPage
from invoice_assets_tests.sandbox.server import Sandbox


@pytest.fixture
def source() -> Iterator[Sandbox]:
    """A sandbox in UTC with ten rows of every resource, all of them from months ago."""
    with Sandbox(rows=10, time_zone="UTC") as running:
        yield running


@pytest.fixture
def project(source: Sandbox, days: Days, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A project whose first partition is the day before yesterday, also where midnight passes meanwhile."""
    project = Project(source, tmp_path, monkeypatch, has_checks=False)
    monkeypatch.setenv("INVOICE_START_DATE", days.before)
    return project


def ids(sandbox: Sandbox, name: str) -> list[str]:
    return [str(row[RESOURCES[name].primary_key]) for row in sandbox.rows(name)]


def edit_at_noon(day: str, sandbox: Sandbox, name: str, key: str, **changes: Any) -> None:
    sandbox.edit(name, key, last_modified_time=f"{day}T12:00:00+0000", **changes)


def stored_ids(project: Project, name: str, where: str = "true") -> set[str]:
    key = RESOURCES[name].primary_key
    return {row[0] for row in project.query(f"SELECT {key} FROM invoicing.{name} WHERE {where}")}


def partition_counts(result: ExecuteInProcessResult, name: str) -> dict[str, int]:
    return {
        str(event.partition): int(str(event.materialization.metadata["dagster/partition_row_count"].value))
        for event in result.get_asset_materialization_events()
        if event.asset_key == AssetKey(["invoicing", name])
    }


@pytest.mark.parametrize("name", ["invoices", "expenses"], ids=["by keyset", "by filter"])
def test_a_partition_brings_the_rows_that_changed_in_its_day(
    project: Project, days: Days, source: Sandbox, name: str
) -> None:
    first, second, *_ = ids(source, name)
    edit_at_noon(days.yesterday, source, name, first, date="2019-05-01")
    source.edit(name, second)

    project.materialize(name, partitions=(days.yesterday, days.yesterday))

    assert stored_ids(project, name) == {first}


def test_the_first_partition_holds_everything_that_changed_before(
    project: Project, days: Days, source: Sandbox
) -> None:
    first, *others = ids(source, "invoices")
    edit_at_noon(days.yesterday, source, "invoices", first)

    project.materialize("invoices", partitions=(days.before, days.before))

    assert stored_ids(project, "invoices") == set(others)


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0, 1, 1)], ids=["forward", "backward", "with repeats"])
def test_partitions_in_any_order_add_up_to_the_table(
    project: Project, days: Days, source: Sandbox, order: tuple[int, ...]
) -> None:
    first, second, *_ = ids(source, "credit_notes")
    edit_at_noon(days.yesterday, source, "credit_notes", first)
    source.edit("credit_notes", second)

    for day in (astuple(days)[n] for n in order):
        assert project.materialize("credit_notes", partitions=(day, day)).success

    assert stored_ids(project, "credit_notes", "deleted_at IS NULL") == set(ids(source, "credit_notes"))
    assert len(project.read_table("credit_notes")) == 10


def test_a_window_in_which_nothing_changed_costs_one_request_and_changes_nothing(
    project: Project, days: Days, source: Sandbox
) -> None:
    project.materialize("invoices")
    before = project.read_table("invoices")
    source.ledger.clear()

    result = project.materialize("invoices", partitions=(days.today, days.today))

    assert failures_of(result) == {}
    assert len(source.ledger.requests("invoices")) == 1
    assert project.read_table("invoices") == before


def test_a_first_window_without_rows_creates_the_table(project: Project, days: Days) -> None:
    assert project.materialize("invoices", partitions=(days.today, days.today)).success

    assert project.read_table("invoices") == []


def test_a_backfill_is_one_scan_and_counts_each_partition_in_the_table(
    project: Project, days: Days, source: Sandbox
) -> None:
    first, second, third, *_ = ids(source, "invoices")
    edit_at_noon(days.yesterday, source, "invoices", first)
    edit_at_noon(days.yesterday, source, "invoices", second)
    source.edit("invoices", third)

    result = project.materialize("invoices", partitions=(days.before, days.today))

    assert partition_counts(result, "invoices") == {days.before: 7, days.yesterday: 2, days.today: 1}
    assert len(source.ledger.requests("invoices")) == 1
    assert metadata_of(result, "invoices")["rows_loaded"] == 10


def test_a_backfill_that_failed_half_way_can_be_run_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Sandbox(rows={"invoices": 450}) as sandbox:
        project = Project(sandbox, tmp_path, monkeypatch, has_checks=False)
        sandbox.script("missing_wrapper_key", resource="invoices", after=1, times=1)
        assert not project.materialize("invoices").success

        assert project.materialize("invoices").success

        assert len(project.read_table("invoices")) == 450


def test_a_partition_remembers_whether_its_day_was_over(
    source: Sandbox, days: Days, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with DagsterInstance.ephemeral() as instance:
        project = Project(source, tmp_path, monkeypatch, instance=instance, has_checks=False)
        project.materialize("invoices", partitions=(days.yesterday, days.today))
        records = instance.fetch_materializations(AssetKey(["invoicing", "invoices"]), limit=10).records

    flags = {
        record.partition_key: record.asset_materialization.metadata["partition_is_complete"].value
        for record in records
        if record.asset_materialization
    }
    assert flags == {days.yesterday: True, days.today: False}


@pytest.mark.parametrize("name", ["invoices", "expenses", "taxes"])
def test_a_complete_read_marks_what_is_gone(project: Project, source: Sandbox, name: str) -> None:
    project.materialize(name)
    gone, *_ = ids(source, name)
    source.delete(name, gone)

    result = project.materialize(name)

    assert stored_ids(project, name, "deleted_at IS NOT NULL") == {gone}
    assert stored_ids(project, name, "deleted_at IS NULL") == set(ids(source, name))
    assert metadata_of(result, name)["rows_marked_deleted"] == 1
    assert metadata_of(result, name)["dagster/row_count"] == 9


def test_a_row_that_comes_back_loses_its_mark(project: Project, source: Sandbox) -> None:
    project.materialize("taxes")
    first = next(iter(source.rows("taxes")))
    source.delete("taxes", first["tax_id"])
    project.materialize("taxes")
    source.insert("taxes", **first)

    project.materialize("taxes")

    assert stored_ids(project, "taxes", "deleted_at IS NOT NULL") == set()


def test_a_deletion_is_marked_once_with_the_time_at_which_it_was_found(project: Project, source: Sandbox) -> None:
    project.materialize("taxes")
    source.delete("taxes", ids(source, "taxes")[0])
    project.materialize("taxes")
    (found,) = project.query("SELECT deleted_at FROM invoicing.taxes WHERE deleted_at IS NOT NULL")

    project.materialize("taxes")

    assert project.query("SELECT deleted_at FROM invoicing.taxes WHERE deleted_at IS NOT NULL") == [found]
    assert abs(datetime.now(UTC) - found[0]) < timedelta(minutes=5)


def test_rows_that_seem_gone_from_a_list_of_several_pages_are_looked_for_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While page 1 of 2 was read, a row of it was deleted, which pulled the 201st out of page 2's reach."""
    deleted: list[str] = []

    def delete_after_page_1(page: ServedPage) -> None:
        if len(deleted) < 1 and page.page == 1 and is_second_run:
            deleted.append(ids(sandbox, "taxes")[0])
            sandbox.delete("taxes", deleted[0])

    is_second_run = False
    with Sandbox(rows={"taxes": 201}, page_hook=delete_after_page_1) as sandbox:
        project = Project(sandbox, tmp_path, monkeypatch, has_checks=False)
        project.materialize("taxes")
        is_second_run = True

        result = project.materialize("taxes")

        assert stored_ids(project, "taxes", "deleted_at IS NULL") >= set(ids(sandbox, "taxes"))
        assert metadata_of(result, "taxes")["rows_marked_deleted"] == 0
        assert metadata_of(result, "taxes")["api_requests"] == 3


def test_a_window_never_marks_a_deletion(project: Project, days: Days, source: Sandbox) -> None:
    project.materialize("invoices")
    source.delete("invoices", ids(source, "invoices")[0])

    project.materialize("invoices", partitions=(days.yesterday, days.today))

    assert stored_ids(project, "invoices", "deleted_at IS NOT NULL") == set()


def test_a_read_that_failed_never_marks_a_deletion(project: Project, source: Sandbox) -> None:
    project.materialize("taxes")
    source.delete("taxes", ids(source, "taxes")[0])
    source.script("internal_error_1000", resource="taxes", times=None)

    project.materialize("taxes")

    assert stored_ids(project, "taxes", "deleted_at IS NOT NULL") == set()


def test_more_deletions_than_the_limit_are_not_believed_and_the_run_says_why(project: Project, source: Sandbox) -> None:
    project.materialize("taxes")
    for key in ids(source, "taxes")[:3]:
        source.delete("taxes", key)

    with DagsterInstance.ephemeral() as project.instance:
        result = project.materialize("taxes")
        warnings = [entry.user_message for entry in project.instance.all_logs(result.run_id) if entry.level == WARNING]

    assert stored_ids(project, "taxes", "deleted_at IS NOT NULL") == set()
    assert "did not bring 3 of 10 live rows, more than the 20%" in metadata_of(result, "taxes")["warning"]
    assert [warning.partition(", more")[0] for warning in warnings] == [
        "taxes: The source did not bring 3 of 10 live rows"
    ]


def test_a_limit_of_one_still_does_not_believe_an_empty_list(
    project: Project, source: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INVOICE_DELETION_LIMIT", "1")
    project.materialize("taxes")
    for key in ids(source, "taxes"):
        source.delete("taxes", key)

    result = project.materialize("taxes")

    assert stored_ids(project, "taxes", "deleted_at IS NOT NULL") == set()
    assert "none was marked as deleted" in metadata_of(result, "taxes")["warning"]


def test_a_balance_that_changed_without_a_stamp_is_found_by_a_complete_read(
    project: Project, days: Days, source: Sandbox
) -> None:
    project.materialize("invoices")
    first, *_ = ids(source, "invoices")
    source.set_silently("invoices", first, status="overdue")

    project.materialize("invoices", partitions=(days.yesterday, days.today))
    after_a_window = project.query(f"SELECT status FROM invoicing.invoices WHERE invoice_id = '{first}'")
    project.materialize("invoices")

    assert after_a_window != [("overdue",)]
    assert project.query(f"SELECT status FROM invoicing.invoices WHERE invoice_id = '{first}'") == [("overdue",)]


def test_an_ignored_sort_is_survived_and_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Sandbox(rows={"invoices": 450}) as sandbox:
        project = Project(sandbox, tmp_path, monkeypatch, has_checks=False)
        sandbox.script("ignored_sort", resource="invoices", times=None)

        result = project.materialize("invoices")

        assert stored_ids(project, "invoices") == set(ids(sandbox, "invoices"))
        assert "did not sort by last_modified_time" in metadata_of(result, "invoices")["warning"]
