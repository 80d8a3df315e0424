"""Organisations through Celery workers: a whole deployment on this machine, from an empty warehouse.

Its processes are those of `deploy/`: code server, webserver, daemon, workers, PostgreSQL, Redis. The API is unpaced, so
that the machine is measured and not the quota. Reading each list, all share the two cores with what serves them.
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event, Thread
from time import monotonic

import psutil
from dagster import DagsterInstance, DagsterRunStatus, RunsFilter
from dagster._core.storage.dagster_run import NOT_FINISHED_STATUSES
from rich.progress import track

from benchmarks.organizations import write_organizations
from benchmarks.outcome import Outcome, Table
from benchmarks.rows import TIME_ZONE
from benchmarks.server import RunningServer, serve
from invoice_assets.catalog import RESOURCES
from invoice_assets.resource_spec import Cadence
from invoice_assets.settings import Settings
from invoice_assets_tests.deployment.cluster import CODE_SERVER, DAEMON, WEBSERVER, Cluster, open_cluster
from invoice_assets_tests.deployment.hosts import LOOPBACK, Host
from invoice_assets_tests.deployment.redis import open_redis
from invoice_assets_tests.postgres import Postgres, open_postgres
from invoice_assets_tests.runs import select_all_partitions

ORGANIZATIONS, WORKERS = (1, 4, 16), (1, 2, 4)
ROWS = 1_000
"""Of each resource, for each organisation, where the machine's figures are sought by organisations and workers."""

FEW_ROWS, MANY_ROWS, TYPICAL = 200, 10_000, (4, 2)
"""What a row costs is sought between these, with so many organisations and workers."""

SAMPLE_EVERY_S, PATIENCE_S = 0.5, 1_800.0
IN_PROGRESS = [*NOT_FINISHED_STATUSES]
CONNECTIONS = "SELECT COUNT(*) FROM pg_stat_activity WHERE backend_type = 'client backend'"
EVENTS = "SELECT COUNT(*), pg_total_relation_size('event_logs') FROM event_logs"


@dataclass(frozen=True, kw_only=True)
class Scale:
    """What a deployment is to load, and with what."""

    organizations: int
    workers: int
    rows: int = ROWS

    @property
    def rows_in_all(self) -> int:
        """Of all resources and organisations."""
        return self.organizations * self.rows * len(RESOURCES)


@dataclass(frozen=True, kw_only=True)
class Found:
    """What loading it has taken: seconds, CPU seconds of Dagster's processes and of PostgreSQL's, and so on."""

    wall_s: float
    cpu_s: float
    postgres_cpu_s: float
    connections: int
    runs: int
    events: int
    event_bytes: int


def run() -> Outcome:
    """Measure each number of organisations with each number of workers, a fresh deployment each time."""
    grid = [Scale(organizations=some, workers=workers) for some in ORGANIZATIONS for workers in WORKERS]
    few, many = (Scale(organizations=TYPICAL[0], workers=TYPICAL[1], rows=rows) for rows in (FEW_ROWS, MANY_ROWS))
    found = {scale: _measure(scale) for scale in track([*grid, few, many], description="deployments")}
    return Outcome(
        title="A deployment with Celery workers",
        tables=(_tabulate_grid({scale: found[scale] for scale in grid}), _tabulate_rows(found, few, many)),
        targets=(),
    )


def _tabulate_grid(found: dict[Scale, Found]) -> Table:
    return Table(
        title=f"{len(RESOURCES) * ROWS:,} rows of nine resources for each organisation, with all checks",
        header=(
            "organisations",
            "workers",
            "wall s",
            "rows a second",
            "CPU µs per row",
            "of these PostgreSQL",
            "connections",
            "runs",
            "events a run",
            "event log KB a run",
        ),
        rows=tuple(
            (
                str(scale.organizations),
                str(scale.workers),
                f"{one.wall_s:.1f}",
                f"{scale.rows_in_all / one.wall_s:,.0f}",
                f"{1e6 * (one.cpu_s + one.postgres_cpu_s) / scale.rows_in_all:,.0f}",
                f"{1e6 * one.postgres_cpu_s / scale.rows_in_all:,.0f}",
                str(one.connections),
                str(one.runs),
                f"{one.events / one.runs:.0f}",
                f"{one.event_bytes / one.runs / 1e3:.0f}",
            )
            for scale, one in found.items()
        ),
        note="One measurement each, from the first launch by the webserver to the end of the last run, two runs an "
        "organisation; a worker has two processes. CPU is that of code server, runs, webserver, daemon, workers and "
        "PostgreSQL. Connections are the most that PostgreSQL had at a time.",
    )


def _tabulate_rows(found: dict[Scale, Found], few: Scale, many: Scale) -> Table:
    cpu = {scale: found[scale].cpu_s + found[scale].postgres_cpu_s for scale in (few, many)}
    per_row = (cpu[many] - cpu[few]) / (many.rows_in_all - few.rows_in_all)
    fixed = (cpu[few] - per_row * few.rows_in_all) / few.organizations
    return Table(
        title="What a row costs, and what a load costs whatever it brings",
        header=(
            "rows of a resource",
            "wall s",
            "CPU s",
            "CPU µs per further row",
            "CPU s per organisation without rows",
        ),
        rows=tuple(
            (
                f"{scale.rows:,}",
                f"{found[scale].wall_s:.1f}",
                f"{cpu[scale]:.1f}",
                f"{1e6 * per_row:.0f}" if scale is many else "",
                f"{fixed:.1f}" if scale is many else "",
            )
            for scale in (few, many)
        ),
        note=f"{few.organizations} organisations, {few.workers} workers.",
    )


