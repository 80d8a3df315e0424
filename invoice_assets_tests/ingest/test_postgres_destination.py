from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from threading import Barrier

import pytest
from dlt.pipeline.pipeline import Pipeline

from invoice_assets.catalog import RESOURCES, TAXES, USERS
from invoice_assets.destinations import POSTGRES
from invoice_assets.ingest.pipeline import open_pipeline
from invoice_assets.ingest.postgres_destination import hold_table
from invoice_assets.ingest.warehouse import open_destination
from invoice_assets.ingest.warehouse_errors import WarehouseLockedError
from invoice_assets.resource_spec import ResourceSpec
from invoice_assets_tests.ingest.stored import DATASET, load_table
from invoice_assets_tests.postgres import Postgres


@pytest.fixture
def url(postgres: Postgres, monkeypatch: pytest.MonkeyPatch) -> str:
    """An empty database, which is the warehouse."""
    url = postgres.create_database()
    monkeypatch.setenv("DESTINATION__WAREHOUSE__DESTINATION_TYPE", "postgres")
    monkeypatch.setenv("DESTINATION__WAREHOUSE__CREDENTIALS", url)
    return url


@contextmanager
def open_load(spec: ResourceSpec) -> Iterator[Pipeline]:
    with (
        open_destination(POSTGRES, database="", patience_s=0) as destination,
        open_pipeline(spec, destination=destination, dataset=DATASET) as pipeline,
    ):
        yield pipeline


@pytest.mark.usefixtures("url")
def test_a_table_that_is_being_loaded_is_refused_with_the_name_of_who_loads_it() -> None:
    with (
        open_load(TAXES) as first,
        open_load(TAXES) as second,
        hold_table(first, TAXES, patience_s=0),
        pytest.raises(
            WarehouseLockedError,
            match=r'"taxes" is in use by the load of taxes \(PID \d+ on .+\), which did not let go',
        ) as refused,
        hold_table(second, TAXES, patience_s=0),
    ):
        pytest.fail("the table is held")

    assert refused.value.transient


@pytest.mark.usefixtures("url")
def test_a_table_is_waited_for_and_the_wait_says_for_whom(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_load(TAXES) as first, open_load(TAXES) as second, ExitStack() as first_turn:
        first_turn.enter_context(hold_table(first, TAXES, patience_s=0))
        monkeypatch.setattr("tenacity.nap.time.sleep", lambda seconds: first_turn.close())

        with hold_table(second, TAXES, patience_s=30):
            pass

    assert [message.partition(" (PID")[0] for message in caplog.messages] == [
        'waiting for "invoicing"."taxes", in use by the load of taxes'
    ]


@pytest.mark.usefixtures("url")
def test_two_tables_are_loaded_side_by_side() -> None:
    with (
        open_load(TAXES) as taxes,
        open_load(USERS) as users,
        hold_table(taxes, TAXES, patience_s=0),
        hold_table(users, USERS, patience_s=0),
    ):
        assert taxes.pipeline_name != users.pipeline_name


def test_first_loads_of_an_empty_dataset_make_its_tables_side_by_side(url: str) -> None:
    """They made dlt's own tables at the same time, and some failed on a duplicate key of PostgreSQL's catalog."""
    at_once = Barrier(len(RESOURCES))

    def load(spec: ResourceSpec) -> None:
        with open_load(spec) as pipeline:
            at_once.wait(timeout=60)
            load_table(pipeline, spec, {spec.primary_key: "1"})

    with ThreadPoolExecutor(len(RESOURCES)) as pool:
        list(pool.map(load, RESOURCES.values()))

    tables = Postgres.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'invoicing'", url=url)
    assert tables == [(len(RESOURCES) + 2,)]


def test_the_destination_goes_by_the_name_and_the_type_that_dlt_knows() -> None:
    with open_destination(POSTGRES, database="", patience_s=0) as destination:
        assert (destination.destination_name, destination.destination_type) == (
            "warehouse",
            "dlt.destinations.postgres",
        )
