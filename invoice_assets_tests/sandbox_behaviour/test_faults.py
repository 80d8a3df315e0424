"""Every scripted fault, as a client sees it."""

from __future__ import annotations

import time

import pytest
import requests

from invoice_assets_tests.sandbox.faults import FAULTS
from invoice_assets_tests.sandbox_behaviour.client import Client
from invoice_assets_tests.sandbox_behaviour.conftest import OpenSandbox

REFUSALS = {
    "unauthorized_14": (401, 14),
    "dead_token_57": (401, 57),
    "invalid_value_2": (400, 2),
    "invalid_value_4": (400, 4),
    "wrong_organization_6041": (400, 6041),
    "missing_organization_9017": (400, 9017),
    "invalid_url_5": (404, 5),
    "too_many_requests_44": (429, 44),
    "blocked_43": (429, 43),
    "daily_quota_45": (429, 45),
    "too_many_in_flight_1070": (429, 1070),
    "internal_error_1000": (500, 1000),
}


def _pages(client: Client) -> list[list[str]]:
    return [[row["item_id"] for row in client.rows("items", per_page=4, page=page)] for page in (1, 2, 3)]


@pytest.mark.parametrize(("name", "expected"), REFUSALS.items(), ids=REFUSALS.keys())
def test_a_refusal_has_its_status_and_its_code(open_sandbox: OpenSandbox, name: str, expected: tuple[int, int]) -> None:
    client = open_sandbox()
    client.sandbox.script(name)

    answer = client.get("items")

    assert (answer.status_code, answer.json()["code"]) == expected
    assert set(answer.json()) == {"code", "message"}
    assert answer.headers.get("Retry-After") == ("3600" if name == "blocked_43" else None)


@pytest.mark.parametrize(
    ("name", "status"), [("bad_gateway_502", 502), ("unavailable_503", 503), ("gateway_timeout_504", 504)]
)
def test_a_gateway_answers_with_html(open_sandbox: OpenSandbox, name: str, status: int) -> None:
    client = open_sandbox()
    client.sandbox.script(name)

    answer = client.get("items")

    assert answer.status_code == status
    assert answer.headers["Content-Type"].startswith("text/html")


@pytest.mark.parametrize("name", ["too_many_requests_44", "unavailable_503", "blocked_43"])
def test_retry_after_can_be_set(open_sandbox: OpenSandbox, name: str) -> None:
    client = open_sandbox()
    client.sandbox.script(name, retry_after=2)

    assert client.get("items").headers["Retry-After"] == "2"


def test_code_in_200_is_an_error_under_a_good_status(open_sandbox: OpenSandbox) -> None:
    client = open_sandbox()
    client.sandbox.script("code_in_200", code=57)

    answer = client.get("items")

    assert (answer.status_code, answer.json()["code"], answer.json()["items"]) == (200, 57, [])


def test_missing_wrapper_key_leaves_the_list_out(open_sandbox: OpenSandbox) -> None:
    client = open_sandbox()
    client.sandbox.script("missing_wrapper_key")

    assert set(client.get("items").json()) == {"code", "message", "page_context"}


def test_wrapper_is_not_a_list(open_sandbox: OpenSandbox) -> None:
    client = open_sandbox()
    client.sandbox.script("wrapper_is_not_a_list")

    assert isinstance(client.get("items").json()["items"], dict)


def test_html_instead_of_json_has_a_good_status(open_sandbox: OpenSandbox) -> None:
    client = open_sandbox()
    client.sandbox.script("html_instead_of_json")

    assert client.get("items").status_code == 200
    assert client.get("items").text.startswith("<html>")


def test_truncated_json_is_a_whole_answer_with_half_a_body(open_sandbox: OpenSandbox) -> None:
    client = open_sandbox()
    client.sandbox.script("truncated_json")

    answer = client.get("items")

    assert len(answer.content) == int(answer.headers["Content-Length"])
    with pytest.raises(requests.JSONDecodeError):
        answer.json()


def test_connection_dropped_answers_nothing(open_sandbox: OpenSandbox) -> None:
    client = open_sandbox()
    client.sandbox.script("connection_dropped", times=1)

    with pytest.raises(requests.ConnectionError):
        client.get("items")
    assert client.get("items").status_code == 200
    assert [entry.status for entry in client.sandbox.ledger.requests("items")] == [0, 200]


