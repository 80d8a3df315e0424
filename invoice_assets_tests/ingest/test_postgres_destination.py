from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from invoice_assets.catalog import RESOURCES
from invoice_assets.destinations import POSTGRES
from invoice_assets.ingest.warehouse import open_destination
from invoice_assets.resource_spec import ResourceSpec
from invoice_assets_tests.ingest.stored import load_table, open_load
from invoice_assets_tests.postgres import Postgres


@pytest.fixture
def url(postgres: Postgres, monkeypatch: pytest.MonkeyPatch) -> str:
    """An empty database, which is the warehouse."""
    url = postgres.create_database()
    monkeypatch.setenv("DESTINATION__WAREHOUSE__DESTINATION_TYPE", "postgres")
    monkeypatch.setenv("DESTINATION__WAREHOUSE__CREDENTIALS", url)
    return url


def test_first_loads_of_an_empty_dataset_make_its_tables_side_by_side(url: str) -> None:
    """They made dlt's own tables at the same time, and some failed on a duplicate key of PostgreSQL's catalog."""
    at_once = Barrier(len(RESOURCES))

    def load(spec: ResourceSpec) -> None:
        with open_load(spec, into=POSTGRES) as pipeline:
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
