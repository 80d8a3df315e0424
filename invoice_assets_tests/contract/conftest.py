"""The warehouses that the contract is held against: those of this project's own tests, and one of whoever runs them.

`INVOICE_CONTRACT=on` asks for that one; it is the warehouse that their environment describes (docs/destinations.md).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from invoice_assets_tests.contract.contractor import Contractor
from invoice_assets_tests.postgres import Postgres
from invoice_assets_tests.sandbox.server import Sandbox
from invoice_assets_tests.warehouses import Warehouse, choose_warehouse, find_warehouse

SWITCH = "INVOICE_CONTRACT"
ROWS = {"contacts": 4, "invoices": 12, "taxes": 3, "items": 3, "recurring_invoices": 2}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Look for one more warehouse now: by the time that a test runs, the environment is nobody's."""
    if "warehouse" in metafunc.fixturenames:
        theirs = find_warehouse(os.environ) if os.environ.get(SWITCH) == "on" else None
        more = [pytest.param(theirs, id=f"their {theirs.destination.name}")] if theirs else []
        metafunc.parametrize("warehouse", ["duckdb", "postgres", "delta", *more], indirect=True, scope="session")


@pytest.fixture(scope="session")
def warehouse(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    """The warehouse of the test; each test has a dataset of its own in it."""
    if isinstance(request.param, Warehouse):
        return request.param
    url = ""
    if request.param == "postgres":
        postgres: Postgres = request.getfixturevalue("postgres")
        url = postgres.create_database()
    return choose_warehouse(request.param, folder=tmp_path_factory.mktemp("warehouse"), postgres_url=url)


@pytest.fixture
def contractor(warehouse: Warehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Contractor]:
    """A project on the warehouse; its dataset is dropped afterwards."""
    with Sandbox(rows=ROWS) as sandbox:
        monkeypatch.setenv("INVOICE_DATASET", f"contract_{uuid4().hex[:8]}")
        contractor = Contractor(sandbox, tmp_path, monkeypatch, warehouse=warehouse)
        try:
            yield contractor
        finally:
            contractor.drop_dataset()
