"""Fixtures for what reads Dagster's history: an instance on each storage that a deployment can have."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from dagster import DagsterInstance
from dagster._core.instance.ref import InstanceRef

from invoice_assets_tests.postgres import Postgres

RETRIES_ON = {"run_retries": {"enabled": True}}


def open_instance(folder: Path, storage: dict[str, Any]) -> DagsterInstance:
    """An instance with its files in `folder`, on which failed runs are retried where their tags ask for it."""
    folder.mkdir()
    overrides = {"telemetry": {"enabled": False}, **RETRIES_ON, **storage}
    return DagsterInstance.from_ref(InstanceRef.from_dir(str(folder), overrides=overrides))


def create_dagster_database(postgres: Postgres) -> str:
    """The URL of a database far from UTC, as a server that nobody has set up for Dagster is."""
    url = postgres.create_database()
    postgres.execute(f"ALTER DATABASE {url.rpartition('/')[2]} SET timezone TO 'America/New_York'", url=url)
    return url


@pytest.fixture(params=["sqlite", "postgresql"])
def instance(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[DagsterInstance]:
    """An instance without a past: on the default storage, and on PostgreSQL."""
    storage = {}
    if request.param == "postgresql":
        url = create_dagster_database(request.getfixturevalue("postgres"))
        storage = {"storage": {"postgres": {"postgres_url": url}}}
    with open_instance(tmp_path / "dagster", storage) as opened:
        yield opened
