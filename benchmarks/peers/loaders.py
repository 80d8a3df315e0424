"""The peers as the benchmark runs and checks them: a name, a command, and where the tables end up.

How a loader is told of the API is in `access.py`, how it says that it is ready in `readiness.py`.
"""

import sys
from dataclasses import dataclass

from benchmarks.peers.access import SCHEMA
from benchmarks.peers.environments import python_of, version_of


@dataclass(frozen=True, kw_only=True)
class Peer:
    """One loader. It is started in an empty folder, with PYTHONPATH naming the checkout."""

    title: str
    """Its name, with the names of the packages whose versions belong into it in braces."""
    packages: tuple[str, ...]
    module: str
    arguments: tuple[str, ...] = ()
    environment: str | None = None
    """The virtual environment that it has for itself; None is the project's own."""

    @property
    def name(self) -> str:
        """The title with the versions filled in."""
        versions = (version_of(package, peer=self.environment) for package in self.packages)
        return self.title.format(*versions)

    def command(self) -> list[str]:
        """Return the command, after making the environment that it needs.

        Raises:
            subprocess.CalledProcessError: The environment could not be made.
        """
        python = python_of(self.environment) if self.environment else sys.executable
        return [str(python), "-m", self.module, *self.arguments]

    def table_of(self, resource: str) -> str:
        """Return the name of a resource's table, qualified and quoted for DuckDB."""
        return f'"{SCHEMA}"."{resource}"'


PEERS: tuple[Peer, ...] = (
    Peer(
        title="plain dlt {} script, its defaults",
        packages=("dlt",),
        module="benchmarks.peers.seed_script",
    ),
    Peer(
        title="plain dlt {} script, parquet",
        packages=("dlt",),
        module="benchmarks.peers.seed_script",
        arguments=("parquet",),
    ),
    Peer(
        title="PyAirbyte {}",
        packages=("airbyte",),
        module="benchmarks.peers.pyairbyte_loader",
        environment="airbyte",
    ),
    Peer(
        title="Singer SDK {} tap into target-duckdb {}",
        packages=("singer-sdk", "target-duckdb"),
        module="benchmarks.peers.singer_pair",
        environment="singer",
    ),
)
"""In the order in which the benchmark reports them."""
