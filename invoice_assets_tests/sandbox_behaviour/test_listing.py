"""Lists: envelope, pagination, sorts and filters (docs/api.md)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from invoice_assets_tests.sandbox.endpoints import ENDPOINTS, Endpoint
from invoice_assets_tests.sandbox.server import Sandbox
from invoice_assets_tests.sandbox_behaviour.client import Client
from invoice_assets_tests.sandbox_behaviour.conftest import OpenSandbox

RESOURCES = [endpoint.name for endpoint in ENDPOINTS]
WITH_MODIFIED_FILTER = ["contacts", "invoices", "customer_payments", "credit_notes", "expenses"]
WITHOUT_MODIFIED_FILTER = ["items", "recurring_invoices", "users", "taxes"]


def _status_and_code(answer: Any) -> tuple[int, int]:
    return answer.status_code, answer.json()["code"]


# --- organisation


@pytest.mark.parametrize(
    "named_by",
    [pytest.param("header", id="header"), pytest.param("parameter", id="parameter"), pytest.param("both", id="both")],
)
def test_the_organisation_may_be_named_by_header_or_by_parameter(open_sandbox: OpenSandbox, named_by: str) -> None:
    client = open_sandbox(0, other_organization_ids=("4815000000000000013",))
    organization = client.sandbox.organization_id
    header = {"X-com-zoho-invoice-organizationid": None if named_by == "parameter" else organization}
    query: dict[str, Any] = {} if named_by == "header" else {"organization_id": organization}

    assert client.get("items", headers=header, **query).status_code == 200


def test_a_wrong_organisation_is_6041(reader: Client) -> None:
    answer = reader.get("items", headers={"X-com-zoho-invoice-organizationid": "1"})

    assert _status_and_code(answer) == (400, 6041)
    assert answer.json()["message"].startswith("This user is not associated with the CompanyID/CompanyName:")


def test_a_missing_organisation_is_9017_where_the_login_has_several(open_sandbox: OpenSandbox) -> None:
    client = open_sandbox(0, other_organization_ids=("4815000000000000013",))

    answer = client.get("items", headers={"X-com-zoho-invoice-organizationid": None})

    assert _status_and_code(answer) == (400, 9017)


def test_a_missing_organisation_is_the_only_one_where_there_is_one(reader: Client) -> None:
    assert reader.get("items", headers={"X-com-zoho-invoice-organizationid": None}).status_code == 200


def test_organizations_needs_no_organisation(open_sandbox: OpenSandbox) -> None:
    client = open_sandbox(0, other_organization_ids=("4815000000000000013",), time_zone="Asia/Kolkata")
    url = client.sandbox.api_base_url + "organizations"

    answer = client.get_url(url, headers={"X-com-zoho-invoice-organizationid": None})

    assert [row["organization_id"] for row in answer.json()["organizations"]] == [
        client.sandbox.organization_id,
        "4815000000000000013",
    ]
    assert answer.json()["organizations"][0]["time_zone"] == "Asia/Kolkata"
    assert "X-Rate-Limit-Limit" not in answer.headers


# --- envelope


@pytest.mark.parametrize("path", ["nothing", "customer_payments", "taxes", "invoices/", ""])
def test_an_unknown_path_is_404_code_5(reader: Client, path: str) -> None:
    assert _status_and_code(reader.get_url(reader.sandbox.api_base_url + path)) == (404, 5)


@pytest.mark.parametrize("resource", RESOURCES)
def test_a_list_is_an_envelope_with_its_wrapper_and_its_context(reader: Client, resource: str) -> None:
    body = reader.body(resource)

    assert set(body) == {"code", "message", reader.wrapper(resource), "page_context"}
    assert body["code"] == 0
    assert set(body["page_context"]) == {
        *("page", "per_page", "has_more_page", "report_name", "applied_filter", "custom_fields"),
        *("sort_column", "sort_order"),
    }


def test_the_message_varies(reader: Client) -> None:
    assert len({reader.body("items", page=page)["message"] for page in (1, 2, 3)}) > 1


def test_organisation_scoped_answers_carry_the_rate_limit_headers(reader: Client) -> None:
    headers = reader.get("items").headers

    assert int(headers["X-Rate-Limit-Remaining"]) < int(headers["X-Rate-Limit-Limit"])
    assert 0 < int(headers["X-Rate-Limit-Reset"]) <= 25 * 3600


# --- pagination


@pytest.mark.parametrize("resource", RESOURCES)
@pytest.mark.parametrize("count", [0, 400, 450])
def test_paging_reads_every_row_once(open_sandbox: OpenSandbox, resource: str, count: int) -> None:
    client = open_sandbox({resource: count})

    read = [row[client.key(resource)] for row in client.all_rows(resource, filter_by="Status.All")]

    assert len(read) == count
    assert set(read) == {row[client.key(resource)] for row in client.sandbox.rows(resource)}


def test_a_page_has_200_rows_by_default_and_at_most(reader: Client) -> None:
    assert len(reader.rows("invoices")) == 200
    assert len(reader.rows("invoices", per_page=500)) == 200
    assert reader.body("invoices", per_page=500)["page_context"]["per_page"] == 200


def test_per_page_is_honoured_and_echoed(reader: Client) -> None:
    body = reader.body("invoices", per_page=7, page=3)

    assert (len(body["invoices"]), body["page_context"]["per_page"], body["page_context"]["page"]) == (7, 7, 3)


def test_400_rows_are_two_pages_and_no_third(open_sandbox: OpenSandbox) -> None:
    client = open_sandbox({"invoices": 400})

    assert [client.body("invoices", page=page)["page_context"]["has_more_page"] for page in (1, 2)] == [True, False]


def test_a_page_past_the_end_is_empty(reader: Client) -> None:
    body = reader.body("invoices", page=200)

    assert (body["invoices"], body["page_context"]["has_more_page"]) == ([], False)


def test_page_0_is_page_1(reader: Client) -> None:
    assert reader.rows("invoices", page=0) == reader.rows("invoices", page=1)


@pytest.mark.parametrize(
    "query",
    [
        pytest.param({"page": "one"}, id="page-in-words"),
        pytest.param({"page": -1}, id="negative-page"),
        pytest.param({"per_page": 0}, id="no-rows"),
        pytest.param({"per_page": "all"}, id="per-page-in-words"),
    ],
)
def test_a_page_that_is_no_number_is_code_4(reader: Client, query: dict[str, Any]) -> None:
    assert _status_and_code(reader.get("invoices", **query)) == (400, 4)


def test_pages_read_out_of_order_are_the_same_pages(reader: Client) -> None:
    in_order = [reader.rows("invoices", page=page, per_page=50) for page in range(1, 10)]

    backwards = [reader.rows("invoices", page=page, per_page=50) for page in range(9, 0, -1)]

    assert backwards[::-1] == in_order


# --- sorts

DEFAULT_SORTS = {
    "items": ("name", "A"),
    "users": ("name", "A"),
    "contacts": ("contact_name", "A"),
    "invoices": ("created_time", "D"),
    "recurring_invoices": ("created_time", "D"),
    "customer_payments": ("date", "D"),
    "credit_notes": ("created_time", "D"),
    "expenses": ("created_time", "D"),
    "taxes": ("tax_name", "A"),
}


def _sort_value(row: dict[str, Any], column: str) -> Any:
    value = row[column]
    if column.endswith("_time"):
        return datetime.fromisoformat(value)
    return value.lower() if isinstance(value, str) else value


@pytest.mark.parametrize(("resource", "sort"), DEFAULT_SORTS.items(), ids=DEFAULT_SORTS.keys())
def test_the_default_sort_is_echoed_and_kept(reader: Client, resource: str, sort: tuple[str, str]) -> None:
    context = reader.body(resource)["page_context"]
    values = [_sort_value(row, sort[0]) for row in reader.all_rows(resource)]

    assert (context["sort_column"], context["sort_order"]) == sort
    if resource not in {"items", "users", "contacts", "taxes"}:  # names sort by SQLite's NOCASE, not by Python's
        assert values == sorted(values, reverse=True)


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda endpoint: endpoint.name)
@pytest.mark.parametrize("order", ["A", "D"])
def test_every_accepted_sort_reads_every_row_once(reader: Client, endpoint: Endpoint, order: str) -> None:
    for column in endpoint.accepted_sort_columns:
        sort = {"sort_column": column, "sort_order": order, "filter_by": "Status.All"}
        rows = reader.all_rows(endpoint.name, **sort)

        assert len({row[endpoint.key] for row in rows}) == len(rows) == 450
        if column in {"total", "balance", "rate", "last_modified_time", "created_time", "date"}:
            values = [_sort_value(row, column) for row in rows]
            assert values == sorted(values, reverse=order == "D")


@pytest.mark.parametrize("resource", ["contacts", "invoices", "customer_payments", "credit_notes"])
def test_last_modified_time_is_accepted_as_a_sort(reader: Client, resource: str) -> None:
    context = reader.body(resource, sort_column="last_modified_time", sort_order="A")["page_context"]

    assert (context["sort_column"], context["sort_order"]) == ("last_modified_time", "A")


@pytest.mark.parametrize(
    ("resource", "query"),
    [
        pytest.param("expenses", {"sort_column": "last_modified_time"}, id="expenses-by-modification"),
        pytest.param("invoices", {"sort_column": "no_such_column"}, id="unknown-column"),
        pytest.param("invoices", {"sort_order": "ascending"}, id="unknown-order"),
    ],
)
def test_a_sort_that_is_not_accepted_is_code_2(reader: Client, resource: str, query: dict[str, Any]) -> None:
    assert _status_and_code(reader.get(resource, **query)) == (400, 2)


# --- filters


@pytest.mark.parametrize("resource", WITH_MODIFIED_FILTER)
def test_last_modified_time_returns_rows_at_or_after_it(reader: Client, resource: str) -> None:
    stamps = sorted(datetime.fromisoformat(row["last_modified_time"]) for row in reader.sandbox.rows(resource))
    since = stamps[300]

    read = reader.all_rows(
        resource, last_modified_time=since.strftime("%Y-%m-%dT%H:%M:%S%z"), filter_by="Status.All", per_page=40
    )

    assert len(read) == sum(stamp >= since for stamp in stamps)


def test_last_modified_time_compares_instants_not_texts(reader: Client) -> None:
    in_new_york = reader.all_rows("invoices", last_modified_time="2026-05-04T12:00:00-0400")
    in_kolkata = reader.all_rows("invoices", last_modified_time="2026-05-04T21:30:00+0530")

    assert 0 < len(in_new_york) < 450
    assert in_new_york == in_kolkata


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("2026-05-04T12:00:00Z", id="zulu"),
        pytest.param("2026-05-04T12:00:00+00:00", id="colon"),
        pytest.param("2026-05-04T12:00:00.000+0000", id="fraction"),
        pytest.param("2026-05-04 12:00:00+0000", id="space"),
        pytest.param("2026-05-04", id="date"),
        pytest.param("2026-13-04T12:00:00+0000", id="month-13"),
        pytest.param("", id="empty"),
    ],
)
def test_any_other_timestamp_format_is_code_2(reader: Client, text: str) -> None:
    assert _status_and_code(reader.get("invoices", last_modified_time=text)) == (400, 2)


def test_a_plus_sign_must_be_encoded(reader: Client) -> None:
    url = reader.sandbox.url("invoices") + "?last_modified_time=2026-05-04T12:00:00"

    assert _status_and_code(reader.get_url(url + "+0530")) == (400, 2)
    assert _status_and_code(reader.get_url(url + "%2B0530")) == (200, 0)


@pytest.mark.parametrize("resource", WITHOUT_MODIFIED_FILTER)
def test_last_modified_time_is_ignored_where_it_is_not_known(reader: Client, resource: str) -> None:
    assert len(reader.all_rows(resource, last_modified_time="2099", filter_by="Status.All")) == 450


@pytest.mark.parametrize("resource", ["invoices", "expenses", "customer_payments"])
def test_business_dates_filter_inclusively(reader: Client, resource: str) -> None:
    dates = sorted(row["date"] for row in reader.sandbox.rows(resource))
    first, last = dates[100], dates[300]

    read = reader.all_rows(resource, date_start=first, date_end=last)

    assert sorted(row["date"] for row in read) == [date for date in dates if first <= date <= last]


def test_business_dates_are_ignored_where_they_are_not_known(reader: Client) -> None:
    assert len(reader.all_rows("credit_notes", date_start="2099-01-01")) == 450


@pytest.mark.parametrize("text", ["2026-5-4", "04.05.2026", "20260504", "2026-02-30"])
def test_a_business_date_in_another_format_is_code_2(reader: Client, text: str) -> None:
    assert _status_and_code(reader.get("invoices", date_start=text)) == (400, 2)


@pytest.mark.parametrize(
    ("resource", "column", "shown"),
    [
        pytest.param("contacts", "contact_type", {"customer"}, id="contacts-shows-customers"),
        pytest.param("taxes", "is_inactive", {False}, id="taxes-shows-active-ones"),
    ],
)
def test_a_hidden_default_filter_is_lifted_by_status_all(
    reader: Client, resource: str, column: str, shown: set[Any]
) -> None:
    assert {row[column] for row in reader.all_rows(resource)} == shown
    assert len(reader.all_rows(resource, filter_by="Status.All")) == 450
    assert len({row[column] for row in reader.all_rows(resource, filter_by="Status.All")}) == 2


def test_an_unknown_filter_name_is_code_4(reader: Client) -> None:
    assert _status_and_code(reader.get("contacts", filter_by="Status.Nonsense")) == (400, 4)


def test_unknown_parameters_are_ignored(reader: Client) -> None:
    assert reader.rows("invoices", colour="blue", limit=3) == reader.rows("invoices")


# --- a tenth resource


def test_a_tenth_endpoint_is_one_row_with_sample_records() -> None:
    estimates = Endpoint(
        name="estimates",
        path="estimates",
        wrapper="estimates",
        key="estimate_id",
        default_sort=("created_time", "D"),
        records=(
            {"estimate_id": "1", "total": 1.5, "created_time": "2026-01-01T10:00:00-0500"},
            {"estimate_id": "2", "total": 2, "created_time": "2026-01-02T10:00:00-0500"},
        ),
    )

    with Sandbox(0, extra_endpoints=(estimates,)) as sandbox, Client(sandbox) as client:
        sandbox.insert("estimates", estimate_id="3")

        assert [row["estimate_id"] for row in client.rows("estimates")] == ["3", "2", "1"]
        assert sandbox.url("estimates").endswith("/invoice/v3/estimates")
