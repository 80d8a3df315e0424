"""A Dagster instance with files for the tests of what reads its history; who needs none, takes an ephemeral one."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from dagster import DagsterInstance


@pytest.fixture(scope="session")
def fresh_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of an instance on which nothing has run. To set them up takes Dagster ten times as long as a copy."""
    home = tmp_path_factory.mktemp("dagster")
    with DagsterInstance.local_temp(str(home)) as instance:
        instance.get_runs_count()
    return home


@pytest.fixture
def dagster_home(fresh_home: Path, tmp_path: Path) -> Path:
    """The test's own copy of them."""
    return Path(shutil.copytree(fresh_home, tmp_path / "dagster"))


@pytest.fixture
def instance(dagster_home: Path) -> Iterator[DagsterInstance]:
    """An instance on which nothing has run."""
    with DagsterInstance.local_temp(str(dagster_home)) as fresh:
        yield fresh