def _measure(scale: Scale) -> Found:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory()))
        server = stack.enter_context(serve(dict.fromkeys(RESOURCES, scale.rows)))
        postgres, broker = stack.enter_context(open_postgres()), stack.enter_context(open_redis())
        storage = postgres.create_database()
        environment = {
            **_describe(server, scale.organizations, folder),
            "DAGSTER_POSTGRES_URL": storage,
            "DESTINATION__WAREHOUSE__CREDENTIALS": postgres.create_database(),
            "DESTINATION__WAREHOUSE__DESTINATION_TYPE": "postgres",
            "INVOICE_CELERY_BROKER": broker,
            "INVOICE_EXECUTOR": "celery",
            "INVOICE_SHARED_STATE": postgres.create_database(),
        }
        control = Host("control", LOOPBACK)
        stack.callback(control.cut_power)
        cluster = stack.enter_context(open_cluster(folder, environment=environment, control=control))
        cluster.prepare(hurried=False)
        for unit in (CODE_SERVER, WEBSERVER, DAEMON):
            cluster.start(unit)
        workers = [Host(f"worker{number}", LOOPBACK) for number in range(scale.workers)]
        for worker in workers:
            stack.callback(worker.cut_power)
            cluster.start_worker(worker)
        return _load(cluster, scale, storage=storage, hosts=[control, *workers], postmaster=_find_postmaster(postgres))


def _load(cluster: Cluster, scale: Scale, *, storage: str, hosts: Sequence[Host], postmaster: psutil.Process) -> Found:
    jobs = [f"load_{cadence}_company_{number}" for number in range(scale.organizations) for cadence in Cadence]
    days = select_all_partitions(Settings.from_env(cluster.environment))
    cluster.wait_for_definitions()
    cpu_before, postgres_before = _cpu_of_hosts(hosts), _cpu_of_tree(postmaster)
    [(events_before, bytes_before)] = Postgres.execute(EVENTS, url=storage)
    with _watch_connections(storage) as counts, cluster.open_instance() as instance:
        began = monotonic()
        run_ids = [cluster.launch(job, tags=days if Cadence.TRANSACTIONS in job else None) for job in jobs]
        cluster.wait_for(lambda: not _count_runs(instance, IN_PROGRESS), patience_s=PATIENCE_S)
        wall_s = monotonic() - began
        assert _count_runs(instance, [DagsterRunStatus.SUCCESS]) == len(run_ids), cluster.read_logs()
    [(events, size)] = Postgres.execute(EVENTS, url=storage)
    return Found(
        wall_s=wall_s,
        cpu_s=_cpu_of_hosts(hosts) - cpu_before,
        postgres_cpu_s=_cpu_of_tree(postmaster) - postgres_before,
        connections=max(counts),
        runs=len(run_ids),
        events=int(str(events)) - int(str(events_before)),
        event_bytes=int(str(size)) - int(str(bytes_before)),
    )


def _describe(server: RunningServer, organizations: int, folder: Path) -> dict[str, str]:
    """The environment of so many organisations, which all have the rows of one server."""
    path = folder / "organizations.toml"
    write_organizations(path, organizations, zones=[TIME_ZONE])
    first_day = (datetime.now(UTC).date() - timedelta(days=2)).isoformat()
    return {**server.environment(), "INVOICE_ORGANIZATIONS": str(path), "INVOICE_START_DATE": first_day}


def _count_runs(instance: DagsterInstance, statuses: Sequence[DagsterRunStatus]) -> int:
    return instance.get_runs_count(RunsFilter(statuses=statuses))


def _find_postmaster(postgres: Postgres) -> psutil.Process:
    [(folder,)] = Postgres.execute("SHOW data_directory", url=postgres.create_database())
    return psutil.Process(int(Path(str(folder), "postmaster.pid").read_text().splitlines()[0]))


def _cpu_of(processes: Sequence[psutil.Process]) -> float:
    """CPU seconds of processes, and of all children of theirs that have ended."""
    times = [process.cpu_times() for process in processes]
    return sum(time.user + time.system + time.children_user + time.children_system for time in times)


def _cpu_of_hosts(hosts: Sequence[Host]) -> float:
    return _cpu_of([process for host in hosts for process in host.find_processes()])


def _cpu_of_tree(root: psutil.Process) -> float:
    return _cpu_of([root, *root.children(recursive=True)])


@contextmanager
def _watch_connections(url: str) -> Iterator[list[int]]:
    """How many connections the server had, sampled for as long as the context is open; its own one is not counted."""
    counts, is_over = [0], Event()

    def watch() -> None:
        while not is_over.wait(SAMPLE_EVERY_S):
            counts.append(int(str(Postgres.execute(CONNECTIONS, url=url)[0][0])) - 1)

    thread = Thread(target=watch)
    thread.start()
    try:
        yield counts
    finally:
        is_over.set()
        thread.join()
