"""The two classes of failure that all errors of this project belong to: what a rerun can do about them.

Errors of one layer live in that layer. How Dagster is told lives in `defs/failures.py`.
"""

from datetime import datetime


class InvoicingError(Exception):
    """A load that failed for a known cause; the message says what failed, why, and what to do next."""

    transient = False
    resume_at: datetime | None = None
    """The instant before which every run fails as well; None where nobody knows one."""


class TransientError(InvoicingError):
    """A later run of the same work can succeed."""

    transient = True


class PermanentError(InvoicingError):
    """Every run fails in the same way until somebody changes something."""
