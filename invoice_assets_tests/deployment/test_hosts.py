"""Every test holds on a machine that allows namespaces and on one that does not."""

import shutil
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from invoice_assets_tests.deployment.hosts import LOOPBACK, Host, Network, open_network
from invoice_assets_tests.processes import is_alive
from invoice_assets_tests.reliability.relay import Relay
from invoice_assets_tests.sandbox.application import API_PREFIX
from invoice_assets_tests.sandbox.server import Sandbox

CONNECT = """
import socket, sys
with socket.create_connection((sys.argv[1], int(sys.argv[2]))) as connection:
    connection.sendall(socket.gethostname().encode())
"""
FETCH = """
import sys, urllib.error, urllib.request
try:
    urllib.request.urlopen(sys.argv[1])
except urllib.error.HTTPError as error:
    print(error.code)
"""
SLEEP = ["sleep", "600"]
ORPHAN = ["sh", "-c", "sleep 600 & echo started"]


@pytest.fixture
def network() -> Iterator[Network]:
    with open_network("storage", "worker") as opened:
        yield opened


def listen(host: Host, address: str) -> socket.socket:
    with host.entered():
        return socket.create_server((address, 0))


def connect(host: Host, address: str, port: int, *, log: Path) -> int:
    """The exit status of a process on the host that connects to an address."""
    return host.start([sys.executable, "-c", CONNECT, address, str(port)], log=log).wait()


def leave_an_orphan(host: Host, *, log: Path) -> None:
    """Start a process that ends and leaves one that runs on."""
    assert host.start(ORPHAN, log=log).wait() == 0


def test_a_process_on_one_host_reaches_a_server_on_another(network: Network, tmp_path: Path) -> None:
    storage, worker = network.hosts
    with listen(storage, storage.address) as server:
        status = connect(worker, storage.address, server.getsockname()[1], log=tmp_path / "log")
        connection, (seen_address, _) = server.accept()
        with connection:
            said = connection.recv(100).decode()

    assert status == 0, (tmp_path / "log").read_text()
    assert seen_address == worker.address
    assert said == (socket.gethostname() if network.obstacle else "worker")


def test_what_listens_on_a_hosts_loopback_is_for_that_host_alone(network: Network, tmp_path: Path) -> None:
    storage, worker = network.hosts
    with listen(storage, LOOPBACK) as server:
        port = server.getsockname()[1]
        on_the_host = connect(storage, LOOPBACK, port, log=tmp_path / "storage.log")
        on_another = connect(worker, LOOPBACK, port, log=tmp_path / "worker.log")

    assert on_the_host == 0
    assert (on_another == 0) is (network.obstacle is not None)


def test_a_thread_that_has_left_a_host_is_where_it_was_before(network: Network) -> None:
    def look_around() -> tuple[str, list[tuple[int, str]]]:
        return socket.gethostname(), socket.if_nameindex()

    def stumble() -> None:
        with network.hosts[0].entered():
            raise LookupError("on the host")

    before = look_around()
    with network.hosts[0].entered():
        inside = look_around()
    with pytest.raises(LookupError, match="on the host"):
        stumble()

    assert look_around() == before
    assert (inside == before) is (network.obstacle is not None)


def test_the_machines_own_network_stays_as_it_is() -> None:
    before = socket.if_nameindex()
    with open_network("storage", "worker"):
        assert socket.if_nameindex() == before


def test_a_sandbox_on_one_host_is_relayed_to_the_loopback_of_another(network: Network, tmp_path: Path) -> None:
    """The project speaks http with loopback alone."""
    storage, worker = network.hosts
    with storage.entered():
        sandbox = Sandbox(0, host=storage.address)
    with sandbox:
        with worker.entered():
            relay = Relay(sandbox.base_url)
        command = [sys.executable, "-c", FETCH, f"{relay.url}{API_PREFIX}organizations"]
        worker.start(command, log=tmp_path / "log").wait()
        relay.shut()

    assert (tmp_path / "log").read_text() == "401\n"
    assert len(sandbox.ledger.requests()) == 1


def test_two_networks_at_a_time_do_not_meet(network: Network, tmp_path: Path) -> None:
    storage = network.hosts[0]
    with open_network("stranger") as other, listen(storage, storage.address) as server:
        status = connect(other.hosts[0], storage.address, server.getsockname()[1], log=tmp_path / "log")

    assert (status == 0) is (network.obstacle is not None)


def test_a_power_cut_ends_every_process_of_its_host_and_no_other(network: Network, tmp_path: Path) -> None:
    storage, worker = network.hosts
    survivor, victim = storage.start(SLEEP), worker.start(SLEEP)
    leave_an_orphan(worker, log=tmp_path / "log")
    assert len(worker.find_processes()) == 2

    worker.cut_power()

    assert worker.find_processes() == []
    assert victim.poll() == -9
    assert storage.find_processes() == [psutil.Process(survivor.pid)]


def test_a_power_cut_buries_also_what_had_died_by_itself(network: Network) -> None:
    """Otherwise Python says, whenever it collects the process, that it is still running."""
    (worker, *_) = network.hosts
    process = worker.start(SLEEP)
    psutil.Process(process.pid).kill()
    while is_alive(psutil.Process(process.pid)):
        pass

    worker.cut_power()

    assert process.returncode is not None


def test_a_host_can_be_used_after_a_power_cut(network: Network, tmp_path: Path) -> None:
    storage, worker = network.hosts
    worker.cut_power()

    with listen(storage, storage.address) as server:
        assert connect(worker, storage.address, server.getsockname()[1], log=tmp_path / "log") == 0


def test_a_process_gets_its_environment_and_its_folder(network: Network, tmp_path: Path) -> None:
    command = ["sh", "-c", "echo $GREETING from $(pwd)"]
    log = tmp_path / "log"
    network.hosts[0].start(command, environment={"GREETING": "hello"}, folder=tmp_path, log=log).wait()

    assert (tmp_path / "log").read_text() == f"hello from {tmp_path}\n"


def test_a_network_that_closes_leaves_no_process_behind(tmp_path: Path) -> None:
    with open_network("worker") as network:
        started = network.hosts[0].start(SLEEP)
        leave_an_orphan(network.hosts[0], log=tmp_path / "log")
        processes = network.hosts[0].find_processes()

    assert started.poll() == -9
    assert len(processes) == 2
    assert [process for process in processes if is_alive(process)] == []


def test_where_the_machine_allows_no_namespaces_hosts_are_on_loopback(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "bin").mkdir()
    for tool in ("sh", "sleep"):
        (tmp_path / "bin" / tool).symlink_to(str(shutil.which(tool)))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))

    with open_network("storage", "worker") as network:
        storage, worker = network.hosts
        with listen(storage, storage.address) as server:
            command = [sys.executable, "-c", CONNECT, storage.address, str(server.getsockname()[1])]
            status = worker.start(command).wait()
        leave_an_orphan(worker, log=tmp_path / "log")
        orphans = worker.find_processes()

    assert network.obstacle is not None
    assert {storage.address, worker.address} == {LOOPBACK}
    assert status == 0
    assert [is_alive(orphan) for orphan in orphans] == [False]
