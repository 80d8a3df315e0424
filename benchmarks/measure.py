"""One process, measured from the outside: CPU, wall time and memory of it and of all that it starts.

What it is to load comes from a `RunningServer`, which counts what it was asked for. Whether the answer is right is the
business of `verification.py`. https://man7.org/linux/man-pages/man2/getrusage.2.html
"""

import os
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from tempfile import TemporaryFile
from threading import Event, Thread
from typing import IO

import msgspec
import psutil

from benchmarks.peers.environments import CHECKOUT
from benchmarks.server import RunningServer

DATABASE = "benchmark.duckdb"
MEMORY_POLL_S = 0.05
LONGEST_COMPLAINT = 2_000
"""Characters of a failed process's last words that are shown."""
OTHER_SETTINGS = ("INVOICE_", "DESTINATION__")
"""Beginnings of the variables of whoever runs the benchmark, which the measured process must not see."""


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What a process and all that it started have cost.

    "Loading" is what lies between the two lines with which a loader says that it begins and ends, after its imports and
    before its interpreter's end; a process that says nothing is measured whole. `peak_mb` (10^6 bytes) is the larger of
    two: the largest process's peak of resident memory, and, where there were several at once, the sampled sum of their
    proportional set sizes. It cannot be less than what the measuring process itself takes.
    """

    cpu_s: float
    loading_cpu_s: float
    wall_s: float
    loading_wall_s: float
    peak_mb: float
    requests: Mapping[str, int] = field(default_factory=dict)
    """By resource, and those for access tokens."""
    said: str = ""
    """What it printed last, after these lines."""


def median_of(costs: Sequence[Cost]) -> Cost:
    """The median of each figure; requests are those of the last."""
    return Cost(
        cpu_s=median(cost.cpu_s for cost in costs),
        loading_cpu_s=median(cost.loading_cpu_s for cost in costs),
        wall_s=median(cost.wall_s for cost in costs),
        loading_wall_s=median(cost.loading_wall_s for cost in costs),
        peak_mb=median(cost.peak_mb for cost in costs),
        requests=costs[-1].requests,
    )


def read_runs(cost: Cost) -> list[tuple[float, float]]:
    """What each run within a process took, where it says so: (CPU seconds, wall seconds)."""
    return msgspec.json.decode(cost.said, type=list[tuple[float, float]])


def measure(
    command: Sequence[str],
    *,
    folder: Path,
    server: RunningServer | None = None,
    environment: Mapping[str, str] | None = None,
) -> Cost:
    """Run a command in this folder, which is where its database is too; `environment` comes on top of the server's.

    Raises:
        RuntimeError: It failed; the message ends with what it last said on stderr.
    """
    with TemporaryFile() as complaints:
        started = time.monotonic()
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=_build_environment(folder, server) | dict(environment or {}),
            stdout=subprocess.PIPE,
            stderr=complaints,
        )
        assert process.stdout
        with _watch_memory(process.pid) as peaks_bytes, process.stdout, _killed_on_error(process):
            lines = [(time.monotonic(), line) for line in process.stdout]
            _, status, usage = os.wait4(process.pid, 0)
            ended = time.monotonic()
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise RuntimeError(f"{' '.join(command)} failed ({process.returncode}): {_read_end(complaints)}")
    cpu_s = usage.ru_utime + usage.ru_stime
    (ready, begun_cpu_s), (done, done_cpu_s) = _read_announcements(lines) or ((started, 0.0), (ended, cpu_s))
    return Cost(
        cpu_s=cpu_s,
        loading_cpu_s=done_cpu_s - begun_cpu_s,
        wall_s=ended - started,
        loading_wall_s=done - ready,
        peak_mb=max(usage.ru_maxrss * 1024, *peaks_bytes) / 1e6,
        requests=server.take_counts() if server else {},
        said=lines[-1][1].decode() if lines else "",
    )


def _read_announcements(lines: Sequence[tuple[float, bytes]]) -> tuple[tuple[float, float], ...]:
    """When a load began and ended, and the CPU seconds used by then; nothing where that was not said."""
    announced = [(at, msgspec.json.decode(line)) for at, line in lines if b"_cpu_s" in line]
    return tuple((at, float(cpu_s)) for at, said in announced for cpu_s in said.values())


def _build_environment(folder: Path, server: RunningServer | None) -> dict[str, str]:
    own = {name: value for name, value in os.environ.items() if not name.startswith(OTHER_SETTINGS)}
    database = str(folder / DATABASE)
    return (
        own
        | (server.environment() if server else {})
        | {
            "BENCHMARK_DATABASE": database,
            "DESTINATION__WAREHOUSE__CREDENTIALS": database,
            "INVOICE_SHARED_STATE": str(folder / "state"),
            "INVOICE_START_DATE": (datetime.now(UTC).date() - timedelta(days=2)).isoformat(),
            "PYTHONPATH": str(CHECKOUT),
            "PYTHONWARNINGS": "ignore",
            "RUNTIME__DLTHUB_TELEMETRY": "false",
        }
    )


@contextmanager
def _killed_on_error(process: "subprocess.Popen[bytes]") -> Iterator[None]:
    try:
        yield
    except BaseException:
        process.kill()
        raise


@contextmanager
def _watch_memory(pid: int) -> Iterator[list[int]]:
    """Bytes of the processes of a tree, sampled for as long as the context is open."""
    peaks_bytes, is_over = [0], Event()

    def watch() -> None:
        while not is_over.wait(MEMORY_POLL_S):
            peaks_bytes.append(_measure_tree(pid))

    thread = Thread(target=watch)
    thread.start()
    try:
        yield peaks_bytes
    finally:
        is_over.set()
        thread.join()


def _measure_tree(pid: int) -> int:
    """The sum of the tree's proportional set sizes; 0 for one process, whose exact peak the kernel keeps."""
    try:
        root = psutil.Process(pid)
        tree = [root, *root.children(recursive=True)]
        return sum(process.memory_full_info().pss for process in tree) if len(tree) > 1 else 0
    except psutil.NoSuchProcess:
        return 0


def _read_end(complaints: IO[bytes]) -> str:
    complaints.seek(0)
    return complaints.read().decode(errors="replace")[-LONGEST_COMPLAINT:]
