"""A deployment on several machines, from end to end: PostgreSQL, Redis, webserver, daemon, code server, two workers.

Four organisations are loaded at once through them, a worker and then the daemon are killed in the middle.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from threading import Event
from urllib.parse import urlsplit

import pytest
from dagster import DagsterEventType, DagsterInstance, DagsterRunStatus

from invoice_assets.catalog import RESOURCES
from invoice_assets.organizations import split_by_organization
from invoice_assets.resource_spec import Cadence
from invoice_assets.settings import Settings
from invoice_assets_tests.deployment.cluster import CODE_SERVER, DAEMON, WEBSERVER, Cluster, open_cluster
from invoice_assets_tests.deployment.hosts import Host, Network, open_network
from invoice_assets_tests.deployment.redis import open_redis
from invoice_assets_tests.equality import compare_rows, key_rows
from invoice_assets_tests.organizations_file import describe_organizations
from invoice_assets_tests.postgres import Postgres, open_postgres
from invoice_assets_tests.project import read_table
from invoice_assets_tests.reliability.relay import Relay
from invoice_assets_tests.runs import select_all_partitions
from invoice_assets_tests.sandbox.application import ServedPage
from invoice_assets_tests.sandbox.limits import Limits
from invoice_assets_tests.sandbox.server import Sandbox

ZONES = {
    "acme": "Europe/Berlin",
    "globex": "America/New_York",
    "initech": "Asia/Kolkata",
    "umbrella": "UTC",
}
HELD = ("acme", "contacts")
HELD_STEP = "load_contacts_acme"
ROWS = 210
PATIENCE_S = 60.0


class Gate:
    """Keeps the last page of a list back until it is opened: whoever reads the list is in the middle of it."""

    def __init__(self) -> None:
        self.is_reached, self._is_open = Event(), Event()

    def __call__(self, page: ServedPage) -> None:
        if page.resource == HELD[1] and not page.has_more_page:
            self.is_reached.set()
            self._is_open.wait(PATIENCE_S)

    def open(self) -> None:
        self._is_open.set()


@pytest.fixture
def gate() -> Gate:
    return Gate()


@pytest.fixture
def network() -> Iterator[Network]:
    """A machine each for the API, the databases, Dagster and two workers."""
    with open_network("api", "storage", "control", "worker1", "worker2") as opened:
        yield opened


@pytest.fixture
def workers(network: Network) -> Mapping[str, Host]:
    return {host.name: host for host in network.hosts[3:]}


@pytest.fixture
def sources(gate: Gate, network: Network) -> Iterator[Mapping[str, Sandbox]]:
    """The API of each organisation, with the limits of the top plan, within reach of every host's loopback."""
    api, _, *others = network.hosts
    with ExitStack() as stack:
        with api.entered():
            sandboxes = {
                slug: stack.enter_context(
                    Sandbox(
                        rows=ROWS,
                        seed=seed,
                        time_zone=zone,
                        organization_id=f"48150000000000000{seed}",
                        limits=Limits.published(),
                        host=api.address,
                        page_hook=gate if slug == HELD[0] else None,
                    )
                )
                for seed, (slug, zone) in enumerate(ZONES.items(), start=11)
            }
        for host in others if network.obstacle is None else ():
            with host.entered():
                for sandbox in sandboxes.values():
                    stack.callback(Relay(sandbox.base_url, port=urlsplit(sandbox.base_url).port or 0).shut)
        yield sandboxes


@pytest.fixture
def storage(network: Network) -> Iterator[Mapping[str, str]]:
    """A database each for Dagster, for what its processes share and for the warehouse; and a broker."""
    host = network.hosts[1]
    with host.entered(), open_postgres(host=host.address) as postgres, open_redis(host=host.address) as broker:
        yield {
            "DAGSTER_POSTGRES_URL": postgres.create_database(),
            "DESTINATION__WAREHOUSE__CREDENTIALS": postgres.create_database(),
            "DESTINATION__WAREHOUSE__DESTINATION_TYPE": "postgres",
            "INVOICE_CELERY_BROKER": broker,
            "INVOICE_SHARED_STATE": postgres.create_database(),
        }


