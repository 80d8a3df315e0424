"""The lines with which a loader says when its load begins and ends: imports and the interpreter's end are no load.

Standard library only: the peers' own environments import it.
"""

import json
import resource
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def announced_load() -> Iterator[None]:
    """Print, before and after, the CPU seconds that this process and its children have used so far, as JSON."""
    _print_cpu_s("ready_cpu_s")
    yield
    _print_cpu_s("done_cpu_s")


def _print_cpu_s(name: str) -> None:
    usages = [resource.getrusage(whom) for whom in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    cpu_s = sum(usage.ru_utime + usage.ru_stime for usage in usages)
    print(json.dumps({name: round(cpu_s, 3)}), flush=True)
