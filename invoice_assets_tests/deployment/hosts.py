"""Hosts for a test of a deployment: network namespaces with an address and a name each, side by side on one bridge.

What runs on them lives in the tests. The machine's own network stays as it is: the bridge is in a namespace too, and
none of them outlives the files that hold it open here and the processes in it. Where the machine allows none of this,
every host is the machine itself, on loopback.
https://man7.org/linux/man-pages/man7/network_namespaces.7.html
"""

import ctypes
import os
import socket
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from invoice_assets_tests import processes

LOOPBACK = "127.0.0.1"
LAST_BREATH_S = 0.2
SUBNET = "10.77.0"
BRIDGE = "bridge"
KINDS = {"net": 0x40000000, "uts": 0x04000000}
"""What a host has of its own, its network and its name, by the numbers of `<linux/sched.h>`."""

_Namespaces = Mapping[str, int]
"""File descriptors that hold a host's namespaces open, by kind."""


@dataclass(frozen=True)
class Host:
    """A place for processes, under an address that all hosts of its network reach."""

    name: str
    address: str
    _namespaces: _Namespaces | None = None
    _started: "list[subprocess.Popen[bytes]]" = field(default_factory=list, repr=False, compare=False)

    def entered(self) -> AbstractContextManager[None]:
        """Let this thread be on the host: what it binds, connects and starts meanwhile, threads too, belongs there."""
        return _entered(self._namespaces) if self._namespaces else nullcontext()

    def start(
        self,
        command: Sequence[str | Path],
        *,
        log: Path | None = None,
        environment: Mapping[str, str] | None = None,
        folder: Path | None = None,
    ) -> "subprocess.Popen[bytes]":
        """Start a command on the host, with this process's environment or the one given."""
        with self.entered():
            process = processes.start(command, log=log, environment=environment, folder=folder)
        self._started.append(process)
        return process

    def find_processes(self) -> list[psutil.Process]:
        """All processes on the host; on loopback, those of the sessions that were started there, and their children."""
        if self._namespaces is None:
            return processes.find_sessions({process.pid for process in self._started})
        inode = os.fstat(self._namespaces["net"]).st_ino
        return [process for process in psutil.process_iter() if _is_in(process, inode=inode)]

    def cut_power(self) -> None:
        """Kill -9 every process on the host, and return once all are gone."""
        started = {process.pid: process for process in self._started}
        while living := self.find_processes():
            for process in living:
                with suppress(psutil.NoSuchProcess):
                    process.kill()
            for process in living:
                with suppress(psutil.TimeoutExpired, subprocess.TimeoutExpired):
                    (started.get(process.pid) or process).wait(timeout=LAST_BREATH_S)
        for dead in started.values():
            dead.wait()


@dataclass(frozen=True)
class Network:
    """Hosts that reach each other; `obstacle` says why they are no namespaces, where they are not."""

    hosts: tuple[Host, ...]
    obstacle: str | None


@contextmanager
def open_network(*names: str) -> Iterator[Network]:
    """A network of hosts with these names; when the context closes, their processes are killed and they are gone."""
    with ExitStack() as stack:
        network = _connect_hosts(names, stack)
        for host in network.hosts:
            stack.callback(host.cut_power)
        yield network


def _connect_hosts(names: Sequence[str], stack: ExitStack) -> Network:
    try:
        bridge = stack.enter_context(_make_namespaces(BRIDGE))
        namespaces = [stack.enter_context(_make_namespaces(name)) for name in names]
        addresses = [f"{SUBNET}.{number}" for number, _ in enumerate(names, start=1)]
        _configure(bridge, f"link add {BRIDGE} type bridge", f"link set {BRIDGE} up")
        for address, namespace in zip(addresses, namespaces, strict=True):
            _plug_in(namespace, bridge, address=address)
    except (OSError, subprocess.CalledProcessError) as error:
        return Network(tuple(Host(name, LOOPBACK) for name in names), _describe(error))
    hosts = zip(names, addresses, namespaces, strict=True)
    return Network(tuple(Host(name, address, namespace) for name, address, namespace in hosts), None)


def _plug_in(host: _Namespaces, bridge: _Namespaces, *, address: str) -> None:
    port = f"port-{address.rpartition('.')[2]}"
    far_end = f"eth0 netns /proc/{os.getpid()}/fd/{host['net']}"
    _configure(
        bridge,
        f"link add {port} type veth peer name {far_end}",
        f"link set {port} master {BRIDGE}",
        f"link set {port} up",
    )
    _configure(host, f"address add {address}/24 dev eth0", "link set eth0 up", "link set lo up")


def _configure(namespaces: _Namespaces, *commands: str) -> None:
    """Run commands of `ip` in a namespace."""
    with _entered(namespaces):
        subprocess.run(["ip", "-batch", "-"], input="\n".join(commands).encode(), check=True, capture_output=True)


def _describe(error: Exception) -> str:
    said = error.stderr.decode().strip() if isinstance(error, subprocess.CalledProcessError) else ""
    return f"{error}: {said}" if said else str(error)


@contextmanager
def _make_namespaces(name: str) -> Iterator[_Namespaces]:
    """Namespaces of all kinds that nothing is in yet, whose host name is `name`, for as long as the context is open."""
    with ExitStack() as made:
        with _open_own_namespaces() as own:
            _call(_libc().unshare, sum(KINDS.values()))
            try:
                socket.sethostname(name)
                namespaces = made.enter_context(_open_own_namespaces())
            finally:
                _enter(own)
        yield namespaces


@contextmanager
def _entered(namespaces: _Namespaces) -> Iterator[None]:
    with _open_own_namespaces() as own:
        try:
            _enter(namespaces)
            yield
        finally:
            _enter(own)


@contextmanager
def _open_own_namespaces() -> Iterator[_Namespaces]:
    with ExitStack() as files:
        opened = {kind: files.enter_context(Path(f"/proc/thread-self/ns/{kind}").open("rb")) for kind in KINDS}
        yield {kind: file.fileno() for kind, file in opened.items()}


def _enter(namespaces: _Namespaces) -> None:
    for kind, descriptor in namespaces.items():
        _call(_libc().setns, descriptor, KINDS[kind])


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _call(function: Callable[..., int], *arguments: int) -> None:
    """Call a function of libc: Python has these two from 3.12 on only."""
    if function(*arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{getattr(function, '__name__', function)}: {os.strerror(number)}")


def _is_in(process: psutil.Process, *, inode: int) -> bool:
    with suppress(OSError):
        return process.pid != os.getpid() and Path(f"/proc/{process.pid}/ns/net").stat().st_ino == inode
    return False