@pytest.fixture
def cluster(
    network: Network, sources: Mapping[str, Sandbox], storage: Mapping[str, str], tmp_path: Path
) -> Iterator[Cluster]:
    """A deployment, looked at from the host that has its webserver."""
    control = network.hosts[2]
    organizations = describe_organizations(sources, tmp_path / "organizations.toml", zones=ZONES)
    others = {
        "INVOICE_CELERY_VISIBILITY_TIMEOUT": "15",
        "INVOICE_EXECUTOR": "celery",
        "INVOICE_START_DATE": (datetime.now(UTC).date() - timedelta(days=2)).isoformat(),
    }
    with open_cluster(tmp_path, environment={**organizations, **storage, **others}, control=control) as running:
        running.prepare()
        yield running
    for host in network.hosts[2:]:
        host.cut_power()


def launch_loads(cluster: Cluster) -> list[str]:
    """Everything of every organisation, and its reference tables once more, which its limit of two runs holds back."""
    settings = {own.slug: own for own in split_by_organization(Settings.from_env(cluster.environment))}
    cadences = (Cadence.TRANSACTIONS, Cadence.REFERENCE, Cadence.REFERENCE)
    return [
        cluster.launch(
            f"load_{cadence}_{slug}",
            tags=select_all_partitions(own) if cadence is Cadence.TRANSACTIONS else None,
        )
        for cadence in cadences
        for slug, own in settings.items()
    ]


def find_workers(instance: DagsterInstance, run_ids: list[str], step: str) -> list[str]:
    """The workers that took the step, in the order in which they did, of the run that took it first."""
    events = [
        (entry.timestamp, str(metadata["Celery worker"].value).partition("@")[0], entry.run_id)
        for run_id in run_ids
        for entry in instance.all_logs(run_id, of_type=DagsterEventType.ENGINE_EVENT)
        if entry.step_key == step
        and "Celery worker" in (metadata := entry.get_dagster_event().engine_event_data.metadata)
    ]
    return [worker for _, worker, run_id in sorted(events) if run_id == min(events)[2]]


def statuses_of(instance: DagsterInstance, run_ids: list[str]) -> set[DagsterRunStatus]:
    return {run.status for run_id in run_ids if (run := instance.get_run_by_id(run_id))}


def read_failures(instance: DagsterInstance) -> dict[str, str]:
    """What each step and each run that failed said, by run and step."""
    return {
        f"{run.job_name} {entry.step_key}": str(entry.dagster_event)
        for run in instance.get_runs()
        for entry in instance.all_logs(
            run.run_id, of_type={DagsterEventType.STEP_FAILURE, DagsterEventType.RUN_FAILURE}
        )
    }


def count_in_a_minute(source: Sandbox) -> int:
    """The most requests that came within any minute."""
    times = sorted(entry.at for entry in source.ledger.requests())
    return max(sum(begin <= at < begin + 60 for at in times) for begin in times)


def test_four_organisations_end_exact_although_a_worker_and_the_daemon_are_killed_in_the_middle(
    cluster: Cluster, sources: Mapping[str, Sandbox], workers: Mapping[str, Host], gate: Gate
) -> None:
    for unit in (CODE_SERVER, WEBSERVER, DAEMON):
        cluster.start(unit)
    for host in workers.values():
        cluster.start_worker(host)

    cluster.wait_for_definitions()
    run_ids = launch_loads(cluster)
    with cluster.open_instance() as instance:
        cluster.wait_for(gate.is_reached.is_set)
        [victim] = find_workers(instance, run_ids, HELD_STEP)
        workers[victim].cut_power()
        cluster.kill(DAEMON)
        gate.open()
        assert DagsterRunStatus.QUEUED in statuses_of(instance, run_ids)
        cluster.start(DAEMON)
        cluster.wait_for(lambda: statuses_of(instance, run_ids) <= {DagsterRunStatus.SUCCESS, DagsterRunStatus.FAILURE})
        assert read_failures(instance) == {}

        assert find_workers(instance, run_ids, HELD_STEP) == [victim, *({*workers} - {victim})]
        assert len(instance.get_runs()) == len(run_ids)

    query = partial(Postgres.execute, url=cluster.environment["DESTINATION__WAREHOUSE__CREDENTIALS"])
    for slug, source in sources.items():
        for name, spec in RESOURCES.items():
            table = key_rows(read_table(name, query=query, dataset=f"invoicing_{slug}"), spec)
            assert compare_rows(table, key_rows(source.rows(name), spec), spec) == {}, f"{slug}/{name}"
        assert source.tokens_issued == 1
        assert {entry.status for entry in source.ledger.requests()} <= {200, 0}
        assert count_in_a_minute(source) <= 100
