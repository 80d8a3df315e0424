from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from dlt.extract.exceptions import ResourceExtractionError

from invoice_assets.catalog import CONTACTS, INVOICES, RESOURCES, TAXES
from invoice_assets.ingest import source
from invoice_assets.ingest.paging import ScanReport
from invoice_assets.ingest.source import RowBatcher, build_column_hints
from invoice_assets.ingest.typing import arrow_schema
from invoice_assets.ingest.windows import Window, parse_instant
from invoice_assets.resource_spec import IncrementalRead, ResourceSpec
from invoice_assets_tests.ingest.reading import read_resource
from invoice_assets_tests.sandbox.server import Sandbox
from invoice_assets_tests.wire_values import find_differences

SPECS = [pytest.param(spec, id=spec.name) for spec in RESOURCES.values()]


@pytest.fixture(scope="module")
def sandboxes() -> Iterator[dict[int, Sandbox]]:
    """Sandboxes by their number of rows, for tests that only read."""
    with Sandbox(rows=0) as empty, Sandbox(rows=400) as two_pages, Sandbox(rows=450) as three_pages:
        yield {0: empty, 400: two_pages, 450: three_pages}


@pytest.mark.parametrize("spec", SPECS)
@pytest.mark.parametrize("rows", [0, 400, 450], ids=["0 rows", "400 rows", "450 rows"])
def test_every_row_comes_once_in_the_fewest_requests(
    sandboxes: dict[int, Sandbox], spec: ResourceSpec, rows: int
) -> None:
    by_page_number, by_keyset = {0: (1, 1), 400: (2, 3), 450: (3, 3)}[rows]
    requests = by_keyset if spec.incremental is IncrementalRead.KEYSET else by_page_number
    sandbox = sandboxes[rows]
    sandbox.ledger.clear()

    table = read_resource(sandbox, spec)

    assert sorted(table[spec.primary_key].to_pylist()) == sorted(
        row[spec.primary_key] for row in sandbox.rows(spec.name)
    )
    assert table.num_rows == rows
    assert len(sandbox.ledger.requests(spec.name)) == requests


@pytest.mark.parametrize("spec", SPECS)
def test_every_value_says_what_the_wire_said(sandboxes: dict[int, Sandbox], spec: ResourceSpec) -> None:
    wire = {row[spec.primary_key]: row for row in sandboxes[450].rows(spec.name)}

    table = read_resource(sandboxes[450], spec)

    differences = {
        row[spec.primary_key]: found
        for row in table.to_pylist()
        if (found := find_differences(row, wire[row[spec.primary_key]]))
    }
    assert differences == {}


@pytest.mark.parametrize("spec", SPECS)
def test_an_empty_list_still_brings_its_columns(sandboxes: dict[int, Sandbox], spec: ResourceSpec) -> None:
    table = read_resource(sandboxes[0], spec)

    assert table.schema.equals(arrow_schema(spec))


@pytest.mark.parametrize("spec", SPECS)
def test_the_catalog_names_every_field_but_the_custom_ones(sandboxes: dict[int, Sandbox], spec: ResourceSpec) -> None:
    batcher = RowBatcher(spec)

    read_resource(sandboxes[450], spec, batcher=batcher)

    assert {name for name in batcher.census.new_columns if not name.startswith("cf_")} == set()


@pytest.mark.parametrize("spec", SPECS)
def test_the_server_honours_the_sort_that_is_asked_for(sandboxes: dict[int, Sandbox], spec: ResourceSpec) -> None:
    report = ScanReport()

    read_resource(sandboxes[450], spec, report=report)

    assert not report.sort_ignored
    assert report.pages == 3


@pytest.mark.parametrize("spec", [CONTACTS, TAXES], ids=["vendors", "inactive taxes"])
def test_rows_that_the_api_hides_by_default_are_read(sandboxes: dict[int, Sandbox], spec: ResourceSpec) -> None:
    read_resource(sandboxes[450], spec)

    (request, *_) = sandboxes[450].ledger.requests(spec.name)
    assert request.query["filter_by"] == "Status.All"


def test_a_field_that_the_catalog_does_not_know_gets_a_column_and_is_named(sandbox: Sandbox) -> None:
    sandbox.add_field("invoices", "cf_delivery_term", "DAP")
    batcher = RowBatcher(INVOICES)

    table = read_resource(sandbox, INVOICES, batcher=batcher)

    assert table["cf_delivery_term"].to_pylist() == ["DAP"] * 3
    assert batcher.census.new_columns["cf_delivery_term"] == "string"


