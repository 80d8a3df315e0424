"""Hostile and odd bodies through whole runs: refused in words, nothing written, the other resources loaded.

What each warehouse stores of them is tested in `ingest/test_fitting.py`, what fits a column in `ingest/test_typing.py`.
"""

import gzip
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from dagster import AssetCheckSeverity

from invoice_assets.catalog import TAXES
from invoice_assets_tests.conftest import Answer
from invoice_assets_tests.postgres import Postgres
from invoice_assets_tests.project import Project
from invoice_assets_tests.reliability.odd_input import OddApi
from invoice_assets_tests.runs import failures_of
from invoice_assets_tests.sandbox.server import Sandbox

TAX = b'"tax_name": "Tax", "tax_percentage": 7, "tax_type": "tax", "status": "Active"'


def list_taxes(*rows: bytes, has_more_page: bytes = b"false") -> Answer:
    """A page of taxes of these rows, which are JSON."""
    body = b'{"code": 0, "taxes": [%s], "page_context": {"has_more_page": %s}}' % (b",".join(rows), has_more_page)
    return Answer(200, body)


def tax(key: bytes, *fields: bytes) -> bytes:
    """A tax with further fields, as JSON."""
    return b"{%s}" % b",".join([b'"tax_id": "%s"' % key, TAX, *fields])


BEFORE = list_taxes(tax(b"before"))
REFUSED = {
    "a gzip bomb": (
        Answer(200, gzip.compress(bytes(10_000_000)) * 20, {"Content-Encoding": "gzip"}),
        "GET /invoice/v3/settings/taxes, page 1, was answered with more than 1 MB",
    ),
    "a body without end": (Answer(200, b" " * 65_536, is_endless=True), "was answered with more than 1 MB"),
    "5,000 new columns": (
        list_taxes(tax(b"1", *(b'"planted_%d": "planted"' % n for n in range(5_000)))),
        "taxes: 5000 fields that the catalog does not know, such as 'planted_0', 'planted_1', 'planted_10'; 20 is",
    ),
    "a row that is null": (list_taxes(tax(b"1"), b"null"), "answered with a row under 'taxes' that is no object"),
    "NaN": (list_taxes(tax(b"1", b'"cf": NaN')), "bytes that are no JSON"),
    "an unpaired surrogate": (list_taxes(tax(b"1", rb'"cf": "planted\ud800"')), "bytes that are no JSON"),
    "nesting without end": (list_taxes(tax(b"1", b'"cf": ' + b"[" * 100_000)), "bytes that are no JSON"),
    "a day that never was": (
        list_taxes(tax(b"1"), tax(b"4815", b'"start_date": "0000-00-00"')),
        "taxes: start_date of tax_id 4815 is a JSON string that does not fit date32",
    ),
}


@pytest.fixture
def api(sandbox: Sandbox) -> Iterator[OddApi]:
    with OddApi(sandbox, path=TAXES.path) as running:
        yield running


@pytest.fixture
def project(sandbox: Sandbox, api: OddApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A project whose API is odd in its taxes; what it refuses is refused without being asked for again."""
    project = Project(sandbox, tmp_path, monkeypatch)
    monkeypatch.setenv("INVOICE_API_BASE_URL", api.base_url)
    monkeypatch.setenv("INVOICE_API_MAX_BODY_MB", "1")
    monkeypatch.setenv("INVOICE_MAX_NEW_COLUMNS", "20")
    monkeypatch.setenv("INVOICE_API_MAX_RETRIES", "0")
    return project


def test_what_is_refused_is_named_not_quoted_and_not_written(project: Project, api: OddApi) -> None:
    """One table, many bodies: each run reads another odd answer."""
    api.answers = (BEFORE,)
    assert project.materialize("taxes").success
    said = {}
    for name, (answer, _) in REFUSED.items():
        api.answers = (answer,)
        (said[name],) = failures_of(project.materialize("taxes")).values()

    assert {name: text for name, text in said.items() if REFUSED[name][1] not in text} == {}
    assert [name for name, text in said.items() if not text.startswith("taxes: ") or '"planted"' in text] == []
    assert project.query("SELECT tax_id, deleted_at FROM invoicing.taxes") == [("before", None)]


def test_the_other_resources_of_the_run_are_loaded(project: Project, api: OddApi) -> None:
    api.answers = (REFUSED["a gzip bomb"][0],)

    run = project.materialize("taxes", "items", "users")

    assert list(failures_of(run)) == ["load_taxes"]
    for name in ("items", "users"):
        assert len(project.read_table(name)) == 3


def test_a_bad_value_in_postgresql_leaves_the_table_and_the_others_as_they_should_be(
    sandbox: Sandbox, api: OddApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, postgres: Postgres
) -> None:
    """NUL is what every other warehouse stores."""
    project = Project(sandbox, tmp_path, monkeypatch, postgres_url=postgres.create_database())
    monkeypatch.setenv("INVOICE_API_BASE_URL", api.base_url)
    api.answers = (BEFORE,)
    assert project.materialize("taxes").success
    api.answers = (list_taxes(tax(b"1"), tax(b"4815", rb'"cf_note": "planted\u0000"')),)

    (said,) = failures_of(project.materialize("taxes", "items")).values()

    assert said.startswith("taxes: cf_note of tax_id 4815 has a NUL character, which PostgreSQL cannot hold.")
    assert "planted" not in said
    assert project.query("SELECT tax_id FROM invoicing.taxes") == [("before",)]
    assert project.query("SELECT COUNT(*) FROM invoicing.items") == [(3,)]


def test_odd_names_are_told_by_the_run_that_stores_them(project: Project, api: OddApi) -> None:
    """Names reach the checks, the metadata and the event log as well as the table."""
    names = ["", " ", "\0", "名前", "_dlt_id", "ctid", 'a"; DROP TABLE taxes; --', "x" * 300, "\u202e", "<b>&amp;"]
    fields = [f"{json.dumps(name)}: {json.dumps(name)}".encode() for name in names]
    api.answers = (list_taxes(tax(b"1", *fields)),)

    run = project.materialize("taxes")

    (row,) = project.read_table("taxes")
    assert run.success
    assert {*names} <= {*row.values()}
    assert not [
        check
        for check in run.get_asset_check_evaluations()
        if check.severity is AssetCheckSeverity.ERROR and not check.passed
    ]


def test_a_row_that_comes_on_two_pages_is_one_row(project: Project, api: OddApi) -> None:
    page = [tax(b"%d" % n) for n in range(200)]
    api.answers = (list_taxes(*page, has_more_page=b"true"), list_taxes(page[0], tax(b"200")))

    assert project.materialize("taxes").success

    assert project.query("SELECT COUNT(*), COUNT(DISTINCT tax_id) FROM invoicing.taxes") == [(201, 201)]
