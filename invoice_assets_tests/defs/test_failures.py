import errno
from collections.abc import Iterator
from pathlib import Path

import pytest
from dagster import DagsterEventType, DagsterInstance, ExecuteInProcessResult, Failure

from invoice_assets.api.errors import PermissionDeniedError
from invoice_assets.catalog import INVOICES
from invoice_assets.defs.failures import find_cause, report_failures
from invoice_assets.errors import InvoicingError, PermanentError, TransientError
from invoice_assets_tests.project import Project
from invoice_assets_tests.runs import failures_of
from invoice_assets_tests.sandbox.server import Sandbox


def raise_wrapped(error: InvoicingError) -> None:
    try:
        raise error
    except InvoicingError as cause:
        raise RuntimeError("a wrapper of somebody else's") from cause


def test_the_first_error_of_ours_is_found_behind_wrappers() -> None:
    with pytest.raises(RuntimeError) as caught:
        raise_wrapped(PermissionDeniedError("no"))

    assert isinstance(find_cause(caught.value), PermissionDeniedError)


def test_an_error_of_somebody_else_passes_unchanged() -> None:
    with pytest.raises(ZeroDivisionError), report_failures(INVOICES):
        raise ZeroDivisionError


@pytest.mark.parametrize(
    ("error", "retried"),
    [(TransientError("later"), True), (PermanentError("never"), False)],
    ids=["transient", "permanent"],
)
def test_dagster_is_told_whether_a_rerun_can_help(error: InvoicingError, retried: bool) -> None:
    with pytest.raises(Failure) as failure, report_failures(INVOICES):
        raise error

    assert failure.value.allow_retries is retried
    assert failure.value.metadata["a_rerun_can_help"].value is retried


def test_an_error_of_the_disk_is_told_as_one_that_a_rerun_does_not_mend() -> None:
    """What dlt, a driver or the operating system raised used to pass as it was, and its step to be tried again."""
    with pytest.raises(Failure) as failure, report_failures(INVOICES):
        raise OSError(errno.ENOSPC, "No space left on device", "rows.parquet")

    assert failure.value.allow_retries is False
    assert failure.value.metadata["error_class"].value == "DiskFullError"
    assert str(failure.value.description).startswith("invoices: there is no space left for rows.parquet")


def test_a_failed_step_names_the_resource_the_request_the_answer_and_the_next_step(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = Project(sandbox, tmp_path, monkeypatch)
    sandbox.script("dead_token_57", resource="taxes", times=None)

    result = project.materialize("taxes")

    assert failures_of(result)["load_taxes"].startswith("taxes: GET /invoice/v3/settings/taxes, page 1, answered 401")
    assert (
        "(code 57). A scope of the client, or a permission of its user, is missing: `invoice-assets authorize`"
        in failures_of(result)["load_taxes"]
    )


def test_a_block_of_an_hour_ends_the_step_and_says_when_to_resume(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = Project(sandbox, tmp_path, monkeypatch)
    sandbox.script("blocked_43", resource="taxes", times=None)

    result = project.materialize("taxes")

    assert "Run again after" in failures_of(result)["load_taxes"]
    assert len(sandbox.ledger.requests("taxes")) == 1


def test_a_locked_warehouse_is_reported_before_the_api_is_asked(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = Project(sandbox, tmp_path, monkeypatch)
    project.database.parent.mkdir()
    project.database.write_text("not a database " * 1000)

    result = project.materialize("taxes")

    assert "is damaged or no database" in failures_of(result)["load_taxes"]
    assert sandbox.ledger.requests("taxes") == []
    assert [e for e in result.all_events if e.event_type is DagsterEventType.STEP_FAILURE]


def _counted(sandbox: Sandbox, resource: str) -> int:
    return len(sandbox.ledger.requests(resource))


def _retry_tag(project: Project, result: ExecuteInProcessResult) -> str | None:
    run = project.instance.get_run_by_id(result.run_id) if project.instance else None
    assert run is not None
    return run.tags.get("dagster/retry_on_asset_or_op_failure")


@pytest.fixture
def project(sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    """A project whose steps are tried twice, and whose requests once."""
    with DagsterInstance.ephemeral() as instance:
        opened = Project(sandbox, tmp_path, monkeypatch, instance=instance)
        monkeypatch.setenv("INVOICE_STEP_RETRIES", "1")
        monkeypatch.setenv("INVOICE_STEP_RETRY_DELAY", "0")
        monkeypatch.setenv("INVOICE_API_MAX_RETRIES", "0")
        yield opened


def test_a_step_whose_failure_can_pass_is_tried_again(sandbox: Sandbox, project: Project) -> None:
    sandbox.script("unavailable_503", resource="taxes", times=1)

    result = project.materialize("taxes")

    assert result.success
    assert _counted(sandbox, "taxes") == 2
    assert [event.event_type for event in result.all_events].count(DagsterEventType.STEP_UP_FOR_RETRY) == 1


def test_a_step_that_keeps_failing_says_so_once_and_the_run_may_be_retried(sandbox: Sandbox, project: Project) -> None:
    sandbox.script("unavailable_503", resource="taxes", times=None)

    result = project.materialize("taxes")

    assert "answered 503" in failures_of(result)["load_taxes"]
    assert _counted(sandbox, "taxes") == 2
    assert _retry_tag(project, result) == "true"


@pytest.mark.parametrize(
    ("fault", "requests"),
    [("wrong_organization_6041", 1), ("dead_token_57", 2), ("blocked_43", 1)],
    ids=["wrong-organisation", "missing-scope", "blocked-for-an-hour"],
)
def test_neither_a_step_nor_its_run_is_tried_again_where_that_cannot_help(
    sandbox: Sandbox, project: Project, fault: str, requests: int
) -> None:
    sandbox.script(fault, resource="taxes", times=None)

    result = project.materialize("taxes")

    assert _counted(sandbox, "taxes") == requests
    assert _retry_tag(project, result) == "false"


@pytest.mark.parametrize(
    ("step_retries", "order"),
    [("0", ["load_items", "load_taxes"]), ("1", ["load_taxes", "load_items"])],
    ids=["which-came-first", "which-came-last"],
)
def test_a_run_is_retried_where_one_of_its_failures_can_pass(
    sandbox: Sandbox, project: Project, monkeypatch: pytest.MonkeyPatch, step_retries: str, order: list[str]
) -> None:
    monkeypatch.setenv("INVOICE_STEP_RETRIES", step_retries)
    sandbox.script("unavailable_503", resource="items", times=None)
    sandbox.script("wrong_organization_6041", resource="taxes", times=None)

    result = project.materialize("items", "taxes")

    assert list(failures_of(result)) == order
    assert _retry_tag(project, result) == "true"
