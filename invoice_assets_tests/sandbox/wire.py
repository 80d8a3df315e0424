"""JSON exactly as it goes over the wire: decimals keep their digits, text stays UTF-8.

Rows are stored as the text that is served, so there is one rendering and no second opinion. What the rows contain is in
the `rows_*` modules.
https://docs.python.org/3/library/json.html
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from json.encoder import encode_basestring
from typing import Any

Row = dict[str, Any]


def quote(text: str) -> str:
    """Return `text` as a JSON string, quotes included."""
    return encode_basestring(text)


def render_decimal(value: Decimal) -> str:
    """Return a JSON number with the digits that the Decimal was written with, and never an exponent."""
    return format(value, "f")


def render_cents(cents: int) -> str:
    """Return an amount of cents as a JSON number with two decimals: 2499500 becomes 24995.00."""
    sign = "-" if cents < 0 else ""
    whole, fraction = divmod(abs(cents), 100)
    return f"{sign}{whole}.{fraction:02d}"


def encode(value: object) -> str:
    """Return any JSON value as compact text; a Decimal becomes a number with its own digits."""
    if isinstance(value, Decimal):
        return render_decimal(value)
    if isinstance(value, str):
        return quote(value)
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{quote(str(key))}:{encode(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(encode, value)) + "]"
    return json.dumps(value)


def decode_row(text: str) -> Row:
    """Return a stored row as a dict in which every number with a fraction is an exact Decimal."""
    row: Row = json.loads(text, parse_float=Decimal)
    return row
