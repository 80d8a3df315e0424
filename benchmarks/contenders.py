"""Who is measured beside the peers, and how one of them is measured: load, count the requests, verify what arrived."""

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.measure import DATABASE, Cost, measure
from benchmarks.peers.loaders import Peer
from benchmarks.server import RunningServer
from benchmarks.verification import fingerprint_served, verify

PROJECT_MODULE, REPEATED_MODULE = "benchmarks.loaders.project", "benchmarks.loaders.repeated"
LIMIT = Peer(
    title="limit: requests {}, pyarrow {}, duckdb {}",
    packages=("requests", "pyarrow", "duckdb"),
    module="benchmarks.loaders.limit",
)
PROJECT = Peer(title="this project: nine assets in one Dagster run", packages=(), module=PROJECT_MODULE)
PROJECT_WITH_CHECKS = Peer(
    title="this project: nine assets and all their checks", packages=(), module=PROJECT_MODULE, arguments=("--checks",)
)


def is_ours(loader: Peer) -> bool:
    """Whether it is this project, of which more is asked than of others."""
    return loader.module in (PROJECT_MODULE, REPEATED_MODULE)


def repeat(resource: str, *, runs: int, is_complete: bool) -> Peer:
    """This project's load of one resource, so many runs in one process; see `loaders/repeated.py`."""
    options = ("--complete",) if is_complete else ()
    return Peer(
        title=f"this project: {resource} alone",
        packages=(),
        module=REPEATED_MODULE,
        arguments=(resource, str(runs), *options),
    )


def measure_load(
    loader: Peer,
    *,
    rows: Mapping[str, int],
    server: RunningServer,
    environment: Mapping[str, str] | None = None,
) -> Cost:
    """What one load of all that the server has costs, from an empty folder.

    Raises:
        RuntimeError: The loader failed.
        WrongAnswerError: The tables do not hold what was served.
    """
    served = fingerprint_served(frozenset(rows.items()))
    with TemporaryDirectory() as folder:
        cost = measure(loader.command(), folder=Path(folder), server=server, environment=environment)
        verify(Path(folder) / DATABASE, peer=loader, served=served, is_exact=is_ours(loader))
    return cost
