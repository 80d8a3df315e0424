"""Errors as Dagster has recorded them: which class it was, and what of its text may be told.

Errors of ours are written for people. The text of any other may quote a row, a query or a secret: of those only the
class is told. How errors of ours come into the record is the business of `failures.py`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from dagster import MetadataValue
from dagster._core.errors import DagsterAssetCheckFailedError
from dagster._core.execution.plan.objects import StepFailureData, UserFailureData
from dagster_shared.error import SerializableErrorInfo

from invoice_assets.defs.failures import A_RERUN_CAN_HELP, ERROR_CLASS
from invoice_assets.errors import InvoicingError

SEE_THE_RUN = "see the run"


@dataclass(frozen=True, kw_only=True)
class RecordedCause:
    """What made something fail."""

    name: str
    """The class of the error."""
    text: str
    """What to tell of it."""
    a_rerun_can_help: bool | None = None
    """None where nobody knows."""


def find_recorded_cause(failure: StepFailureData) -> RecordedCause:
    """The first error of ours in a failed step's record, or else the innermost error's class."""
    return (
        _find_in_metadata(failure.user_failure_data)
        or _find_in_chain(failure.error)
        or name_innermost(failure.error)
        or RecordedCause(name="Failure", text=f"It failed; {SEE_THE_RUN}.")
    )


def name_innermost(error: SerializableErrorInfo | None) -> RecordedCause | None:
    """The class at the bottom of a chain of causes, without its text; None where there is no error."""
    names = [link.cls_name for link in _walk(error) if link.cls_name]
    return RecordedCause(name=names[-1], text=f"{names[-1]}: {SEE_THE_RUN}.") if names else None


def is_failed_check(failure: StepFailureData) -> bool:
    """Whether a step failed because a blocking asset check in it did."""
    return any(link.cls_name == DagsterAssetCheckFailedError.__name__ for link in _walk(failure.error))


def _find_in_metadata(failure: UserFailureData | None) -> RecordedCause | None:
    """The error that `failures.py` has put into the metadata of a `Failure`."""
    if failure is None:
        return None
    name = _read(failure.metadata.get(ERROR_CLASS))
    if not isinstance(name, str) or name not in {kind.__name__ for kind in _kinds_of_ours().values()}:
        return None
    a_rerun_can_help = _read(failure.metadata.get(A_RERUN_CAN_HELP))
    return RecordedCause(
        name=name,
        text=failure.description or f"{name}: {SEE_THE_RUN}.",
        a_rerun_can_help=a_rerun_can_help if isinstance(a_rerun_can_help, bool) else None,
    )


def _find_in_chain(error: SerializableErrorInfo | None) -> RecordedCause | None:
    kinds = _kinds_of_ours()
    for link in _walk(error):
        qualified_name, _, text = link.message.strip().partition(": ")
        if kind := kinds.get(qualified_name):
            return RecordedCause(name=kind.__name__, text=text, a_rerun_can_help=kind.transient)
    return None


def _walk(error: SerializableErrorInfo | None) -> Iterator[SerializableErrorInfo]:
    while error is not None:
        yield error
        error = error.cause or error.context


def _kinds_of_ours() -> dict[str, type[InvoicingError]]:
    """The classes of this project's errors that are loaded, by the name that a traceback prints."""
    kinds, unseen = {}, [InvoicingError]
    while unseen:
        kind = unseen.pop()
        kinds[f"{kind.__module__}.{kind.__qualname__}"] = kind
        unseen.extend(kind.__subclasses__())
    return kinds


def _read(value: MetadataValue[Any] | None) -> object:
    return value.value if value is not None else None
