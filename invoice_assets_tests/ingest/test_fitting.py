"""`ingest/fitting.py`: odd bodies over HTTP into each warehouse, where they are stored exactly or refused in words."""

import json
from decimal import Decimal

import pyarrow as pa
import pytest
from dlt.pipeline.pipeline import Pipeline

from invoice_assets.api.envelope import Row
from invoice_assets.ingest.fitting import POSTGRES_COLUMNS, refuse_misfits
from invoice_assets.ingest.paging import ScanReport
from invoice_assets.ingest.source import RowBatcher, build_load_source, build_source
from invoice_assets.ingest.typing import InvalidValueError, build_table, name_new_columns
from invoice_assets.resource_spec import boolean, date, integer, money, rate, text, timestamp
from invoice_assets.resource_spec import json as json_column
from invoice_assets_tests.conftest import Answer, AnsweringServer, OpenSession
from invoice_assets_tests.ingest.stored import build_things, destination_of
from invoice_assets_tests.wire_values import find_differences

ODD = build_things(
    text("text", "Text"),
    json_column("nested", "Nested"),
    date("day", "Day"),
    timestamp("instant", "Instant"),
    money("money", "Money"),
    rate("rate", "Rate"),
    integer("whole", "Whole number"),
    boolean("truth", "Truth"),
)
"""A resource with a column of every type."""

STORED = {
    "quotes": r"""{"text": "\"'`\\ \\N NULL , ; -- \t\r\n $$ {} %s"}""",
    "right to left": r'{"text": "\u202eabc \u05d0\u05d1 \ud83d\ude00 e\u0301"}',
    "ten megabytes": '{"text": "' + "x" * 10_000_000 + '"}',
    "numbers as text": '{"text": 1.10}',
    "forty digits as text": '{"text": ' + "9" * 40 + "}",
    "beyond a double as text": '{"text": 1e400}',
    "below a double as text": '{"text": 1e-400}',
    "a list as text": '{"text": [{"a": [1.50]}]}',
    "numbers in JSON": '{"nested": [1e400, 1e-400, -0.0, 1.50, ' + "9" * 40 + "]}",
    "a list where an object was": '{"nested": [[], {}, ""]}',
    "the text of an escape": r'{"nested": {"a": "\\u0000"}}',
    "nested deeply": '{"nested": ' + '{"a":[' * 200 + "]}" * 200 + ', "cf_deep": ' + "[" * 400 + "]" * 400 + "}",
    "the first day": '{"day": "0001-01-01", "instant": "0001-01-01T00:00:00+0000"}',
    "the last day": '{"day": "9999-12-31", "instant": "9999-12-31T23:59:59+0000"}',
    "odd offsets": '{"instant": "2026-06-09T09:46:21+0545"}',
    "an offset of a day": '{"instant": "2026-06-09T09:46:21-2359"}',
    "the largest numbers": '{"money": -9999999999999999999999.999999, "rate": 99999999999999999999.999999999999999999}',
    "nothing below zero": '{"money": -0, "rate": -0.0, "whole": -0}',
    "the largest integers": '{"whole": 9223372036854775807, "truth": true}',
    "the smallest integer": '{"whole": -9223372036854775808, "truth": false}',
    "SQL as a name": '{"a\\"; DROP TABLE things; --": "b", "select": "c", "from": "d", "order by 1": "e"}',
    "names of nothing": '{"": "a", " ": "b", "\\n": "c", "\\u0000": "d", "\\u200b": "e", "名前": "f", "__": "g"}',
    "a name of 300 characters": '{"' + "x" * 299 + 'a": "1", "' + "x" * 299 + 'b": "2"}',
    "names of dlt's": '{"_dlt_id": "a", "_dlt_load_id": "b", "_DLT_ID": "c", "cf__v_text": "d"}',
    "names of the database's": '{"ctid": "a", "xmin": "b", "tableoid": "c", "oid": "d", "rowid": "e", "user": "f"}',
    "names that normalise to one": '{"cf_Area": "a", "cf_area": "b", "cf area": "c", "deleted_at": "d", "Text": "e"}',
}
"""Fields of a row that every warehouse stores as they are."""


EVERYWHERE = pytest.mark.parametrize("pipeline", ["duckdb", "postgres", "delta"], indirect=True)


def answer_with(*rows: str) -> Answer:
    """A list's only page, of rows that are JSON text; each gets its position as its key."""
    keyed = [f'{{"thing_id": "{position}", {row.strip()[1:]}' for position, row in enumerate(rows)]
    context = '{"page": 1, "has_more_page": false}'
    return Answer(200, f'{{"code": 0, "things": [{",".join(keyed)}], "page_context": {context}}}'.encode())


@pytest.fixture
def load(pipeline: Pipeline, answering_server: AnsweringServer, open_session: OpenSession) -> "Loads":
    return Loads(pipeline, answering_server, open_session)


