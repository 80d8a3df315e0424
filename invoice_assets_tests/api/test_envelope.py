"""`api/envelope.py`: what an answer's body says, to the last digit, and when it is no answer at all."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from invoice_assets.api.envelope import Page, WireNumber, decode_envelope, read_page
from invoice_assets.api.errors import InvalidResponseError, PermissionDeniedError, QuotaExceededError
from invoice_assets.api.session import ApiSession
from invoice_assets.errors import InvoicingError, PermanentError, TransientError
from invoice_assets_tests.sandbox.server import Sandbox

ASKED = "GET /invoice/v3/items, page 2,"


def _read(envelope: dict[str, Any]) -> Page:
    return read_page(envelope, wrapper="items", request=ASKED)


def _full_page() -> list[dict[str, Any]]:
    return [{"item_id": str(number)} for number in range(200)]


def test_a_page_of_the_api_is_read_as_it_stands(sandbox: Sandbox, session: ApiSession) -> None:
    answer = session.get(sandbox.url("items"), params={"per_page": 2, "page": 1}).json()

    page = _read(answer)

    assert [row["item_id"] for row in page.rows] == [row["item_id"] for row in answer["items"]]
    assert (len(page.rows), page.has_more_page, page.number) == (2, True, 1)
    assert (page.sort_column, page.sort_order) == ("name", "A")


def test_the_last_page_has_no_more_pages(sandbox: Sandbox, session: ApiSession) -> None:
    page = _read(session.get(sandbox.url("items"), params={"per_page": 2, "page": 2}).json())

    assert (len(page.rows), page.has_more_page) == (1, False)


def test_an_empty_list_is_a_page_without_rows() -> None:
    page = _read({"code": 0, "items": [], "page_context": {"page": 1, "has_more_page": False}})

    assert (page.rows, page.has_more_page) == ([], False)


@pytest.mark.parametrize("wire", ["24995.00", "0.10", "-0.0", "1e5", "1E+400", "0.1000000000000000055511151231257827"])
def test_a_number_with_a_fraction_keeps_its_characters(wire: str) -> None:
    amount = decode_envelope(f'{{"total":{wire}}}'.encode(), request=ASKED)["total"]

    assert (type(amount), str(amount)) == (WireNumber, wire)


def test_an_amount_of_the_api_keeps_its_trailing_zeros(sandbox: Sandbox, session: ApiSession) -> None:
    key = next(sandbox.rows("invoices"))["invoice_id"]
    sandbox.set_silently("invoices", key, total=Decimal("24995.00"))

    rows = session.get(sandbox.url("invoices")).json()["invoices"]

    assert [str(row["total"]) for row in rows if row["invoice_id"] == key] == ["24995.00"]


@pytest.mark.parametrize(
    "number",
    [
        pytest.param(2**53 + 1, id="beyond-a-double"),
        pytest.param(2**64 + 1, id="beyond-64-bits"),
        pytest.param(-(2**64) - 1, id="negative-beyond-64-bits"),
        pytest.param(10**40, id="forty-digits"),
    ],
)
def test_a_whole_number_of_any_size_is_exact(number: int) -> None:
    assert decode_envelope(f'{{"n":{number}}}'.encode(), request=ASKED) == {"n": number}


def test_a_string_of_digits_is_no_wire_number() -> None:
    value = decode_envelope(b'{"item_id":"24995.00"}', request=ASKED)["item_id"]

    assert type(value) is str


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"<html>Sign in</html>", id="html"),
        pytest.param(b'{"items":[{"item_id":"1"', id="cut-off"),
        pytest.param(b'{"a":NaN}', id="not-a-number"),
        pytest.param(b'{"a":"\xff"}', id="no-utf8"),
        pytest.param(b"[" * 100_000, id="nested-without-end"),
    ],
)
def test_a_body_that_is_no_json_is_an_invalid_response(body: bytes) -> None:
    with pytest.raises(InvalidResponseError, match=f"^{ASKED} answered {len(body)} bytes that are no JSON"):
        decode_envelope(body, request=ASKED)


@pytest.mark.parametrize("body", [b"[]", b"null", b'"items"', b"0"])
def test_json_that_is_no_object_is_an_invalid_response(body: bytes) -> None:
    with pytest.raises(InvalidResponseError, match=f"^{ASKED} answered JSON that is no object"):
        decode_envelope(body, request=ASKED)


def test_an_invalid_body_is_not_quoted() -> None:
    """A page that is no JSON may show anything, a customer's data included."""
    with pytest.raises(InvalidResponseError) as raised:
        decode_envelope(b"<html>planted-customer</html>", request=ASKED)

    assert "planted-customer" not in f"{raised.value} {raised.value!r}"


@pytest.mark.parametrize(
    ("fault", "complaint"),
    [
        pytest.param("missing_wrapper_key", "without a list of rows under 'items'", id="missing-wrapper"),
        pytest.param("wrapper_is_not_a_list", "without a list of rows under 'items'", id="wrapper-is-an-object"),
        pytest.param("html_instead_of_json", "are no JSON", id="html"),
        pytest.param("truncated_json", "are no JSON", id="truncated"),
    ],
)
def test_a_broken_answer_in_a_200_is_an_error_and_never_zero_rows(
    sandbox: Sandbox, session: ApiSession, fault: str, complaint: str
) -> None:
    sandbox.script(fault)

    with pytest.raises(InvalidResponseError, match=complaint) as raised:
        _read(session.get(sandbox.url("items")).json())

    assert raised.value.transient


