"""Every fault of the matrix, played: the outcome is the row's, no table is ever partial, and the next run is exact."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
from dagster import DagsterInstance

from invoice_assets.catalog import RESOURCES
from invoice_assets_tests.postgres import Postgres
from invoice_assets_tests.project import Project
from invoice_assets_tests.reliability import strikes
from invoice_assets_tests.reliability.api_faults import API_FAULTS
from invoice_assets_tests.reliability.fault_scene import (
    LOADED_AFTER,
    LOADED_BEFORE,
    LOADER,
    PAGES_OF_STRUCK,
    ROWS,
    STRUCK,
    Scene,
    Source,
)
from invoice_assets_tests.reliability.faults import Fault, Warehouse
from invoice_assets_tests.reliability.relay import Relay
from invoice_assets_tests.reliability.warehouse_faults import WAREHOUSE_FAULTS
from invoice_assets_tests.runs import failures_of, metadata_of

CATALOG = {name: RESOURCES[name] for name in ROWS}


@pytest.fixture(scope="module")
def source() -> Iterator[Source]:
    """The source of all scenes: it goes on changing from one to the next."""
    source = Source()
    with source.sandbox:
        yield source


@pytest.fixture(scope="module")
def instance() -> Iterator[DagsterInstance]:
    """The Dagster instance of all runs."""
    with DagsterInstance.ephemeral() as instance:
        yield instance


@pytest.fixture(scope="module")
def good_file(source: Source, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A DuckDB file after a good load, from which the source has then moved on."""
    folder = tmp_path_factory.mktemp("good")
    with pytest.MonkeyPatch.context() as environment:
        project = Project(source.sandbox, folder, environment, catalog=CATALOG)
        assert project.materialize(with_checks=False).success
    return project.database


@pytest.fixture(scope="module")
def good_database(source: Source, postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The URL of a PostgreSQL database, owned by the role that loads it, after a good load."""
    url = postgres.create_database()
    postgres.execute(f"CREATE ROLE {LOADER} LOGIN", url=url)
    allow_loader(postgres, url)
    with pytest.MonkeyPatch.context() as environment:
        folder = tmp_path_factory.mktemp("good")
        project = Project(source.sandbox, folder, environment, catalog=CATALOG, postgres_url=as_loader(url))
        assert project.materialize(with_checks=False).success
    return url


def as_loader(url: str) -> str:
    """The URL of a database, for the role that loads."""
    return url.replace("//postgres:", f"//{LOADER}:")


def clone(server: Postgres, good: str) -> str:
    """The URL of a copy of a database, which the role that loads may use as it does the original."""
    url = server.create_database(like=good)
    allow_loader(server, url)
    return url


def allow_loader(server: Postgres, url: str) -> None:
    """Let the role that loads make its dataset in a database."""
    server.execute(f"GRANT CREATE ON DATABASE {url.rpartition('/')[2]} TO {LOADER}", url=url)


@contextmanager
def behind_a_relay(source: Source, environment: pytest.MonkeyPatch) -> Iterator[Relay]:
    """A relay through which the project reads, one list after another so that each run goes alike."""
    relay = Relay(source.sandbox.api_base_url)
    environment.setenv("INVOICE_API_BASE_URL", relay.url)
    environment.setenv("INVOICE_API_CONCURRENT_READS", "1")
    try:
        yield relay
    finally:
        relay.shut()


OpenScene = Callable[[Warehouse], AbstractContextManager[Scene]]


@pytest.fixture
def open_scene(
    source: Source,
    instance: DagsterInstance,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> OpenScene:
    """A function that opens a scene on a copy of the warehouse after a good load."""

    @contextmanager
    def open_one(warehouse: Warehouse) -> Iterator[Scene]:
        server = request.getfixturevalue("postgres") if warehouse is Warehouse.POSTGRES else None
        url = clone(server, request.getfixturevalue("good_database")) if server else ""
        project = Project(
            source.sandbox,
            tmp_path,
            monkeypatch,
            catalog=CATALOG,
            postgres_url=as_loader(url) or None,
            instance=instance,
        )
        if not server:
            project.database.parent.mkdir()
            shutil.copy2(request.getfixturevalue("good_file"), project.database)
        source.change()
        with behind_a_relay(source, monkeypatch) as relay:
            yield Scene(
                source=source,
                relay=relay,
                project=project,
                environment=monkeypatch,
                folder=tmp_path,
                postgres=server,
                database_url=url,
            )

    return open_one


@pytest.mark.parametrize("fault", [*API_FAULTS, *WAREHOUSE_FAULTS], ids=lambda fault: fault.name)
def test_a_fault_ends_as_the_matrix_says(fault: Fault, open_scene: OpenScene) -> None:
    """A fault that lasts fails its load and leaves the table as it was; one that passes, or is gone, costs no row."""
    with open_scene(fault.warehouse) as scene:
        if fault.lasting:
            others = (LOADED_BEFORE, LOADED_AFTER) if fault.concerns_all else (LOADED_AFTER,)
            failed = {STRUCK, *others[1:]}
            before = {name: scene.project.read_table(name) for name in failed}

            result = scene.run_with(fault.lasting, moment=fault.moment, resources=(STRUCK, *others))

            assert {name: scene.tell_failure(result, name) for name in failed} == {
                name: fault.tell(name) for name in failed
            }
            assert failures_of(result).keys() == {f"load_{name}" for name in failed}
            assert {name: scene.project.read_table(name) for name in failed} == before
            assert scene.find_differences(others[0]) == {}
            scene.wait_until_nothing_is_refused()

        result = scene.run_with(fault.passing or strikes.nothing, moment=fault.moment, resources=(STRUCK,))

        assert failures_of(result) == {}
        assert metadata_of(result, STRUCK)["api_requests"] == PAGES_OF_STRUCK + bool(fault.is_retried)
        assert scene.find_differences(STRUCK) == {}