def test_reset_in_mid_body_breaks_off_after_a_good_status(open_sandbox: OpenSandbox) -> None:
    client = open_sandbox(200)
    client.sandbox.script("reset_in_mid_body")

    with pytest.raises((requests.exceptions.ChunkedEncodingError, requests.ConnectionError)):
        client.get("invoices")
    assert client.sandbox.ledger.requests("invoices")[0].status == 200


def test_slow_drip_is_the_right_answer_late(open_sandbox: OpenSandbox) -> None:
    client = open_sandbox()
    good = client.get("items").content
    client.sandbox.script("slow_drip", seconds=0.2)
    started = time.monotonic()

    assert client.get("items").content == good
    assert time.monotonic() - started >= 0.19


def test_hang_says_nothing_and_then_the_right_thing(open_sandbox: OpenSandbox) -> None:
    client = open_sandbox()
    client.sandbox.script("hang", seconds=60, times=1)
    client.sandbox.script("hang", seconds=0.2, times=1)

    with pytest.raises(requests.ReadTimeout):
        client.get("items", timeout_s=0.05)
    assert client.get("items").status_code == 200


def test_a_sandbox_with_a_hanging_request_stops_at_once(open_sandbox: OpenSandbox) -> None:
    client = open_sandbox()
    client.sandbox.script("hang", seconds=60)
    with pytest.raises(requests.ReadTimeout):
        client.get("items", timeout_s=0.05)


def test_redirect_to_other_host_names_another_host(open_sandbox: OpenSandbox) -> None:
    client = open_sandbox()
    client.sandbox.script("redirect_to_other_host")

    answer = client.get("items", page=1)

    assert answer.status_code == 302
    assert answer.headers["Location"] == client.sandbox.url("items").replace("127.0.0.1", "localhost") + "?page=1"


def test_redirect_to_other_host_can_name_a_place(open_sandbox: OpenSandbox) -> None:
    client = open_sandbox()
    client.sandbox.script("redirect_to_other_host", location="https://elsewhere.example/")

    assert client.get("items").headers["Location"] == "https://elsewhere.example/"


def test_wrong_page_echoed(open_sandbox: OpenSandbox) -> None:
    client = open_sandbox()
    client.sandbox.script("wrong_page_echoed", page=2)

    assert [client.body("items", page=page)["page_context"]["page"] for page in (1, 2)] == [1, 3]


def test_endless_pages_always_have_more(open_sandbox: OpenSandbox) -> None:
    client = open_sandbox()
    client.sandbox.script("endless_pages")

    assert client.body("items", page=99)["page_context"]["has_more_page"] is True


def test_repeated_page_has_the_rows_of_the_page_before_and_its_own_number(open_sandbox: OpenSandbox) -> None:
    client = open_sandbox()
    first, second, _ = _pages(client)
    client.sandbox.script("repeated_page")

    assert _pages(client) == [first, first, second]
    assert client.body("items", per_page=4, page=2)["page_context"]["page"] == 2


def test_ignored_page_is_always_page_1(open_sandbox: OpenSandbox) -> None:
    client = open_sandbox()
    first = _pages(client)[0]
    client.sandbox.script("ignored_page")

    assert _pages(client) == [first] * 3
    assert client.body("items", per_page=4, page=3)["page_context"]["page"] == 1


def test_ignored_sort_shows_and_echoes_the_default(open_sandbox: OpenSandbox) -> None:
    client = open_sandbox()
    default = client.rows("invoices")
    client.sandbox.script("ignored_sort")

    body = client.body("invoices", sort_column="last_modified_time", sort_order="A")

    assert body["invoices"] == default
    assert (body["page_context"]["sort_column"], body["page_context"]["sort_order"]) == ("created_time", "D")


def test_missing_page_context(open_sandbox: OpenSandbox) -> None:
    client = open_sandbox()
    client.sandbox.script("missing_page_context")

    assert set(client.body("users")) == {"code", "message", "users"}


def test_duplicated_row_comes_twice(open_sandbox: OpenSandbox) -> None:
    client = open_sandbox()
    client.sandbox.script("duplicated_row")

    keys = [row["item_id"] for row in client.rows("items")]

    assert (len(keys), len(set(keys)), keys[-1]) == (11, 10, keys[0])


