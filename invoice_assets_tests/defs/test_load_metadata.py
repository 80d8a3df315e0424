"""What a load tells, and what is read of it again; what the UI shows of it is in `test_loads.py`."""

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from dagster import AssetMaterialization

from invoice_assets.api.envelope import Row
from invoice_assets.api.session import ApiUsage
from invoice_assets.defs.load_metadata import LoadFacts, read_load_facts, summarize
from invoice_assets.ingest.deletions import MarkingRefusal
from invoice_assets.ingest.paging import ScanReport
from invoice_assets.ingest.windows import COMPLETE, Window
from invoice_assets_tests.defs.told_loads import build_load, describe

STARTED_AT = datetime(2026, 3, 8, 12, 0, 0, 123456, tzinfo=UTC)
NEW_YORK = ZoneInfo("America/New_York")


def read(metadata: dict[str, Any]) -> LoadFacts | None:
    """The facts in a materialization with this metadata, as Dagster keeps it."""
    return read_load_facts(AssetMaterialization("taxes", metadata=metadata).metadata)


def test_what_a_load_has_told_is_read_again() -> None:
    rows: list[Row] = [
        {"tax_id": "1", "tax_name": "VAT", "Tax Region": "EU", "extra": None},
        {"tax_id": "2", "tax_percentage": 5, "extra": 7},
        {"tax_id": "2", "tax_percentage": 6, "extra": 7},
    ]

    facts = read(describe(STARTED_AT, rows=rows))

    assert facts is not None
    assert (facts.started_at, facts.window, facts.source_rows) == (STARTED_AT, COMPLETE, 2)
    assert facts.always_sent == {"tax_id"}
    assert "tax_type" in facts.never_sent
    assert not {"tax_name", "tax_percentage"} & facts.never_sent
    region = next(column for column in facts.new_columns if column.startswith("tax_region_"))
    assert facts.new_columns == {region: "string", "extra": "number"}


@pytest.mark.parametrize(
    "window",
    [
        COMPLETE,
        Window(start=datetime(2026, 3, 8, tzinfo=NEW_YORK)),
        Window(end=datetime(2026, 3, 9, tzinfo=NEW_YORK)),
        Window(start=datetime(2026, 3, 8, tzinfo=NEW_YORK), end=datetime(2026, 3, 9, tzinfo=NEW_YORK)),
    ],
    ids=["complete", "to the present", "from the beginning", "a day of 23 hours"],
)
def test_a_window_is_the_same_when_it_is_read_again(window: Window) -> None:
    facts = read(describe(STARTED_AT, window=window))

    assert facts is not None
    assert facts.window == window
    assert facts.window.is_complete is window.is_complete


def test_a_load_without_rows_has_facts_too() -> None:
    facts = read(describe(STARTED_AT))

    assert facts == LoadFacts(
        started_at=STARTED_AT,
        window=COMPLETE,
        source_rows=0,
        new_columns={},
        always_sent=frozenset(),
        never_sent=frozenset(),
        rows_in_table=0,
    )


def test_what_the_load_left_in_the_table_and_in_the_quota_is_read_again() -> None:
    facts = read(describe(STARTED_AT, rows_in_table=7, usage=ApiUsage(requests=1, quota_remaining=-3)))

    assert facts is not None
    assert (facts.rows_in_table, facts.quota_remaining) == (7, -3)


@pytest.mark.parametrize(
    "metadata",
    [
        {},
        {"rows_loaded": 3, "new_columns": {}, "dagster/row_count": 3},
        {"dagster/partition_row_count": 3, "partition_is_complete": True},
        {"read": "yesterday's paper"},
    ],
    ids=["nothing", "a load before there were facts", "a partition of many", "somebody else's"],
)
def test_metadata_that_is_not_of_a_load_s_making_has_no_facts(metadata: dict[str, Any]) -> None:
    assert read(metadata) is None


def test_counts_are_numbers_that_the_ui_can_plot() -> None:
    told = describe(STARTED_AT, rows=[{"tax_id": "1"}, {"tax_id": "1"}], rows_marked_deleted=4)

    assert (told["rows_loaded"], told["source_rows"], told["rows_marked_deleted"], told["load_s"]) == (2, 1, 4, 0.25)


def test_the_quota_is_told_only_where_the_api_does() -> None:
    assert "quota_remaining" not in describe(STARTED_AT)
    assert describe(STARTED_AT, usage=ApiUsage(quota_remaining=0))["quota_remaining"] == 0


def test_a_load_without_a_worry_has_no_warning() -> None:
    assert "warning" not in describe(STARTED_AT)


def test_every_worry_of_a_load_is_in_its_warning() -> None:
    refusal = MarkingRefusal(rows=7, reason="Too many rows are gone.")

    told = describe(STARTED_AT, marking_refusal=refusal, report=ScanReport(sort_ignored=True))

    assert told["warning"].startswith("Too many rows are gone. The API did not sort by tax_name")


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        pytest.param(
            {"rows_in_table": 2, "usage": ApiUsage(requests=1)},
            "taxes: read 2 rows in 1 request and 1.5 s, 2 rows in invoicing.taxes",
            id="nothing remarkable",
        ),
        pytest.param(
            {"rows_in_table": 4_000, "rows_marked_deleted": 3, "usage": ApiUsage(requests=21, quota_remaining=979)},
            "taxes: read 2 rows in 21 requests and 1.5 s, 4,000 rows in invoicing.taxes, 3 marked deleted, "
            "979 requests of the day's quota left",
            id="deletions and a quota",
        ),
    ],
)
def test_a_load_is_summed_up_in_a_sentence(changes: dict[str, Any], sentence: str) -> None:
    rows: list[Row] = [{"tax_id": "1"}, {"tax_id": "2"}]
    stages_s = {"extract": 1.0, "normalize": 0.2, "load": 0.3}

    assert summarize(build_load(datetime.now(UTC), rows=rows, stages_s=stages_s, **changes)) == sentence
