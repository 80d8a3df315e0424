"""What loads that wait for each other have in common: how often they ask, what they are called, how they give up.

How a lock is taken is the business of each destination.
"""

import os
import socket

from invoice_assets.ingest.warehouse_errors import WarehouseLockedError
from invoice_assets.resource_spec import ResourceSpec

LOCK_POLL_S = 0.5
"""How often a load that waits for a lock asks for it."""


def describe_load(spec: ResourceSpec) -> str:
    """How this load is called where others wait for it, such as pg_stat_activity, which keeps 63 bytes."""
    return f"load of {spec.label} (PID {os.getpid()} on {socket.gethostname()})"


def refuse_table(table: str, *, holder: object, patience_s: float) -> WarehouseLockedError:
    """The error of a load that has waited for a table long enough; `holder` is the load that has it."""
    return WarehouseLockedError(
        f"{table} is in use by the {holder}, which did not let go within {patience_s:g} s. A table takes one load at a "
        "time: wait for that one or end it, then run again."
    )
