"""A row of the fault matrix: what `test_faults.py` plays against the project, and docs/reliability.md tells of.

The rows are in `api_faults.py` and `warehouse_faults.py`; how a fault is brought about, in `strikes.py`.
"""

from dataclasses import dataclass
from enum import StrEnum

from invoice_assets.errors import InvoicingError
from invoice_assets_tests.reliability.fault_scene import Moment, Strike


class Warehouse(StrEnum):
    """Where the rows are loaded."""

    DUCKDB = "DuckDB"
    POSTGRES = "PostgreSQL"


@dataclass(frozen=True, kw_only=True)
class Fault:
    """A fault and its outcome, of which there are two where it may pass or last.

    One that is `passing` is met by trying again within the load, or is none to speak of: the load is exact. One that is
    `lasting` fails the load with `error`, which `says` this, addresses and the like replaced; the table stays as it is.
    Where it `concerns_all` resources, those that are loaded after it fail alike; otherwise they are loaded.
    """

    name: str
    passing: Strike | None = None
    lasting: Strike | None = None
    moment: Moment = Moment.BEFORE_THE_RUN
    error: type[InvoicingError] = InvoicingError
    says: str = ""
    concerns_all: bool = False
    warehouse: Warehouse = Warehouse.DUCKDB

    @property
    def is_retried(self) -> bool:
        """Whether the load itself tries again, which mends it where the fault has passed."""
        return self.passing is not None and self.lasting is not None

    def tell(self, name: str) -> tuple[str, str, bool]:
        """What a load that failed is to say, the class of its error, and whether a rerun can help."""
        return f"{name}: {self.says}", self.error.__name__, self.error.transient