def test_the_census_tells_of_the_rows_that_were_handed_on(sandboxes: dict[int, Sandbox]) -> None:
    batcher = RowBatcher(TAXES)

    read_resource(sandboxes[450], TAXES, batcher=batcher)

    assert (batcher.census.rows, batcher.census.keys) == (450, 450)
    assert "tax_id" in batcher.census.always_sent


def test_rows_past_the_window_are_not_counted(sandboxes: dict[int, Sandbox]) -> None:
    """The checks hold the table against the count: what belongs to another window is not missing from this one."""
    stamps = sorted(parse_instant(row["last_modified_time"]) for row in sandboxes[400].rows("invoices"))
    batcher = RowBatcher(INVOICES, window=Window(end=stamps[100]))

    table = read_resource(sandboxes[400], INVOICES, batcher=batcher)

    assert batcher.census.rows == table.num_rows == sum(stamp < stamps[100] for stamp in stamps)


def test_rows_that_a_keyset_asks_for_again_are_not_counted_again(sandboxes: dict[int, Sandbox]) -> None:
    batcher = RowBatcher(INVOICES)

    read_resource(sandboxes[400], INVOICES, batcher=batcher)

    assert (batcher.census.rows, batcher.census.keys) == (400, 400)


def test_batches_span_pages(sandboxes: dict[int, Sandbox], monkeypatch: pytest.MonkeyPatch) -> None:
    """One Arrow table per page would lose most of what Arrow gains."""
    monkeypatch.setattr(source, "BATCH_ROWS", 300)

    table = read_resource(sandboxes[450], TAXES)

    assert [len(chunk) for chunk in table["tax_id"].chunks] == [400, 50]


def test_a_row_that_comes_twice_is_settled_by_its_stamp() -> None:
    assert build_column_hints(INVOICES)["last_modified_time"]["dedup_sort"] == "desc"


def test_more_new_columns_than_the_limit_are_refused_by_number_and_name(sandbox: Sandbox) -> None:
    for name in ("cf_b", "cf_a", "cf_d", "cf_c"):
        sandbox.add_field("invoices", name, "planted")

    with pytest.raises(ResourceExtractionError) as refused:
        read_resource(sandbox, INVOICES, batcher=RowBatcher(INVOICES, max_new_columns=3))

    said = str(refused.value.__cause__)
    assert said.startswith(
        "invoices: 4 fields that the catalog does not know, such as 'cf_a', 'cf_b', 'cf_c'; 3 is the"
    )
    assert "INVOICE_MAX_NEW_COLUMNS" in said
    assert "planted" not in said


def test_as_many_new_columns_as_the_limit_are_loaded(sandbox: Sandbox) -> None:
    sandbox.add_field("invoices", "cf_a", "x")

    table = read_resource(sandbox, INVOICES, batcher=RowBatcher(INVOICES, max_new_columns=1))

    assert table["cf_a"].to_pylist() == ["x"] * 3


@pytest.mark.parametrize("stamp", ["yesterday", "2026-06-09T09:46:21", "9" * 40], ids=["words", "no offset", "digits"])
def test_a_stamp_that_is_no_instant_is_refused_by_its_key_in_a_window_too(sandbox: Sandbox, stamp: str) -> None:
    """Whether such a row is past the window cannot be said; asking ended the load with a ValueError."""
    key = next(sandbox.rows("invoices"))["invoice_id"]
    sandbox.set_silently("invoices", key, last_modified_time=stamp)
    batcher = RowBatcher(INVOICES, window=Window(end=datetime(2100, 1, 1, tzinfo=UTC)))

    with pytest.raises(ResourceExtractionError) as refused:
        read_resource(sandbox, INVOICES, batcher=batcher)

    assert f"invoices: last_modified_time of invoice_id {key} is a JSON string" in str(refused.value.__cause__)


def test_rows_that_are_large_make_a_table_of_their_own(
    sandboxes: dict[int, Sandbox], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten thousand rows of a megabyte would fill the memory before the batch is full."""
    monkeypatch.setattr(source, "BATCH_BYTES", 1)

    table = read_resource(sandboxes[450], TAXES)

    assert [len(chunk) for chunk in table["tax_id"].chunks] == [200, 200, 50]
