"""Short forms of the crash loops, with moments that are the same every time; `python -m` runs the long ones.

What the long ones have seen stands in docs/reliability.md.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from invoice_assets.destinations import DUCKDB
from invoice_assets.ingest.pipeline import open_pipeline
from invoice_assets.ingest.source import build_load_source
from invoice_assets.ingest.typing import build_table
from invoice_assets.ingest.warehouse import open_destination
from invoice_assets_tests.ingest.stored import DATASET, THINGS, thing
from invoice_assets_tests.reliability.crash_loop import open_crash_loop
from invoice_assets_tests.reliability.crashed_loads import tell_stage
from invoice_assets_tests.reliability.crashed_renewals import crash_renewals
from invoice_assets_tests.sandbox.server import Sandbox


def test_after_loads_that_were_killed_every_table_equals_the_source_and_nothing_is_left() -> None:
    with open_crash_loop(seed=7) as loop:
        tally = loop.run(iterations=3)

    assert tally.faults == []
    assert tally.kills.total() > 0
    assert tally.rows_compared > 3 * 600


def test_where_a_process_that_renews_the_token_is_killed_the_others_go_on_at_once(tmp_path: Path) -> None:
    with Sandbox(rows=0) as sandbox:
        tally = crash_renewals(sandbox, tmp_path, lifetimes=8, seed=7)

    assert tally.faults == []
    assert tally.kills > 0
    assert tally.tokens == 10 + tally.lost


def test_the_stage_of_a_load_is_told_from_what_it_has_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    stages = [tell_stage(tmp_path)]
    tables = iter([build_table(THINGS, [thing("1")])])
    with (
        open_destination(DUCKDB, database=str(tmp_path / "w.duckdb"), patience_s=0) as destination,
        open_pipeline(THINGS, destination=destination, dataset=DATASET) as pipeline,
    ):
        stages.append(tell_stage(tmp_path))
        pipeline.extract(build_load_source(THINGS, tables), loader_file_format="parquet")
        stages.append(tell_stage(tmp_path))
        pipeline.normalize()
        stages.append(tell_stage(tmp_path))
        pipeline.load()
        stages.append(tell_stage(tmp_path))

    assert stages == ["between loads", "read", "normalize", "load", "after the merge"]
