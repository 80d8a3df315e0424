"""What a deployment takes while it runs: memory, open files, folders. Sampled from the outside, and how it grows.

https://psutil.readthedocs.io
"""

import os
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import linear_regression, mean

import psutil

from benchmarks.soaking.deployment import Deployment

WARM_UP_SHARE = 1 / 3
"""In which a process imports and fills its caches: what it takes then is not judged."""

FLOORS = 6
"""Stretches of a process's life in which its open files are counted when they are fewest."""


@dataclass(frozen=True, kw_only=True)
class ProcessSample:
    """A long-lived process at one moment."""

    at_s: float
    pid: int
    memory_mb: float
    open_files: int


@dataclass(frozen=True, kw_only=True)
class FolderSample:
    """What the folders hold at one moment."""

    at_s: float
    working_bytes: int
    state_bytes: int


@dataclass(frozen=True, kw_only=True)
class Growth:
    """How a figure has grown: at first, at last, and by a line through all samples, as a share of its mean."""

    first: float
    last: float
    share: float
    per_hour: float


class Vitals:
    """The samples of one soak."""

    def __init__(self, deployment: Deployment) -> None:
        self._deployment = deployment
        self.processes: dict[str, list[ProcessSample]] = {}
        self.folders: list[FolderSample] = []

    def sample(self) -> None:
        """Take one sample of everything."""
        now_s = time.monotonic()
        for role, process in self._deployment.find_residents().items():
            with suppress(psutil.NoSuchProcess), process.oneshot():
                self.processes.setdefault(role, []).append(
                    ProcessSample(
                        at_s=now_s,
                        pid=process.pid,
                        memory_mb=process.memory_info().rss / 1e6,
                        open_files=process.num_fds(),
                    )
                )
        self.folders.append(
            FolderSample(
                at_s=now_s,
                working_bytes=measure_folder(self._deployment.temp_folder),
                state_bytes=measure_folder(self._deployment.state_folder),
            )
        )

    def follow(self, role: str, figure: str) -> list[tuple[float, float]]:
        """A figure of the process that had the role last, once it was warm: (seconds, figure)."""
        samples = self.processes.get(role, [])
        life = [(sample.at_s, getattr(sample, figure)) for sample in samples if sample.pid == samples[-1].pid]
        return _drop_warm_up(life)

    @property
    def state_peak(self) -> int:
        """Bytes of the shared state when it was largest."""
        return max((sample.state_bytes for sample in self.folders), default=0)


def measure_folder(folder: Path) -> int:
    """The bytes of all files in a folder; what vanishes meanwhile counts for nothing."""
    total = 0
    for path, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):
                total += os.stat(os.path.join(path, name)).st_size
    return total


def find_floors(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """The lowest point of each stretch: what comes and goes by the second is not in it, what never goes is."""
    step = max(1, len(points) // FLOORS)
    stretches = [points[start : start + step] for start in range(0, len(points), step)]
    return [min(stretch, key=lambda point: point[1]) for stretch in stretches]


def measure_growth(points: Sequence[tuple[float, float]]) -> Growth:
    """The growth of a figure, of (seconds, figure); none where there are too few points for a line."""
    figures = [figure for _, figure in points]
    if len(points) < 3:
        return Growth(first=figures[0] if figures else 0, last=figures[-1] if figures else 0, share=0, per_hour=0)
    slope = linear_regression([at_s for at_s, _ in points], figures).slope
    span_s = points[-1][0] - points[0][0]
    return Growth(
        first=figures[0],
        last=figures[-1],
        share=slope * span_s / mean(figures) if mean(figures) else 0.0,
        per_hour=slope * 3600,
    )


def _drop_warm_up(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    return points[round(len(points) * WARM_UP_SHARE) :]
