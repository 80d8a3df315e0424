"""How a load that failed is told to Dagster: the first error of ours, and whether a rerun can help.

The classes live in `invoice_assets/errors.py`. https://docs.dagster.io/guides/build/ops/op-retries
"""

from collections.abc import Iterator
from contextlib import contextmanager

from dagster import Failure
from dlt.pipeline.exceptions import PipelineStepFailed

from invoice_assets.errors import InvoicingError
from invoice_assets.resource_spec import ResourceSpec

ERROR_CLASS, A_RERUN_CAN_HELP = "error_class", "a_rerun_can_help"
"""Metadata of a failure: the class of the error, and whether waiting mends it."""


@contextmanager
def report_failures(spec: ResourceSpec) -> Iterator[None]:
    """Turn an error of ours, however deep dlt has wrapped it, into a `Failure` that says what to do.

    A permanent error is not retried. Anything else passes unchanged.
    """
    try:
        yield
    except (InvoicingError, PipelineStepFailed) as error:
        cause = find_cause(error)
        if cause is None:
            raise
        raise Failure(
            description=f"{spec.name}: {str(cause).removeprefix(f'{spec.name}: ')}",
            metadata={ERROR_CLASS: type(cause).__name__, A_RERUN_CAN_HELP: cause.transient},
            allow_retries=cause.transient,
        ) from error


def find_cause(error: BaseException | None) -> InvoicingError | None:
    """The first error of ours in the chain of causes, or None."""
    while error is not None:
        if isinstance(error, InvoicingError):
            return error
        error = error.__cause__ or error.__context__
    return None
