"""Rows that the warehouse refuses, told without the rows: a database quotes them in its errors, and dlt in its log.

A value that does not fit the catalog's type never comes so far: `typing.py`.
https://peps.python.org/pep-0249/#exceptions
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from dlt.pipeline.exceptions import PipelineStepFailed

from invoice_assets.errors import PermanentError
from invoice_assets.resource_spec import ResourceSpec

_QUOTING = {"DataError", "IntegrityError"}
"""Errors of a database driver that are about values, and show them."""

_LEADS = ("__cause__", "__context__", "client_exception", "dbapi_exception", "exception")
"""Where an error keeps the one behind it; all but the first two are dlt's."""


class RowsRefusedError(PermanentError):
    """The warehouse has a constraint or a column type that rows of the load do not fit."""


@contextmanager
def telling_no_rows(spec: ResourceSpec) -> Iterator[None]:
    """Raise `RowsRefusedError` in the place of an error that shows rows; let any other pass.

    Raises:
        RowsRefusedError: The warehouse refused rows; the error behind it is left out of its chain.
    """
    logging.getLogger("dlt").addFilter(_leave_out_traceback)
    try:
        yield
    except PipelineStepFailed as error:
        refusal = _find_refusal(error)
        if refusal is None:
            raise
        raise RowsRefusedError(
            f"{spec.name}: the warehouse refused rows of the load ({_describe(refusal)}). Nothing of it was written. "
            "Somebody has changed the table: take back the constraint or the type, or drop the table, and load again."
        ) from None


def _find_refusal(error: BaseException) -> BaseException | None:
    """The driver's error about values that is behind this one, however deep."""
    seen: set[int] = set()
    waiting = [error]
    while waiting:
        one = waiting.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        if _QUOTING & {kind.__name__ for kind in type(one).__mro__}:
            return one
        waiting += [lead for name in _LEADS if isinstance(lead := getattr(one, name, None), BaseException)]
    return None


def _describe(refusal: BaseException) -> str:
    """The kind of error, and which constraint or column it names; no value."""
    diagnosis = getattr(refusal, "diag", None)
    names = {part: getattr(diagnosis, f"{part}_name", None) for part in ("constraint", "column")}
    return ", ".join([type(refusal).__name__, *(f"{part} {name}" for part, name in names.items() if name)])


def _leave_out_traceback(record: logging.LogRecord) -> bool:
    """True: the record is logged, but in one line. What its traceback ends in is raised as well, and quotes rows."""
    said = record.getMessage()
    if record.exc_info or "Traceback" in said:
        record.msg, record.args = said.partition("\n")[0].partition(" with message")[0], ()
        record.exc_info = record.exc_text = None
    return True
