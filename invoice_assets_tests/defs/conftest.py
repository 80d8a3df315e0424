"""What tests of `defs` share: a Dagster instance with files, for what reads its history, and the days of partitions.

Who needs no history takes an ephemeral instance.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from dagster import DagsterInstance


@dataclass(frozen=True)
class Days:
    """Three days as the keys of partitions."""

    before: str
    yesterday: str
    today: str


@pytest.fixture
def days() -> Days:
    """The last three days in UTC, as of now: midnight may have passed since the modules were collected."""
    today = datetime.now(UTC).date()
    return Days(*((today - timedelta(days=back)).isoformat() for back in (2, 1, 0)))


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
