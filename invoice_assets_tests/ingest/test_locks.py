"""`locks.py`, by loads of one table that meet, in each warehouse that has a lock of a table to take."""

import time
from contextlib import ExitStack

import pytest

from invoice_assets.catalog import TAXES, USERS
from invoice_assets.destinations import DestinationSpec
from invoice_assets.ingest.warehouse import hold_table
from invoice_assets.ingest.warehouse_errors import WarehouseLockedError
from invoice_assets_tests.ingest.stored import open_load
from invoice_assets_tests.warehouses import choose_warehouse

TABLE = {"postgres": '"invoicing"."taxes"', "delta": "invoicing.taxes"}
"""How each destination writes it."""


@pytest.fixture(params=list(TABLE))
def destination(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> DestinationSpec:
    """What suits a warehouse without tables, which is the environment's."""
    url = request.getfixturevalue("postgres_url") if request.param == "postgres" else ""
    warehouse = choose_warehouse(request.param, folder=tmp_path_factory.mktemp("warehouse"), postgres_url=url)
    for name, value in warehouse.variables.items():
        monkeypatch.setenv(name, value)
    return warehouse.destination


def test_a_table_that_is_being_loaded_is_refused_with_the_name_of_who_loads_it(destination: DestinationSpec) -> None:
    with (
        open_load(TAXES, into=destination) as first,
        open_load(TAXES, into=destination) as second,
        hold_table(destination, first, TAXES, patience_s=0),
        pytest.raises(WarehouseLockedError) as refused,
        hold_table(destination, second, TAXES, patience_s=0),
    ):
        pytest.fail("the table is held")

    told = str(refused.value)
    assert told.startswith(f"{TABLE[destination.name]} is in use by the load of taxes (PID ")
    assert "which did not let go within 0 s" in told
    assert refused.value.transient


def test_a_table_is_waited_for_and_the_wait_says_for_whom(
    destination: DestinationSpec, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (
        open_load(TAXES, into=destination) as first,
        open_load(TAXES, into=destination) as second,
        ExitStack() as first_turn,
    ):
        first_turn.enter_context(hold_table(destination, first, TAXES, patience_s=0))
        monkeypatch.setattr(time, "sleep", lambda seconds: first_turn.close())

        with hold_table(destination, second, TAXES, patience_s=30):
            pass

    told = [message.partition(" (PID")[0] for message in caplog.messages if message.startswith("waiting")]
    assert told == [f"waiting for {TABLE[destination.name]}, in use by the load of taxes"]


def test_two_tables_are_loaded_side_by_side(destination: DestinationSpec) -> None:
    with (
        open_load(TAXES, into=destination) as taxes,
        open_load(USERS, into=destination) as users,
        hold_table(destination, taxes, TAXES, patience_s=0),
        hold_table(destination, users, USERS, patience_s=0),
    ):
        assert taxes.pipeline_name != users.pipeline_name
