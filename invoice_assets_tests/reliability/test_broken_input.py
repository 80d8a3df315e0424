"""Whatever a list brings, a load ends with rows equal to what was sent, or with an error of ours; nothing hangs."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, Phase, event, example, given, settings

from invoice_assets.api.oauth import AccessTokenProvider
from invoice_assets.api.pacing import RequestPacer
from invoice_assets.api.retries import RetryPolicy
from invoice_assets.api.session import ApiAccount, ApiSession
from invoice_assets.catalog import INVOICES, TAXES
from invoice_assets.defs.failures import find_cause
from invoice_assets.destinations import DUCKDB
from invoice_assets.ingest.pipeline import open_pipeline
from invoice_assets.ingest.reading import Read
from invoice_assets.ingest.source import build_load_source
from invoice_assets.ingest.typing import name_new_columns
from invoice_assets.ingest.warehouse import open_destination
from invoice_assets.ingest.windows import ReadRequest
from invoice_assets.resource_spec import ResourceSpec
from invoice_assets_tests.conftest import Answer, AnsweringServer, build_grant
from invoice_assets_tests.reliability.broken_input import SentList, read_rows, sent_lists
from invoice_assets_tests.sandbox.server import Sandbox
from invoice_assets_tests.wire_values import find_differences

HANGS_AFTER_S = 20.0
Rows = list[dict[str, Any]]
TRIED = settings(
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)
"""The same lists every time, and 50 times as many where a developer asks: `pytest --hypothesis-profile=thorough`."""


@pytest.fixture
def open_read(sandbox: Sandbox, answering_server: AnsweringServer) -> Iterator[Callable[[SentList], Read]]:
    """A function that begins to read a list which the server answers with, in a thread as a run does."""
    policy = RetryPolicy(max_retries=0)
    tokens = AccessTokenProvider(build_grant(sandbox), policy=policy)
    account = ApiAccount(base_url=answering_server.url("/"), organization_id="")
    threads: list[Thread] = []

    def begin(sent: SentList) -> Read:
        answering_server.answers = [Answer(200, sent.body)]
        session = ApiSession(account, tokens=tokens, pacer=RequestPacer(requests_per_minute=0), policy=policy)
        read = Read(ReadRequest(spec=sent.spec), session=session)
        threads.append(Thread(target=read.run, daemon=True))
        threads[-1].start()
        return read

    yield begin
    for thread in threads:
        thread.join(HANGS_AFTER_S)
        assert not thread.is_alive()


def rows_or_refusal(bring: Callable[[], Rows]) -> Rows | str:
    """The rows that a load brings, or what an error of ours says; any other error fails the test."""
    try:
        rows = bring()
    except Exception as error:
        cause = find_cause(error)
        if cause is None:
            raise
        event("refused")
        return str(cause)
    event("rows stored" if rows else "nothing to store")
    return rows


def find_all_differences(stored: Rows, sent: SentList) -> list[object]:
    """Where stored rows differ from those sent; of rows with one key, from all of them."""
    key = sent.spec.primary_key
    wire = [name_columns(sent.spec, row) for row in read_rows(sent)]
    by_key: dict[str, Rows] = {}
    for row in wire:
        by_key.setdefault(row[key] if isinstance(row[key], str) else json.dumps(row[key]), []).append(row)
    found: list[object] = [*by_key.keys() ^ {str(row[key]) for row in stored}]
    for row in stored:
        differences = [find_differences(row, candidate) for candidate in by_key.get(row[key], ())]
        found += [] if {} in differences else differences
    return found


def name_columns(spec: ResourceSpec, row: dict[str, Any]) -> dict[str, Any]:
    """The row under the names of its columns; text in a JSON column is written as JSON."""
    kinds = {column.name: column.data_type for column in spec.columns}
    names = name_new_columns(spec, [field for field in row if field not in kinds])
    return {
        names.get(field, field): json.dumps(value, ensure_ascii=False)
        if kinds.get(field) == "json" and isinstance(value, str) and value
        else value
        for field, value in row.items()
    }


@settings(TRIED, max_examples=TRIED.max_examples // 3)
@given(sent=sent_lists())
@example(sent=SentList(TAXES, b'{"code": 0, "taxes": [{"tax_id": [1], "ctid": "a", " ": 1}]}'))
@example(sent=SentList(INVOICES, b'{"code": 0, "invoices": [{"invoice_id": "1", "last_modified_time": 7}]}'))
def test_what_is_read_is_what_was_sent_or_is_refused(open_read: Callable[[SentList], Read], sent: SentList) -> None:
    def bring() -> Rows:
        tables = list(open_read(sent))
        return list(pa.concat_tables(tables, promote_options="default").to_pylist())

    outcome = rows_or_refusal(bring)

    assert outcome if isinstance(outcome, str) else find_all_differences(outcome, sent) == []


@settings(TRIED, max_examples=TRIED.max_examples // 20)
@given(sent=sent_lists())
def test_what_is_loaded_is_what_was_sent_or_nothing(open_read: Callable[[SentList], Read], sent: SentList) -> None:
    with (
        TemporaryDirectory() as folder,
        open_destination(DUCKDB, database=str(Path(folder) / "w.duckdb"), patience_s=0) as destination,
        open_pipeline(sent.spec, destination=destination, dataset="invoicing") as pipeline,
        pipeline.sql_client() as client,
    ):

        def bring() -> Rows:
            pipeline.run(build_load_source(sent.spec, iter(open_read(sent))), loader_file_format="parquet")
            with client.execute_query(f"SELECT * FROM {client.make_qualified_table_name(sent.spec.name)}") as cursor:
                names = [column[0] for column in cursor.description or ()]
                stored = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
            return [{name: value for name, value in row.items() if name != "_dlt_load_id"} for row in stored]

        outcome = rows_or_refusal(bring)

        assert client.has_dataset() == (not isinstance(outcome, str))
        assert outcome if isinstance(outcome, str) else find_all_differences(outcome, sent) == []
