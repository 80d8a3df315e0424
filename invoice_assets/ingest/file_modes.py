"""Who may read the files that a load writes: the user that it runs as, and nobody else.

Files of tokens have their mode from `api/shared_state.py`, which creates them itself.
https://docs.python.org/3/library/os.html#os.umask
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager

_OTHERS = 0o077


@contextmanager
def for_the_owner_alone() -> Iterator[None]:
    """Files that this process creates while the context is open are for its user alone.

    By the umask: DuckDB makes its log and its temporary files anew whenever it needs them, dlt its working files, and
    neither has a setting for their mode.
    """
    before = os.umask(_OTHERS)
    try:
        yield
    finally:
        os.umask(before)
