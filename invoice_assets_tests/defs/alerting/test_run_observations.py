"""`run_observations.py`, read from both storages: what is told of a run, once, and what never is."""

from dataclasses import replace

import pytest
from dagster import AssetCheckResult, DagsterInstance, Failure, RunRecord
from dagster._core.remote_origin import InProcessCodeLocationOrigin, RemoteJobOrigin, RemoteRepositoryOrigin
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin

from invoice_assets.alerts.observations import Observation, Severity
from invoice_assets.api.errors import InvalidResponseError, TokenRejectedError
from invoice_assets.catalog import RESOURCES
from invoice_assets.defs.alerting.readers import open_run_observations
from invoice_assets.defs.alerting.run_observations import RunObservations
from invoice_assets.defs.failures import report_failures
from invoice_assets.defs.schedules import RANGE_END_TAG, RANGE_START_TAG
from invoice_assets.settings import Settings
from invoice_assets_tests.defs.alerting.location import FAILED, INVOICES, RETRIED_ONCE, UNIQUE, Location

ALWAYS = 0.0
SECRET, ROW = "planted-password", "Planted Customer Ltd"


@pytest.fixture
def location(instance: DagsterInstance) -> Location:
    return Location(instance=instance)


def read(location: Location, *, of: tuple[str, str] | None = None) -> RunObservations:
    settings = Settings(webserver_url="http://dagster.example.com")
    return replace(open_run_observations(location.instance, location.repository, settings=settings), location=of)


def failures_of(location: Location) -> list[Observation]:
    return [seen for seen in read(location).read_since(ALWAYS) if seen.severity]


def run_invoices(location: Location, **tags: str) -> RunRecord:
    return location.run("load_unchecked", tags=tags)


def as_a_load_raises(error: Exception) -> Exception:
    """What becomes of an error in the body of one of the project's assets."""
    with pytest.raises(Failure) as raised, report_failures(RESOURCES["invoices"]):
        raise error
    return raised.value


def test_a_step_fails_and_a_later_run_of_it_passes(location: Location) -> None:
    location.errors["load_invoices"] = InvalidResponseError("no answer")
    failed = run_invoices(location)
    del location.errors["load_invoices"]
    passed = run_invoices(location)

    seen = [each for each in read(location).read_since(ALWAYS) if each.subject == "step:load_invoices"]

    assert [(each.severity, each.at) for each in seen] == [(Severity.ERROR, failed.end_time), (None, passed.end_time)]
    assert read(location).read_current()[0] == seen[-1]
    assert read(location).read_since(seen[0].at)[0] == seen[-1]


@pytest.mark.parametrize(
    ("error", "cause", "what_to_do"),
    [
        pytest.param(InvalidResponseError("no answer"), "InvalidResponseError", "Run it again", id="transient"),
        pytest.param(TokenRejectedError("no answer"), "TokenRejectedError", "Mend the cause first", id="permanent"),
    ],
)
def test_an_error_of_ours_is_told_in_its_own_words(
    location: Location, error: Exception, cause: str, what_to_do: str
) -> None:
    location.errors["load_invoices"] = as_a_load_raises(error)
    run = run_invoices(location, **{RANGE_START_TAG: "2024-01-01", RANGE_END_TAG: "2024-01-02"})

    (failure,) = failures_of(location)

    assert (failure.resource, failure.cause) == ("invoices", cause)
    assert (failure.report.title, failure.report.summary) == ("load_invoices", "invoices: no answer")
    assert failure.report.what_to_do.startswith(what_to_do)
    assert failure.report.partition == "2024-01-01...2024-01-02"
    assert failure.report.links == (("the run", f"http://dagster.example.com/runs/{run.dagster_run.run_id}"),)


