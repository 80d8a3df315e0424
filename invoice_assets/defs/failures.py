"""How a load that failed is told to Dagster: its cause, and whether a rerun can help.

The classes live in `invoice_assets/errors.py`, what a warehouse's error means in `ingest/warehouse_errors.py`; the
number of retries of a step in the settings, of a run in `dagster.yaml`. https://docs.dagster.io/guides/build/ops/op-retries
https://docs.dagster.io/deployment/execution/run-retries
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from dagster import AssetExecutionContext, DagsterEventType, Failure, RetryRequested
from dagster._core.storage.tags import RETRY_ON_ASSET_OR_OP_FAILURE_TAG

from invoice_assets.errors import InvoicingError
from invoice_assets.ingest.warehouse_errors import chain_of, explain
from invoice_assets.settings import Settings

ERROR_CLASS, A_RERUN_CAN_HELP = "error_class", "a_rerun_can_help"
"""Metadata of a failure: the class of the error, and whether waiting mends it."""

LONGEST_WAIT_S = 300.0
"""A step waits this long at most before it is tried again: it keeps its process, and its pool."""


@dataclass(frozen=True, kw_only=True)
class Retries:
    """How a step that failed is tried again: how often, and after how many seconds, doubled each time."""

    context: AssetExecutionContext
    most: int
    delay_s: float

    @classmethod
    def of(cls, context: AssetExecutionContext, settings: Settings) -> "Retries":
        """As the settings have it."""
        return cls(context=context, most=settings.step_retries, delay_s=settings.step_retry_delay_s)

    def request(self, description: str, cause: InvoicingError) -> RetryRequested | None:
        """What to raise for another attempt at the step; None where there is none left, or none that can help."""
        attempt = self.context.retry_number
        if attempt >= self.most or not _can_help_soon(cause):
            return None
        wait_s = min(max(self.delay_s * 2**attempt, _seconds_until(cause.resume_at)), LONGEST_WAIT_S)
        self.context.log.warning(f"{description} Trying again in {wait_s:g} s ({attempt + 1} of {self.most}).")
        return RetryRequested(max_retries=self.most, seconds_to_wait=wait_s)

    def tag_run(self, cause: InvoicingError) -> None:
        """Tell Dagster whether to retry the run: where any of its failed steps can be helped by that."""
        can_help = _can_help_soon(cause) or self._has_failure_that_can_pass()
        self.context.instance.add_run_tags(
            self.context.run.run_id, {RETRY_ON_ASSET_OR_OP_FAILURE_TAG: str(can_help).lower()}
        )

    def _has_failure_that_can_pass(self) -> bool:
        records = self.context.instance.get_records_for_run(
            self.context.run.run_id, of_type=DagsterEventType.STEP_FAILURE
        ).records
        data = [record.event_log_entry.get_dagster_event().step_failure_data.user_failure_data for record in records]
        return any(found and found.metadata[A_RERUN_CAN_HELP].value for found in data if found)


class Subject(Protocol):
    """What fails: an error may begin with its name, people are told of it by its label."""

    @property
    def name(self) -> str:
        """Its name, such as `invoices`."""

    @property
    def label(self) -> str:
        """The name with the organisation, where there are several."""


@contextmanager
def report_failures(subject: Subject, *, retries: Retries | None = None) -> Iterator[None]:
    """Turn an error whose cause is known, however deep dlt has wrapped it, into a `Failure` that says what to do.

    One that can pass is tried again first. Anything else passes unchanged.
    """
    try:
        yield
    except Exception as error:
        cause = find_cause(error)
        if cause is None:
            raise
        description = f"{subject.label}: {str(cause).removeprefix(f'{subject.name}: ')}"
        if retries:
            if request := retries.request(description, cause):
                raise request from error
            retries.tag_run(cause)
        raise Failure(
            description=description,
            metadata={ERROR_CLASS: type(cause).__name__, A_RERUN_CAN_HELP: cause.transient},
            allow_retries=cause.transient,
        ) from error


def find_cause(error: BaseException) -> InvoicingError | None:
    """The first error of ours in the chain of causes, or what one of the warehouse's or the disk's means; or None."""
    ours = (link for link in chain_of(error) if isinstance(link, InvoicingError))
    return next(ours, None) or explain(chain_of(error))


def _can_help_soon(cause: InvoicingError) -> bool:
    """Whether trying again within minutes can succeed; where the API has blocked us for an hour it cannot."""
    return cause.transient and _seconds_until(cause.resume_at) <= LONGEST_WAIT_S


def _seconds_until(instant: datetime | None) -> float:
    return max(0.0, (instant - datetime.now(UTC)).total_seconds()) if instant else 0.0
