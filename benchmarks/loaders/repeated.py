"""One resource loaded again and again in this process, so that a load can be told from what a process costs once.

`python -m benchmarks.loaders.repeated RESOURCE RUNS` runs today's partition, in which nothing is new where the table is
there already. `--complete` runs it once, then reads all rows as often into a database that does not exist yet. What
each run took, the first one too, is printed as a JSON list of (CPU seconds, wall seconds).
"""

import sys
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec
from dagster import DagsterInstance, JobDefinition

from benchmarks.loaders.project import build_job
from benchmarks.peers.access import Access
from benchmarks.peers.readiness import announced_load
from invoice_assets.defs.schedules import RANGE_END_TAG
from invoice_assets.settings import Settings
from invoice_assets_tests.runs import QUIET, select_all_partitions, select_partitions

COMPLETE = "--complete"


def main(arguments: Sequence[str]) -> int:
    """Run and print."""
    name, runs = arguments[0], int(arguments[1])
    database = Path(Access.from_env().database)
    job, complete = build_job([name]), select_all_partitions(Settings.from_env())
    today = select_partitions(complete[RANGE_END_TAG], complete[RANGE_END_TAG])
    costs = []
    with DagsterInstance.ephemeral() as instance, announced_load():
        if COMPLETE in arguments:
            costs.append(_time(job, today, instance=instance))
        for _ in range(runs):
            if COMPLETE in arguments:
                database.unlink()
            tags = complete if COMPLETE in arguments else today
            costs.append(_time(job, tags, instance=instance))
    print(msgspec.json.encode(costs).decode())
    return 0


def _time(job: JobDefinition, tags: dict[str, str], *, instance: DagsterInstance) -> tuple[float, float]:
    cpu, wall = time.process_time(), time.monotonic()
    job.execute_in_process(instance=instance, run_config=QUIET, tags=tags)
    return time.process_time() - cpu, time.monotonic() - wall


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