def test_of_a_foreign_error_only_the_class_is_told(location: Location) -> None:
    """Its text may quote a connection string or a row: here it does."""
    error = RuntimeError(f"cannot insert ({ROW})")
    error.__cause__ = ValueError(f"postgresql://loader:{SECRET}@localhost")
    location.errors["load_invoices"] = error
    run_invoices(location)

    (failure,) = failures_of(location)

    assert failure.cause == "ValueError"
    assert failure.report.summary == "ValueError: see the run."
    assert SECRET not in repr(failure)
    assert ROW not in repr(failure)


def test_a_run_that_is_retried_is_told_by_its_last_retry_alone(location: Location) -> None:
    location.errors["load_invoices"] = InvalidResponseError("no answer")
    first = run_invoices(location, **RETRIED_ONCE)
    assert failures_of(location) == []

    last = location.retry(first, "load_unchecked")

    assert [seen.at for seen in failures_of(location)] == [last.end_time]


def test_a_failure_that_a_retry_has_mended_is_never_told(location: Location) -> None:
    location.errors["load_invoices"] = InvalidResponseError("no answer")
    first = run_invoices(location, **RETRIED_ONCE)
    del location.errors["load_invoices"]
    location.retry(first, "load_unchecked")

    observations = read(location).read_since(ALWAYS)

    assert {(seen.subject, seen.severity) for seen in observations} == {
        ("step:load_invoices", None),
        ("job:load_unchecked", None),
    }


def test_a_run_that_died_between_its_steps_is_told_by_its_job_until_that_succeeds(location: Location) -> None:
    run = location.instance.create_run_for_job(location.definitions.resolve_job_def("load_unchecked"))
    location.instance.report_run_failed(run, f"worker died with {SECRET}")

    (death,) = read(location).read_since(ALWAYS)

    assert (death.subject, death.cause, death.severity) == ("job:load_unchecked", "no step failed", Severity.ERROR)
    assert SECRET not in repr(death)

    run_invoices(location)
    assert [seen.severity for seen in read(location).read_since(ALWAYS) if seen.subject == death.subject] == [
        Severity.ERROR,
        None,
    ]


def test_a_cancelled_run_is_no_failure(location: Location) -> None:
    run = location.instance.create_run_for_job(location.definitions.resolve_job_def("load_unchecked"))
    location.instance.report_run_canceled(run)

    assert read(location).read_since(ALWAYS) == []


def test_a_blocking_check_that_fails_is_left_to_the_alerts_of_checks(location: Location) -> None:
    location.blocking = True
    location.results[UNIQUE] = FAILED
    run = location.run(assets=[INVOICES])

    assert run.dagster_run.status.value == "FAILURE"
    assert failures_of(location) == []


def test_a_check_that_raises_fails_as_a_step(location: Location) -> None:
    location.errors["check_invoices"] = as_a_load_raises(InvalidResponseError("no answer"))
    location.run("check")

    (failure,) = failures_of(location)

    assert (failure.report.title, failure.resource) == ("check_invoices", "invoices")


def test_the_runs_of_another_code_location_are_not_read(location: Location) -> None:
    repository = RemoteRepositoryOrigin(
        InProcessCodeLocationOrigin(LoadableTargetOrigin(module_name="elsewhere"), location_name="elsewhere"), "other"
    )
    run = location.instance.create_run_for_job(
        location.definitions.resolve_job_def("load_unchecked"),
        remote_job_origin=RemoteJobOrigin(repository, "load_unchecked"),
    )
    location.instance.report_run_failed(run)

    assert read(location, of=("invoice_assets", "__repository__")).read_since(ALWAYS) == []
    assert len(read(location, of=("elsewhere", "other")).read_since(ALWAYS)) == 1


def test_an_empty_history_has_nothing_to_observe(location: Location) -> None:
    assert read(location).read_current() == []
    assert read(location).read_since(ALWAYS) == []


def test_a_result_that_fails_without_blocking_fails_no_run(location: Location) -> None:
    location.results[UNIQUE] = AssetCheckResult(passed=False)
    location.run("check")

    assert failures_of(location) == []
