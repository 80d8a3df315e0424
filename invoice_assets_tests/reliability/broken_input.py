"""Lists as the catalog describes them, and broken in every way that a test could think of: strategies of Hypothesis.

What has to come of a load of one is the business of `test_broken_input.py`. https://hypothesis.readthedocs.io
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

from invoice_assets.catalog import RESOURCES
from invoice_assets.resource_spec import Column, DataType, ResourceSpec

JsonText = str
Fields = dict[str, JsonText]

SOUND: Mapping[DataType, st.SearchStrategy[JsonText]] = {
    "text": st.text(st.characters(exclude_categories=["Cs"]), max_size=8).map(json.dumps),
    "decimal": st.decimals(-(10**9), 10**9, places=2).map(str),
    "bigint": st.integers(-(2**63), 2**63 - 1).map(str),
    "bool": st.sampled_from(["true", "false"]),
    "date": st.dates().map(lambda day: f'"{day.isoformat()}"'),
    "timestamp": st.datetimes().map(lambda moment: f'"{moment.isoformat(timespec="seconds")}-0330"'),
    "json": st.sampled_from(["[]", "{}", '[{"a": 1.50}]', '{"a": {"b": ["c"]}}']),
}
ODD_VALUES = [
    *("null", '""', '" "', "true", "[]", "{}", "[null]", '{"": []}', "0", "-0", "-0.0", "1.50", "1e5"),
    *("9" * 40, "1e400", "-1e-400", "NaN", "Infinity", "01", "0x1", "9" * 5000, "1." + "0" * 400),
    *(r'"\u0000"', r'"\ud800"', r'"\udc00\ud800"', r'"\u202e\"\\"', '"x', '"' + "x" * 100_000 + '"'),
    *('"0000-00-00"', '"0000-01-01"', '"9999-12-31"', '"2026-02-30"', '"9999-12-31T23:59:59-1200"', '"yesterday"'),
    *('"2026-06-09T09:46:21+9999"', '"2026-06-09T09:46:21+0545"', '"2026-06-09T09:46:21"'),
    *("[" * 300 + "]" * 300, "[" * 900 + "]" * 900, "[" * 5_000, '{"a":' * 200 + "1" + "}" * 200),
]
ODD_NAMES = [
    *("", " ", "\0", "名前", "_dlt_id", "_dlt_load_id", "deleted_at", "ctid", "select", 'a"; DROP TABLE x; --'),
    *("cf_Area", "cf_area", "cf area", "a__b", "x" * 300, "last_modified_time", "LAST_MODIFIED_TIME", "\u200b"),
]


@dataclass(frozen=True)
class SentList:
    """The one page of a resource's list as it goes over the wire."""

    spec: ResourceSpec
    body: bytes


def sound_values(column: Column) -> st.SearchStrategy[JsonText]:
    """Values that the column can hold; one that may be missing is `""` now and then."""
    sound = SOUND[column.data_type]
    return st.one_of(sound, st.just('""')) if column.empty_is_null else sound


@st.composite
def sound_rows(draw: st.DrawFn, spec: ResourceSpec) -> list[Fields]:
    """Rows with a key of their own and all columns."""
    rows = []
    for position in range(draw(st.integers(0, 3))):
        row = {column.name: draw(sound_values(column)) for column in spec.columns}
        rows.append(row | {spec.primary_key: f'"{4815_000_000_000_000_000 + position}"'})
    return rows


@st.composite
def broken_rows(draw: st.DrawFn, spec: ResourceSpec) -> list[Fields]:
    """Sound rows to which up to three things have happened."""
    rows = draw(sound_rows(spec))
    for _ in range(draw(st.integers(0, 3)) if rows else 0):
        row = draw(st.sampled_from(rows))
        name = draw(st.one_of(st.sampled_from(list(row)), st.sampled_from(ODD_NAMES)))
        if draw(st.booleans()):
            row[name] = draw(st.sampled_from(ODD_VALUES))
        else:
            row.pop(name, None)
    return rows


ENVELOPES: list[Callable[[str, str], str]] = [
    lambda wrapper, rows: f'{{"code": 0, "{wrapper}": [{rows}], "page_context": {{"has_more_page": false}}}}',
    lambda wrapper, rows: f'\ufeff{{"code": "0", "{wrapper}": [{rows}]}}',
    lambda wrapper, rows: f'{{"code": 0, "{wrapper}": [{rows}'[:-1],
    lambda wrapper, rows: f'{{"code": 0, "{wrapper}": [{rows or "7"}, null]}}',
    lambda wrapper, rows: f'{{"code": 0, "{wrapper}": {{"rows": [{rows}]}}}}',
    lambda wrapper, rows: f'{{"code": "²", "{wrapper}": [{rows}]}}',
    lambda wrapper, rows: f'{{"code": 0, "{wrapper}": [{rows}], "page_context": {{"page": {"9" * 300}}}}}',
    lambda wrapper, rows: f'{{"code": 0, "{wrapper}": [{rows}], "page_context": ["a"], "message": {{}}}}',
    lambda _, rows: f"[{rows}]",
]


@st.composite
def sent_lists(draw: st.DrawFn) -> SentList:
    """A list of some resource: its rows broken or sound, and half of the time in an envelope that is broken."""
    spec = draw(st.sampled_from(list(RESOURCES.values())))
    rows = [_write(row) for row in draw(broken_rows(spec))]
    envelope = ENVELOPES[0] if draw(st.booleans()) else draw(st.sampled_from(ENVELOPES))
    return SentList(spec, envelope(spec.data_selector, ", ".join(rows)).encode())


def read_rows(sent: SentList) -> list[dict[str, Any]]:
    """The rows as Python's own parser reads them; numbers with a fraction are exact Decimals."""
    rows: list[dict[str, Any]] = json.loads(sent.body.decode("utf-8-sig"), parse_float=Decimal)[sent.spec.data_selector]
    return rows


def _write(fields: Fields) -> str:
    return "{" + ", ".join(f"{json.dumps(name)}: {value}" for name, value in fields.items()) + "}"
