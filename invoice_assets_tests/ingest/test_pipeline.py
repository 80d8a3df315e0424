from datetime import UTC, datetime
from pathlib import Path

import dlt
import pytest

from invoice_assets.catalog import INVOICES, TAXES
from invoice_assets.destinations import DUCKDB
from invoice_assets.ingest.counting import count_rows
from invoice_assets.ingest.pipeline import has_loaded_since, measure_stages, open_pipeline
from invoice_assets.ingest.source import build_load_source
from invoice_assets.ingest.typing import build_table
from invoice_assets.ingest.warehouse import open_destination


def load(rows: list[dict[str, object]], database: Path) -> tuple[int, dict[str, float]]:
    """Load taxes into a file; returns the rows in the table and the seconds of each stage."""
    with (
        open_destination(DUCKDB, database=str(database), patience_s=0) as destination,
        open_pipeline(TAXES, destination=destination, dataset="invoicing") as pipeline,
    ):
        resource = dlt.resource(
            [build_table(TAXES, rows)], name="taxes", primary_key="tax_id", write_disposition="merge"
        )
        pipeline.run(resource, loader_file_format="parquet")
        return count_rows(pipeline, TAXES), measure_stages(pipeline)


def test_a_pipeline_remembers_nothing_but_the_tables(tmp_path: Path) -> None:
    load([{"tax_id": "1"}, {"tax_id": "2"}], tmp_path / "w.duckdb")

    rows, _ = load([{"tax_id": "2"}, {"tax_id": "3"}], tmp_path / "w.duckdb")

    assert rows == 3


def test_a_load_is_told_from_one_before_an_instant_and_from_one_of_another_resource(tmp_path: Path) -> None:
    """What was read before another run's load must not land on it."""
    with (
        open_destination(DUCKDB, database=str(tmp_path / "w.duckdb"), patience_s=0) as destination,
        open_pipeline(TAXES, destination=destination, dataset="invoicing") as pipeline,
    ):
        before = datetime.now(UTC)
        tables = iter([build_table(TAXES, [{"tax_id": "1"}])])
        pipeline.run(build_load_source(TAXES, tables), loader_file_format="parquet")
        after = datetime.now(UTC)

        assert has_loaded_since(pipeline, TAXES, before)
        assert not has_loaded_since(pipeline, TAXES, after)
        assert not has_loaded_since(pipeline, INVOICES, before)


def test_where_nothing_was_loaded_yet_nothing_has_been_since(tmp_path: Path) -> None:
    with (
        open_destination(DUCKDB, database=str(tmp_path / "w.duckdb"), patience_s=0) as destination,
        open_pipeline(TAXES, destination=destination, dataset="invoicing") as pipeline,
    ):
        assert not has_loaded_since(pipeline, TAXES, datetime(2020, 1, 1, tzinfo=UTC))


def test_the_stages_of_a_load_are_measured(tmp_path: Path) -> None:
    _, stages = load([{"tax_id": "1"}], tmp_path / "w.duckdb")

    assert set(stages) == {"extract", "normalize", "load"}
    assert all(seconds > 0 for seconds in stages.values())


def test_the_working_folder_is_gone_afterwards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    with open_pipeline(INVOICES, destination=dlt.destinations.duckdb(":memory:"), dataset="invoicing") as pipeline:
        folder = Path(pipeline.pipelines_dir)
        assert folder.parent.parent == tmp_path
        assert folder.exists()

    assert not folder.exists()


def test_two_pipelines_of_one_resource_share_no_folder() -> None:
    with (
        open_pipeline(INVOICES, destination=dlt.destinations.duckdb(":memory:"), dataset="invoicing") as one,
        open_pipeline(INVOICES, destination=dlt.destinations.duckdb(":memory:"), dataset="invoicing") as other,
    ):
        assert one.pipeline_name == other.pipeline_name
        assert one.working_dir != other.working_dir
