"""The envelope around every answer: decoded without losing a digit, checked, and read as a page of rows.

Walking from page to page is the business of `ingest/paging.py`, types that of `ingest/typing.py`. docs/api.md,
"Envelope".
"""

from codecs import BOM_UTF8
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from invoice_assets.api.errors import InvalidResponseError, error_from_answer

PAGE_SIZE = 200
"""Rows a page, the most that the API gives (docs/api.md, "Pagination")."""

Row = dict[str, Any]
Envelope = dict[str, Any]


class WireNumber(str):
    """A JSON number with a fraction or an exponent, as the very characters that came over the wire."""

    __slots__ = ()


@dataclass(frozen=True, kw_only=True)
class Page:
    """The rows of one answer, and what its `page_context` says; None where it says nothing.

    Numbers with a fraction are `WireNumber`, whole ones `int` of any size.
    """

    rows: list[Row]
    has_more_page: bool
    number: int | None = None
    sort_column: str | None = None
    sort_order: str | None = None


_decoder = msgspec.json.Decoder(float_hook=WireNumber)


def decode_envelope(body: bytes, *, request: str) -> Envelope:
    """The JSON object in an answer's body; `request` names the request in errors.

    Raises:
        InvalidResponseError: The body is no JSON object.
    """
    try:
        envelope = _decoder.decode(body.removeprefix(BOM_UTF8))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        # The decoder's own message gives a position, never content.
        found = "a web page" if body.lstrip().startswith(b"<") else error
        raise InvalidResponseError(
            f"{request} answered {len(body)} bytes that are no JSON ({found}). If that stays so, check "
            "INVOICE_API_BASE_URL; a later run can succeed."
        ) from None
    if not isinstance(envelope, dict):
        raise InvalidResponseError(f"{request} answered JSON that is no object. A later run can succeed.")
    return envelope


def read_page(envelope: Envelope, *, wrapper: str, request: str) -> Page:
    """The page of rows in the envelope of a 200.

    An answer without `page_context` (users, docs/api.md) has more pages as long as they are full.

    Raises:
        InvoicingError: A non-zero `code` came inside the 200.
        InvalidResponseError: There is no list of rows under `wrapper`: never read as "no rows".
    """
    code = envelope.get("code")
    if code not in (None, 0, "0"):
        message = _text(envelope.get("message")) or ""
        raise error_from_answer(request, status=200, code=_integer(code), message=message)
    rows = envelope.get(wrapper)
    if not isinstance(rows, list):
        raise InvalidResponseError(
            f"{request} answered 200 without a list of rows under {wrapper!r}. An outdated host answers so; "
            "check INVOICE_API_BASE_URL, then run again."
        )
    if not all(isinstance(row, dict) for row in rows):
        raise InvalidResponseError(
            f"{request} answered with a row under {wrapper!r} that is no object. A later run can succeed; report it to "
            "the API's vendor where it does not."
        )
    context = envelope.get("page_context")
    if not isinstance(context, dict):
        return Page(rows=rows, has_more_page=len(rows) >= PAGE_SIZE)
    return Page(
        rows=rows,
        has_more_page=_has_more_page(context, rows),
        number=_integer(context.get("page")),
        sort_column=_text(context.get("sort_column")),
        sort_order=_text(context.get("sort_order")),
    )


def _has_more_page(context: Mapping[str, Any], rows: list[Row]) -> bool:
    has_more_page = context.get("has_more_page")
    return has_more_page if isinstance(has_more_page, bool) else len(rows) >= PAGE_SIZE


def _integer(value: object) -> int | None:
    """The number; None for what is none, or has more digits than any that the API counts with."""
    return int(value) if isinstance(value, int | str) and (text := str(value)).isdecimal() and len(text) < 20 else None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None
