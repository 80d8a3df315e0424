from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from dagster import DagsterInstance, JobDefinition

from invoice_assets.defs.retention import JOB_NAME, build_retention, find_replaced_runs
from invoice_assets.settings import Settings
from invoice_assets_tests.project import Project
from invoice_assets_tests.sandbox.server import Sandbox

UNTIL_TOMORROW = -1
"""In the place of a number of days: what ended until tomorrow is old."""


@pytest.fixture
def instance() -> Iterator[DagsterInstance]:
    with DagsterInstance.ephemeral() as fresh:
        yield fresh


@pytest.fixture
def source() -> Iterator[Sandbox]:
    with Sandbox(rows=3) as running:
        yield running


@pytest.fixture
def project(instance: DagsterInstance, source: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    return Project(source, tmp_path, monkeypatch, instance=instance)


def build_job(*, keep_runs_days: int) -> JobDefinition:
    definitions = build_retention(replace(Settings(), keep_runs_days=keep_runs_days))
    return definitions.resolve_job_def(JOB_NAME)


def find_replaced(instance: DagsterInstance) -> set[str]:
    return {run.run_id for run in find_replaced_runs(instance, ended_before=datetime.now(UTC) + timedelta(days=1))}


def test_a_run_is_replaced_once_newer_ones_tell_all_that_it_told(instance: DagsterInstance, project: Project) -> None:
    first, users = project.materialize("taxes"), project.materialize("users")
    without_checks = project.materialize("taxes", with_checks=False)

    assert find_replaced(instance) == set()

    project.materialize("taxes")

    assert find_replaced(instance) == {first.run_id, without_checks.run_id}
    assert users.success


def test_a_run_stays_that_loaded_a_partition_which_no_other_has_loaded_since(
    instance: DagsterInstance, project: Project
) -> None:
    today = datetime.now(UTC).date()
    days = [(today - timedelta(days=back)).isoformat() for back in (2, 1)]
    both = project.materialize("expenses", partitions=(days[0], days[1]), with_checks=False)
    first = project.materialize("expenses", partitions=(days[0], days[0]), with_checks=False)

    assert find_replaced(instance) == set()

    second = project.materialize("expenses", partitions=(days[1], days[1]), with_checks=False)

    assert find_replaced(instance) == {both.run_id}
    assert first.success
    assert second.success


def test_the_job_deletes_runs_that_are_old_enough_and_no_others(instance: DagsterInstance, project: Project) -> None:
    first, second = project.materialize("taxes"), project.materialize("taxes")

    assert build_job(keep_runs_days=31).execute_in_process(instance=instance).success
    assert instance.get_run_by_id(first.run_id)

    assert build_job(keep_runs_days=UNTIL_TOMORROW).execute_in_process(instance=instance).success
    assert instance.get_run_by_id(first.run_id) is None
    assert instance.get_run_by_id(second.run_id)


def test_all_runs_are_kept_unless_a_setting_says_otherwise() -> None:
    assert not build_retention(Settings()).schedules
    [schedule] = build_retention(replace(Settings(), keep_runs_days=90)).schedules or ()
    assert getattr(schedule, "cron_schedule", None) == "50 4 * * *"