class Loads:
    """Loads of what a server answers into a warehouse, and what is there afterwards."""

    def __init__(self, pipeline: Pipeline, server: AnsweringServer, open_session: OpenSession) -> None:
        self.pipeline = pipeline
        self._server = server
        self._session = open_session(base_url=server.url("/"))
        self.destination = destination_of(pipeline)

    def run(self, *rows: str) -> None:
        """Read the rows over HTTP and load them."""
        self._server.answers = [answer_with(*rows)]
        source = build_source(ODD, session=self._session, report=ScanReport(), batcher=RowBatcher(ODD))
        tables = list(source.resources[ODD.name])
        self.pipeline.run(
            build_load_source(ODD, iter(tables), destination=self.destination),
            loader_file_format=self.destination.file_format,
        )

    def read(self) -> dict[str, dict[str, object]]:
        """The rows in the table by key, nested values as their JSON text."""
        with self.pipeline.destination_client() as client, self.pipeline.sql_client() as sql:
            ((_, columns),) = client.get_storage_tables([ODD.name])  # type: ignore[attr-defined]  # of SQL destinations
            names = [name for name in columns if name != "_dlt_load_id"]
            quoted = {name: sql.escape_column_name(name) for name in names}
            quoted["nested"] = f"CAST({quoted['nested']} AS VARCHAR)"
            rows = sql.execute_sql(
                f"SELECT {', '.join(quoted.values())} FROM {sql.make_qualified_table_name(ODD.name)}"
            )
        stored = [dict(zip(names, row, strict=True)) for row in rows or ()]
        return {str(row["thing_id"]): row for row in stored}

    def name_columns(self, row: dict[str, object]) -> dict[str, object]:
        """The row of the wire under the names of its columns in this warehouse."""
        known = {column.name for column in ODD.columns}
        named = name_new_columns(ODD, [field for field in row if field not in known])
        shorten = self.pipeline.default_schema.naming.normalize_identifier
        return {shorten(named.get(field, field)): value for field, value in row.items()}


@EVERYWHERE
def test_odd_values_and_odd_names_come_back_exactly_as_they_were_sent(load: Loads) -> None:
    load.run(*STORED.values())

    stored = load.read()
    sent = [json.loads(row, parse_float=Decimal) for row in STORED.values()]
    differences = {
        name: list(found)
        for (name, key), row in zip(((name, str(n)) for n, name in enumerate(STORED)), sent, strict=True)
        if (found := find_differences(stored[key], load.name_columns({"thing_id": key, **row})))
    }
    assert differences == {}
    assert len(stored) == len(STORED)


@EVERYWHERE
def test_an_empty_text_is_one_and_no_text_is_null(load: Loads) -> None:
    """dlt's own COPY into PostgreSQL makes NULL of both."""
    load.run('{"text": ""}', '{"text": null}', '{"nested": []}')

    assert [row["text"] for _, row in sorted(load.read().items())] == ["", None, None]


NULS = [
    pytest.param(r'{"text": "planted\u0000"}', "text", id="in a text"),
    pytest.param(r'{"cf_note": "\u0000planted"}', "cf_note", id="in a new column"),
    pytest.param(r'{"nested": {"a": ["planted\\\u0000"]}}', "nested", id="in JSON"),
    pytest.param(r'{"nested": {"planted\u0000": 1}}', "nested", id="in a key of JSON"),
]


@pytest.mark.parametrize("pipeline", ["duckdb", "delta"], indirect=True)
def test_a_nul_is_stored_by_all_but_postgresql(load: Loads) -> None:
    rows = [str(nul.values[0]) for nul in NULS]

    load.run(*rows)

    stored = load.read()
    for key, row in enumerate(rows):
        assert find_differences(stored[str(key)], {"thing_id": str(key), **json.loads(row)}) == {}


@pytest.mark.parametrize(("row", "column"), NULS)
def test_postgresql_refuses_a_nul_by_column_and_key(row: str, column: str) -> None:
    rows: list[Row] = [{"thing_id": "0", "text": "after"}, {"thing_id": "1", **json.loads(row)}]
    table = build_table(ODD, rows, new_columns=["cf_note"])

    with pytest.raises(InvalidValueError) as refused:
        list(refuse_misfits([table], ODD, destination_type="postgres"))

    assert f"things: {column} of thing_id 1 has a NUL character, which PostgreSQL cannot hold" in str(refused.value)
    assert "planted" not in str(refused.value)


def test_more_columns_than_a_table_of_postgresql_has_are_refused() -> None:
    fields = [f"cf_{n}" for n in range(POSTGRES_COLUMNS)]
    table = build_table(ODD, [{"thing_id": "1"}], new_columns=fields)

    with pytest.raises(
        InvalidValueError, match=r"things: 1610 columns, where a table of PostgreSQL has room for 1600\."
    ):
        list(refuse_misfits([table], ODD, destination_type="postgres"))


def test_what_fits_goes_on_unchanged() -> None:
    table = build_table(ODD, [{"thing_id": "1", "text": r"\u0000"}])

    assert list(refuse_misfits([table], ODD, destination_type="postgres")) == [table]


def test_a_key_in_an_error_is_short_and_cannot_break_the_line() -> None:
    table = build_table(ODD, [{"thing_id": "a\tb\n" + "x" * 100, "text": "\0"}])

    with pytest.raises(InvalidValueError, match=r"text of thing_id a\\tb\\nx{36} has a NUL"):
        list(refuse_misfits([table], ODD, destination_type="postgres"))


def test_a_table_without_rows_fits() -> None:
    empty: pa.Table = build_table(ODD, [])

    assert list(refuse_misfits([empty], ODD, destination_type="postgres")) == [empty]
