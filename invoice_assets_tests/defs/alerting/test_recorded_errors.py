"""`recorded_errors.py`: errors of ours in their words, of all others the class alone."""

import sys

import pytest
from dagster import Failure, MetadataValue
from dagster._core.errors import DagsterAssetCheckFailedError
from dagster._core.execution.plan.objects import StepFailureData, UserFailureData
from dagster._utils.error import serializable_error_info_from_exc_info
from dagster_shared.error import SerializableErrorInfo

from invoice_assets.api.errors import ConfigurationError, QuotaExceededError
from invoice_assets.defs.alerting.recorded_errors import RecordedCause, find_recorded_cause, is_failed_check


def record(error: BaseException, failure: Failure | None = None) -> StepFailureData:
    """What Dagster writes down of an error that a step raised."""
    try:
        raise error
    except type(error):
        recorded = serializable_error_info_from_exc_info(sys.exc_info())
    said = build_saying(failure) if failure else None
    return build_record(recorded, said)


def build_record(error: SerializableErrorInfo | None, said: UserFailureData | None) -> StepFailureData:
    return StepFailureData(error=error, user_failure_data=said)  # type: ignore[no-untyped-call]


def build_saying(failure: Failure) -> UserFailureData:
    return UserFailureData("step", failure.description, failure.metadata)  # type: ignore[no-untyped-call]


def caused_by(cause: BaseException, outer: BaseException) -> BaseException:
    outer.__cause__ = cause
    return outer


def test_an_error_of_ours_is_found_however_deep_it_is_wrapped() -> None:
    ours = QuotaExceededError("Wait until noon: the quota is used up.", resume_at=None)
    wrapped = caused_by(caused_by(caused_by(KeyError("planted"), ours), ValueError("planted")), RuntimeError("planted"))

    assert find_recorded_cause(record(wrapped)) == RecordedCause(
        name="QuotaExceededError", text="Wait until noon: the quota is used up.", a_rerun_can_help=True
    )


def test_the_outermost_error_of_ours_speaks() -> None:
    wrapped = caused_by(ConfigurationError("inner"), ConfigurationError("outer"))

    assert find_recorded_cause(record(wrapped)).text == "outer"


def test_a_failure_that_names_an_error_of_ours_speaks_for_it() -> None:
    failure = Failure("invoices: no answer", metadata={"error_class": "ConfigurationError", "a_rerun_can_help": False})

    assert find_recorded_cause(record(RuntimeError("planted"), failure)) == RecordedCause(
        name="ConfigurationError", text="invoices: no answer", a_rerun_can_help=False
    )


@pytest.mark.parametrize(
    "failure",
    [
        pytest.param(Failure("planted"), id="no-class"),
        pytest.param(Failure("planted", metadata={"error_class": "KeyError"}), id="a-foreign-class"),
        pytest.param(Failure("planted", metadata={"error_class": MetadataValue.json(["x"])}), id="no-name"),
    ],
)
def test_the_text_of_any_other_failure_is_not_told(failure: Failure) -> None:
    assert "planted" not in find_recorded_cause(record(RuntimeError("planted"), failure)).text


def test_a_foreign_error_that_is_called_like_one_of_ours_stays_foreign() -> None:
    impostor = type("ConfigurationError", (Exception,), {})

    assert find_recorded_cause(record(impostor("planted"))).text == "ConfigurationError: see the run."


def test_an_error_without_a_record_is_a_failure() -> None:
    assert find_recorded_cause(build_record(None, None)).name == "Failure"


def test_a_blocking_check_is_known_by_its_error() -> None:
    assert is_failed_check(record(DagsterAssetCheckFailedError("1 check failed")))
    assert not is_failed_check(record(RuntimeError("1 check failed")))