# --- token faults


@pytest.mark.parametrize(
    ("name", "status", "body"),
    [
        ("token_invalid_code", 200, {"error": "invalid_code"}),
        ("token_invalid_client", 200, {"error": "invalid_client"}),
        ("token_internal_error_500", 500, {"error": "internal_error"}),
    ],
)
def test_a_token_fault_replaces_the_answer(
    open_sandbox: OpenSandbox, name: str, status: int, body: dict[str, str]
) -> None:
    client = open_sandbox(0)
    client.sandbox.script(name, times=1)

    answer = client.request_token()

    assert (answer.status_code, answer.json()) == (status, body)
    assert client.sandbox.tokens_issued == 0
    assert "access_token" in client.request_token().json()


def test_token_throttled_is_access_denied(open_sandbox: OpenSandbox) -> None:
    client = open_sandbox(0)
    client.sandbox.script("token_throttled")

    answer = client.request_token()

    assert (answer.status_code, answer.json()["error"]) == (400, "Access Denied")


def test_token_html_has_a_good_status(open_sandbox: OpenSandbox) -> None:
    client = open_sandbox(0)
    client.sandbox.script("token_html")

    assert client.request_token().text.startswith("<html>")


@pytest.mark.parametrize(
    ("name", "absent"),
    [("token_without_access_token", "access_token"), ("token_expires_in_absent", "expires_in")],
)
def test_a_token_fault_leaves_a_key_out(open_sandbox: OpenSandbox, name: str, absent: str) -> None:
    client = open_sandbox(0)
    whole = set(client.request_token().json())
    client.sandbox.script(name)

    assert whole - set(client.request_token().json()) == {absent}


def test_token_connection_dropped(open_sandbox: OpenSandbox) -> None:
    client = open_sandbox(0)
    client.sandbox.script("token_connection_dropped")

    with pytest.raises(requests.ConnectionError):
        client.request_token()


# --- scripting


def test_a_fault_strikes_only_its_resource_and_page(open_sandbox: OpenSandbox) -> None:
    client = open_sandbox()
    client.sandbox.script("internal_error_1000", resource="invoices", page=2)

    asked = [("items", 2), ("invoices", 1), ("invoices", 2), ("invoices", 2)]

    assert [client.get(name, page=page).status_code for name, page in asked] == [200, 200, 500, 500]


def test_times_and_after_count_matching_requests(open_sandbox: OpenSandbox) -> None:
    client = open_sandbox()
    client.sandbox.script("internal_error_1000", times=2, after=1)

    assert [client.get("items").status_code for _ in range(5)] == [200, 500, 500, 200, 200]


def test_scripts_strike_in_the_order_in_which_they_were_added(open_sandbox: OpenSandbox) -> None:
    client = open_sandbox()
    client.sandbox.script("unavailable_503", times=1)
    client.sandbox.script("internal_error_1000", times=1)

    assert [client.get("items").status_code for _ in range(3)] == [503, 500, 200]


def test_a_refused_request_does_not_use_a_fault_up(open_sandbox: OpenSandbox) -> None:
    client = open_sandbox()
    client.sandbox.script("internal_error_1000", times=1)
    client.get("items", headers={"Authorization": "Bearer dead"})

    assert client.get("items").status_code == 500


def test_cleared_faults_strike_no_more(open_sandbox: OpenSandbox) -> None:
    client = open_sandbox()
    client.sandbox.script("internal_error_1000", times=3)
    client.get("items")

    left = client.sandbox.clear_faults()

    assert (left, client.get("items").status_code) == (2, 200)


def test_an_unknown_fault_is_refused_with_the_names_that_exist(open_sandbox: OpenSandbox) -> None:
    with pytest.raises(ValueError, match="hang"):
        open_sandbox(0).sandbox.script("gremlins")


def test_a_token_fault_takes_no_page(open_sandbox: OpenSandbox) -> None:
    with pytest.raises(ValueError, match="no page"):
        open_sandbox(0).sandbox.script("token_html", page=2)


@pytest.mark.parametrize("name", FAULTS)
def test_every_fault_is_described(name: str) -> None:
    assert FAULTS[name].description
