"""Processes that outlive the call that starts them: each leads a session of its own, and writes into a log.

What they are started for is the business of whoever starts them. https://docs.python.org/3/library/subprocess.html
"""

import os
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence, Set
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Any

import psutil
from tenacity import RetryError, Retrying, retry_if_not_result, stop_after_delay, wait_fixed

POLL_S = 0.1


def start(
    command: Sequence[str | Path],
    *,
    log: Path | None = None,
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
) -> "subprocess.Popen[bytes]":
    """Start a command; what it says is added to the log, or goes where this process's words go."""
    with log.open("ab") if log else nullcontext() as said:
        return subprocess.Popen(command, env=environment, cwd=folder, stdout=said, stderr=said, start_new_session=True)


def kill(process: "subprocess.Popen[Any]") -> None:
    """Kill -9 a process and, at the same blow, all that it has started in its session."""
    if process.poll() is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def wait_until(condition: Callable[[], bool], *, patience_s: float, read_log: Callable[[], str]) -> None:
    """Return once the condition holds.

    Raises:
        AssertionError: It did not hold in time; what the processes said meanwhile.
    """
    retrying = Retrying(retry=retry_if_not_result(bool), stop=stop_after_delay(patience_s), wait=wait_fixed(POLL_S))
    try:
        retrying(condition)
    except RetryError:
        raise AssertionError(read_log()) from None


def find_sessions(leaders: Set[int]) -> list[psutil.Process]:
    """What lives of the sessions that these processes lead or led, and of all that was started from there."""
    members = [process for process in psutil.process_iter() if _find_session(process) in leaders]
    found = {process.pid: process for member in members for process in _find_descendants(member)}
    return [process for process in found.values() if is_alive(process)]


def is_alive(process: psutil.Process) -> bool:
    """Whether a process is there and does not merely wait to be buried."""
    with suppress(psutil.NoSuchProcess):
        return process.status() != psutil.STATUS_ZOMBIE
    return False


def _find_session(process: psutil.Process) -> int | None:
    with suppress(ProcessLookupError):
        return os.getsid(process.pid)
    return None


def _find_descendants(process: psutil.Process) -> list[psutil.Process]:
    with suppress(psutil.NoSuchProcess):
        return [process, *process.children(recursive=True)]
    return []
