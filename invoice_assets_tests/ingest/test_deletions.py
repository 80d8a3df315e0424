from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from dlt.pipeline.pipeline import Pipeline

from invoice_assets.catalog import TAXES
from invoice_assets.destinations import DUCKDB
from invoice_assets.ingest.deletions import Missing, find_missing, mark_deletions
from invoice_assets.ingest.pipeline import open_pipeline
from invoice_assets.ingest.warehouse import open_destination

NOW = datetime(2026, 3, 8, 3, 0, tzinfo=UTC)


@pytest.fixture
def pipeline(tmp_path: Path) -> Iterator[Pipeline]:
    """A table with ten live rows and one that was marked before, and a staging table with the first eight."""
    with (
        open_destination(DUCKDB, database=str(tmp_path / "w.duckdb"), patience_s=0) as destination,
        open_pipeline(TAXES, destination=destination, dataset="invoicing") as opened,
        opened.sql_client() as client,
    ):
        client.create_dataset()
        client.execute_sql("CREATE SCHEMA invoicing_staging")
        client.execute_sql(
            "CREATE TABLE invoicing.taxes AS "
            "SELECT n::TEXT AS tax_id, NULL::TIMESTAMPTZ AS deleted_at FROM range(10) numbers(n)"
        )
        client.execute_sql("INSERT INTO invoicing.taxes VALUES ('old', TIMESTAMPTZ '2020-01-01 00:00:00+00')")
        client.execute_sql("CREATE TABLE invoicing_staging.taxes AS SELECT n::TEXT AS tax_id FROM range(8) numbers(n)")
        yield opened


def marked(pipeline: Pipeline) -> set[str]:
    with pipeline.sql_client() as client:
        rows = client.execute_sql("SELECT tax_id FROM invoicing.taxes WHERE deleted_at IS NOT NULL")
    return {str(row[0]) for row in rows or ()}


def test_live_rows_that_the_read_did_not_bring_are_missing(pipeline: Pipeline) -> None:
    assert find_missing(pipeline, TAXES, rows_seen=8, limit=0.2) == Missing(keys=frozenset({"8", "9"}))
    assert marked(pipeline) == {"old"}


def test_the_rows_that_are_named_are_marked_and_no_other(pipeline: Pipeline) -> None:
    mark_deletions(pipeline, TAXES, ["9", "old", "unheard of"], deleted_at=NOW)

    assert marked(pipeline) == {"9", "old"}
    with pipeline.sql_client() as client:
        stamps = client.execute_sql("SELECT tax_id, deleted_at FROM invoicing.taxes WHERE deleted_at IS NOT NULL")
    assert dict(tuple(row) for row in stamps or ())["9"] == NOW
    assert dict(tuple(row) for row in stamps or ())["old"].year == 2020


@pytest.mark.parametrize(("rows_seen", "limit"), [(8, 0.19), (0, 1.0)], ids=["above the limit", "an empty list"])
def test_what_looks_wrong_is_refused_in_words(pipeline: Pipeline, rows_seen: int, limit: float) -> None:
    refused = find_missing(pipeline, TAXES, rows_seen=rows_seen, limit=limit)

    assert refused.keys == frozenset()
    assert refused.refusal
    assert refused.refusal.rows == 2
    assert "did not bring 2 of 10 live rows" in refused.refusal.reason
