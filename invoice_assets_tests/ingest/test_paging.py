import pytest
from dlt.extract.exceptions import ResourceExtractionError

from invoice_assets.api.errors import InvalidResponseError
from invoice_assets.catalog import INVOICES, TAXES, USERS
from invoice_assets.defs.failures import find_cause
from invoice_assets.errors import InvoicingError
from invoice_assets.ingest import paging
from invoice_assets.ingest.paging import ScanReport
from invoice_assets_tests.ingest.reading import read_resource
from invoice_assets_tests.sandbox.server import Sandbox


def cause_of_failure(sandbox: Sandbox) -> InvoicingError:
    with pytest.raises(ResourceExtractionError) as caught:
        read_resource(sandbox, TAXES)
    cause = find_cause(caught.value)
    assert cause is not None
    return cause


@pytest.mark.parametrize(
    ("fault", "complaint"),
    [
        pytest.param("wrong_page_echoed", "was answered with page", id="another page is echoed"),
        pytest.param("ignored_page", "was answered with page 1", id="page is ignored"),
        pytest.param("repeated_page", "repeats the page before it", id="a page repeats"),
        pytest.param("endless_pages", "repeats the page before it", id="pages past the end go on empty"),
        pytest.param("missing_wrapper_key", "without a list of rows under 'taxes'", id="no wrapper key"),
        pytest.param("wrapper_is_not_a_list", "without a list of rows under 'taxes'", id="wrapper is no list"),
        pytest.param("html_instead_of_json", "no JSON", id="HTML"),
        pytest.param("truncated_json", "no JSON", id="truncated JSON"),
    ],
)
def test_a_walk_that_is_led_astray_fails_rather_than_stopping_early(fault: str, complaint: str) -> None:
    with Sandbox(rows={"taxes": 450}) as sandbox:
        sandbox.script(fault, resource="taxes", times=None)

        cause = cause_of_failure(sandbox)

    assert isinstance(cause, InvalidResponseError)
    assert complaint in str(cause)


def test_an_error_inside_a_200_on_a_later_page_does_not_truncate() -> None:
    with Sandbox(rows={"taxes": 450}) as sandbox:
        sandbox.script("code_in_200", resource="taxes", page=2, times=None)

        cause = cause_of_failure(sandbox)

    assert "/invoice/v3/settings/taxes, page 2, answered 200" in str(cause)


def test_a_list_that_never_ends_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paging.CheckedPaginator.__init__, "__kwdefaults__", {"max_pages": 2})
    with Sandbox(rows={"taxes": 450}) as sandbox:
        cause = cause_of_failure(sandbox)

    assert "page 2, still has more pages after it; 2 pages" in str(cause)


def test_users_without_a_page_context_are_read_to_the_end() -> None:
    with Sandbox(rows={"users": 450}) as sandbox:
        sandbox.script("missing_page_context", resource="users", times=None)

        table = read_resource(sandbox, USERS)

    assert table.num_rows == 450


def test_a_sort_that_the_server_ignored_is_noticed() -> None:
    report = ScanReport()
    with Sandbox(rows={"invoices": 5}) as sandbox:
        sandbox.script("ignored_sort", resource="invoices", times=None)

        read_resource(sandbox, INVOICES, report=report)

    assert report.sort_ignored


def test_a_row_that_comes_twice_is_no_error() -> None:
    with Sandbox(rows={"invoices": 5}) as sandbox:
        sandbox.script("duplicated_row", resource="invoices", times=None)

        table = read_resource(sandbox, INVOICES)

    assert table.num_rows == 6
    assert len(set(table["invoice_id"].to_pylist())) == 5
