"""`python -m invoice_assets_tests.reliability.crashed_renewals`: processes that renew one token, one of them killed.

All of them find an expired token at the same moment; whoever is killed may hold the store, or have a token that nobody
will ever know of. The others must go on at once, with one token. The suite runs a short form.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import random
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from tempfile import TemporaryDirectory

from invoice_assets.api.oauth import AccessTokenProvider, RefreshTokenGrant
from invoice_assets.api.shared_state import FolderState
from invoice_assets_tests.conftest import build_grant
from invoice_assets_tests.reliability.crashed_loads import prepare_processes
from invoice_assets_tests.sandbox.server import Sandbox

PROCESSES = 3
LIFETIME_S = 3600.0
UNDISTURBED = 2
"""Lifetimes without a kill at first; the processes are slow to start in the very first."""

PATIENCE_S = 60.0
"""Far longer than a renewal takes on a busy machine, far shorter than any lease would be."""


@dataclass(kw_only=True)
class Tally:
    """What was seen of the renewals."""

    kills: int = 0
    tokens: int = 0
    """Tokens that the accounts server granted."""
    lost: int = 0
    """Of these, those that died with the process which had asked for them."""
    slowest_s: float = 0.0
    """The longest from a kill until the others had their token."""
    faults: list[str] = field(default_factory=list)

    def describe(self) -> str:
        """The figures, a line each."""
        return "\n".join(
            [
                f"kills: {self.kills}; tokens granted: {self.tokens}, of which lost with their process: {self.lost}",
                f"slowest renewal after a kill: {self.slowest_s:.1f} s; faults: {len(self.faults)}",
                *self.faults,
            ]
        )


def crash_renewals(sandbox: Sandbox, folder: Path, *, lifetimes: int, seed: int) -> Tally:
    """Let processes renew a token as often, and kill one of them each time, once two have shown how long it takes.

    An hour passes between lifetimes, on the clock that the processes are told.
    """
    prepare_processes()
    tally, moments = Tally(), random.Random(seed)
    seconds = 0.0
    for number in range(UNDISTURBED + lifetimes):
        granted = sandbox.tokens_issued
        now = time.time() + number * LIFETIME_S
        renewals = [_Renewal(build_grant(sandbox), folder, now=now, number=n) for n in range(PROCESSES)]
        if number >= UNDISTURBED:
            victim = renewals.pop(moments.randrange(PROCESSES))
            tally.kills += victim.kill(after_s=moments.uniform(0, seconds))
        left_at = time.monotonic()
        tokens = {renewal.finish() for renewal in renewals}
        granted_now = sandbox.tokens_issued - granted
        tally.lost += granted_now - 1
        if number >= UNDISTURBED:
            tally.slowest_s = max(tally.slowest_s, time.monotonic() - left_at)
        else:
            seconds = time.monotonic() - left_at
        if tokens != {sandbox.issued_access_tokens[-1]} or not 1 <= granted_now <= 2:
            tally.faults.append(f"{number}: {granted_now} tokens granted, {len(tokens)} in use")
    tally.tokens = sandbox.tokens_issued
    return tally


class _Renewal:
    """A process that needs the token at an instant of its own clock."""

    def __init__(self, grant: RefreshTokenGrant, folder: Path, *, now: float, number: int) -> None:
        self._answer = folder / f"answer-{number}"
        self._answer.unlink(missing_ok=True)
        forking = multiprocessing.get_context("forkserver")
        self._process: ForkServerProcess = forking.Process(target=_renew, args=(grant, folder, now, self._answer))
        self._process.start()

    def kill(self, *, after_s: float) -> bool:
        """Kill it with -9; whether it was still at it."""
        self._process.join(after_s)
        if self._process.pid and self._process.exitcode is None:
            os.kill(self._process.pid, signal.SIGKILL)
        self._process.join()
        return self._process.exitcode == -signal.SIGKILL

    def finish(self) -> str | None:
        """The token that it has got, None where it has not in a reasonable time."""
        self._process.join(PATIENCE_S)
        self._process.kill()
        self._process.join()
        return self._answer.read_text() if self._answer.exists() else None


def _renew(grant: RefreshTokenGrant, folder: Path, now: float, answer: Path) -> None:
    provider = AccessTokenProvider(grant, store=grant.open_store(FolderState(folder / "state")), clock=lambda: now)
    answer.write_text(provider.current().value)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print what was seen; returns the exit status: 0 where nothing was wrong."""
    parser = argparse.ArgumentParser(
        prog="python -m invoice_assets_tests.reliability.crashed_renewals", description="Kill processes that renew."
    )
    parser.add_argument("--lifetimes", type=int, default=300, help="tokens that expire, with a kill each")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6), help="of the moments")
    options = parser.parse_args(arguments)
    print(f"seed {options.seed}, {options.lifetimes} lifetimes", flush=True)
    with Sandbox(rows=0) as sandbox, TemporaryDirectory() as folder:
        tally = crash_renewals(sandbox, Path(folder), lifetimes=options.lifetimes, seed=options.seed)
    print(tally.describe(), flush=True)
    return 1 if tally.faults else 0


if __name__ == "__main__":
    sys.exit(main())
