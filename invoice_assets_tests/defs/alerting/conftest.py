"""Fixtures for what reads Dagster's history: an instance on each storage that a deployment can have."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from dagster import DagsterInstance
from dagster._core.instance.ref import InstanceRef

from invoice_assets_tests.postgres import Postgres

CONNECTIONS = {"statement_timeout": 60_000, "pool_recycle": -1, "max_overflow": -1}
"""Kept, as the webserver keeps them: opening one for each query takes PostgreSQL longer than the queries."""

RETRIES_ON = {"run_retries": {"enabled": True}}


def open_instance(folder: Path, storage: dict[str, Any]) -> DagsterInstance:
    """An instance with its files in `folder`, on which failed runs are retried where their tags ask for it."""
    folder.mkdir(exist_ok=True)
    overrides = {"telemetry": {"enabled": False}, **RETRIES_ON, **storage}
    return DagsterInstance.from_ref(InstanceRef.from_dir(str(folder), overrides=overrides))


def create_dagster_database(postgres: Postgres, *, like: str | None = None) -> str:
    """The URL of a database far from UTC, as a server that nobody has set up for Dagster is."""
    url = postgres.create_database(like=like)
    postgres.execute(f"ALTER DATABASE {url.rpartition('/')[2]} SET timezone TO 'America/New_York'", url=url)
    return url


def store_in(url: str) -> dict[str, Any]:
    """What makes a database the storage of an instance."""
    return {"storage": {"postgres": {"postgres_url": url}}}


@pytest.fixture(scope="session")
def fresh_database(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The URL of a database that Dagster has set up, to be copied as `fresh_home` is."""
    url = create_dagster_database(postgres)
    with open_instance(tmp_path_factory.mktemp("dagster"), store_in(url)) as instance:
        instance.get_runs_count()
    return url


@pytest.fixture(params=["sqlite", "postgresql"])
def instance(request: pytest.FixtureRequest, dagster_home: Path) -> Iterator[DagsterInstance]:
    """An instance without a past: on the default storage, and on PostgreSQL."""
    storage = {}
    if request.param == "postgresql":
        fresh = request.getfixturevalue("fresh_database")
        storage = store_in(create_dagster_database(request.getfixturevalue("postgres"), like=fresh))
    with open_instance(dagster_home, storage) as opened:
        opened.optimize_for_webserver(**CONNECTIONS)
        yield opened