@pytest.mark.parametrize("code", [0, "0", None], ids=["number", "string", "null"])
def test_no_code_is_success_however_it_is_written(code: object) -> None:
    assert _read({"code": code, "items": []}).rows == []


@pytest.mark.parametrize(
    ("fault", "attempts"),
    [
        pytest.param("truncated_json", 4, id="half an answer"),
        pytest.param("html_instead_of_json", 1, id="another answer"),
    ],
)
def test_only_an_answer_that_breaks_off_is_asked_for_again(
    sandbox: Sandbox, session: ApiSession, fault: str, attempts: int
) -> None:
    sandbox.script(fault)

    with pytest.raises(InvalidResponseError):
        session.get(sandbox.url("items"))

    assert len(sandbox.ledger.requests("items")) == attempts


@pytest.mark.parametrize(
    "rows",
    [
        pytest.param(None, id="null"),
        pytest.param({"item_id": "1"}, id="an-object"),
        pytest.param("", id="a-string"),
    ],
)
def test_what_is_no_list_is_no_page(rows: object) -> None:
    with pytest.raises(InvalidResponseError, match="check INVOICE_API_BASE_URL, then run again"):
        _read({"code": 0, "items": rows})


@pytest.mark.parametrize("row", [None, ["1"], "1", 1], ids=["null", "list", "string", "number"])
def test_a_row_that_is_no_object_is_never_left_out(row: object) -> None:
    with pytest.raises(InvalidResponseError, match=f"^{ASKED} answered with a row under 'items' that is no object"):
        _read({"code": 0, "items": [{"item_id": "1"}, row]})


def test_a_byte_order_mark_is_no_part_of_the_body() -> None:
    """RFC 8259, section 8.1: a parser may pass over one; servers on Windows send it."""
    assert decode_envelope(b"\xef\xbb\xbf" + b'{"code":0}', request=ASKED) == {"code": 0}


def test_of_a_key_that_comes_twice_the_last_value_counts() -> None:
    """As in JavaScript and in Python's own parser; to notice would take as long as decoding does."""
    assert decode_envelope(b'{"total":1,"total":2}', request=ASKED) == {"total": 2}


@pytest.mark.parametrize("number", ["²", "9" * 5000, 10**4000], ids=["superscript", "digits", "integer"])
def test_a_code_or_page_that_no_integer_holds_is_none(number: object) -> None:
    """`int()` raises on the first two, and writing the third out."""
    assert _read({"items": [], "page_context": {"page": number}}).number is None
    with pytest.raises(InvoicingError, match="answered 200"):
        _read({"code": number, "items": []})


def test_a_message_that_is_no_text_is_not_quoted() -> None:
    with pytest.raises(InvoicingError, match=r"answered 200 \(code 1000\)"):
        _read({"code": 1000, "message": {"customer": "planted"}})


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        pytest.param(57, PermissionDeniedError, id="permission"),
        pytest.param(43, QuotaExceededError, id="blocked"),
        pytest.param(1000, TransientError, id="internal-error"),
        pytest.param(6041, PermanentError, id="wrong-organisation"),
    ],
)
def test_a_code_inside_a_200_is_the_error_that_it_stands_for(
    sandbox: Sandbox, session: ApiSession, code: int, expected: type[InvoicingError]
) -> None:
    sandbox.script("code_in_200", code=code)
    response = session.get(sandbox.url("items"))

    with pytest.raises(expected, match=rf"^{ASKED} answered 200 .*\(code {code}\)"):
        _read(response.json())


@pytest.mark.parametrize("code", ["57", 1.5, [], {}], ids=["string", "fraction", "list", "object"])
def test_a_code_that_is_no_integer_is_no_success(code: object) -> None:
    with pytest.raises(InvoicingError, match=r"answered 200"):
        _read({"code": code, "items": []})


@pytest.mark.parametrize("message", ["success", "The items have been listed.", ""])
def test_the_text_of_the_message_does_not_matter(message: str) -> None:
    assert _read({"code": 0, "message": message, "items": []}).rows == []


@pytest.mark.parametrize(
    "context",
    [
        pytest.param({}, id="missing"),
        pytest.param({"page_context": None}, id="null"),
        pytest.param({"page_context": []}, id="a-list"),
        pytest.param({"page_context": {"page": 1}}, id="without-has-more-page"),
        pytest.param({"page_context": {"has_more_page": "true"}}, id="has-more-page-as-a-string"),
    ],
)
def test_where_the_context_does_not_say_a_full_page_means_more(context: dict[str, Any]) -> None:
    assert _read({"code": 0, "items": _full_page(), **context}).has_more_page
    assert not _read({"code": 0, "items": _full_page()[:199], **context}).has_more_page


def test_a_full_page_that_says_it_is_the_last_is_the_last() -> None:
    assert not _read({"code": 0, "items": _full_page(), "page_context": {"has_more_page": False}}).has_more_page


def test_a_page_without_context_says_nothing_about_number_and_sort(sandbox: Sandbox, session: ApiSession) -> None:
    sandbox.script("missing_page_context")

    page = _read(session.get(sandbox.url("items")).json())

    assert (len(page.rows), page.has_more_page) == (3, False)
    assert (page.number, page.sort_column, page.sort_order) == (None, None, None)
