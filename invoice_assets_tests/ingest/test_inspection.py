from collections.abc import Iterator
from pathlib import Path

import pytest
from dlt.pipeline.pipeline import Pipeline

from invoice_assets.catalog import TAXES
from invoice_assets.ingest.inspection import count_rows, inspect_table
from invoice_assets.ingest.pipeline import open_pipeline
from invoice_assets.ingest.warehouse import open_destination


@pytest.fixture
def pipeline(tmp_path: Path) -> Iterator[Pipeline]:
    """A pipeline into a file that has a schema and nothing in it."""
    with (
        open_destination("duckdb", database=str(tmp_path / "w.duckdb"), patience_s=0) as destination,
        open_pipeline(TAXES, destination=destination, dataset="invoicing") as opened,
    ):
        with opened.sql_client() as client:
            client.create_dataset()
        yield opened


def fill(pipeline: Pipeline, values: str) -> None:
    with pipeline.sql_client() as client:
        table = client.make_qualified_table_name("taxes")
        client.execute_sql(f"CREATE TABLE {table} (tax_id TEXT, tax_name TEXT, tax_percentage DECIMAL, tax_type TEXT)")
        client.execute_sql(f"INSERT INTO {table} VALUES {values}")
        client.execute_sql(f"ALTER TABLE {table} ADD COLUMN deleted_at TIMESTAMPTZ")


def test_a_missing_table_is_told_from_an_empty_one(pipeline: Pipeline) -> None:
    assert inspect_table(pipeline, TAXES) is None


def test_one_statement_counts_rows_keys_and_missing_values(pipeline: Pipeline) -> None:
    fill(pipeline, "('1', 'VAT', 19, 'tax'), ('1', '', NULL, 'tax'), ('', 'GST', 5, NULL), (NULL, 'PST', 7, 'tax')")

    table = inspect_table(pipeline, TAXES)

    assert table is not None
    assert (table.rows, table.distinct_keys) == (4, 1)
    assert table.missing == {"tax_id": 2, "tax_name": 1, "tax_percentage": 1, "tax_type": 1}
    assert table.sql.count("SELECT") == 1


def test_only_rows_that_the_source_still_has_are_counted(pipeline: Pipeline) -> None:
    fill(pipeline, "('1', 'VAT', 19, 'tax'), ('2', 'GST', 5, 'tax')")
    with pipeline.sql_client() as client:
        client.execute_sql("UPDATE taxes SET deleted_at = now() WHERE tax_id = '2'")

    assert count_rows(pipeline, TAXES) == 1


def test_a_table_that_is_not_there_has_no_rows(pipeline: Pipeline) -> None:
    assert count_rows(pipeline, TAXES) == 0
