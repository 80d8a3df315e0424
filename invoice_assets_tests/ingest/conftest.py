"""Fixtures of the ingest layer: an empty dataset on each warehouse that the checks must work on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from dlt.pipeline.pipeline import Pipeline

from invoice_assets_tests.ingest.stored import THINGS, open_load
from invoice_assets_tests.postgres import Postgres
from invoice_assets_tests.warehouses import choose_warehouse


@pytest.fixture(scope="session")
def postgres_url(postgres: Postgres) -> str:
    """The URL of a database in which each test has the dataset to itself: making one for each costs as much as it."""
    return postgres.create_database()


@pytest.fixture(params=["duckdb", "postgres"])
def pipeline(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pipeline]:
    """A pipeline into a dataset without tables; a test that makes none by SQL can ask for Delta tables as well."""
    url = request.getfixturevalue("postgres_url") if request.param == "postgres" else ""
    warehouse = choose_warehouse(request.param, folder=tmp_path, postgres_url=url)
    for name, value in warehouse.variables.items():
        monkeypatch.setenv(name, value)
    with (
        open_load(THINGS, into=warehouse.destination, database=warehouse.database) as opened,
        opened.sql_client() as client,
    ):
        client.create_dataset()
        yield opened
        client.drop_dataset()


@pytest.fixture
def statements(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The statements that the warehouse is handed from now on, but for those that ask which columns there are."""
    handed: list[str] = []
    with pipeline.sql_client() as client:
        kind = type(client)
    execute = kind.execute_sql

    def note(self: Any, sql: Any, *args: Any, **kwargs: Any) -> Any:
        if "INFORMATION_SCHEMA" not in str(sql):
            handed.append(str(sql))
        return execute(self, sql, *args, **kwargs)

    monkeypatch.setattr(kind, "execute_sql", note)
    return handed
