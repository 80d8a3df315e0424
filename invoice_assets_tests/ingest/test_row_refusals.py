"""Rows that a database refuses, by a constraint or a type that somebody has given the table: who gets to see them."""

import logging

import pytest
from dlt.pipeline.exceptions import PipelineStepFailed
from dlt.pipeline.pipeline import Pipeline

from invoice_assets.ingest.row_refusals import RowsRefusedError, telling_no_rows
from invoice_assets_tests.ingest.stored import THINGS, create_table, load_table, thing

PERSON = "Mathilde Oppenheimer"


CHECK = "TEXT CHECK (note NOT LIKE 'Math%')"


@pytest.mark.parametrize(
    ("pipeline", "kind"),
    [("duckdb", CHECK), ("duckdb", "UUID"), ("postgres", CHECK), ("postgres", "VARCHAR(3)")],
    ids=["duckdb, constraint", "duckdb, type", "postgres, constraint", "postgres, type"],
    indirect=["pipeline"],
)
def test_rows_that_are_refused_are_in_no_error_and_no_log(
    pipeline: Pipeline,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
) -> None:
    """PostgreSQL says "Failing row contains (…)", with all of its values."""
    # dlt's handler writes to what was the error output of the first test; that it is closed is nothing to report here.
    monkeypatch.setattr(logging, "raiseExceptions", False)
    create_table(pipeline, THINGS, types={"note": kind})

    with (
        pytest.raises(RowsRefusedError, match=r"^things: the warehouse refused rows of the load \(\w+") as refused,
        telling_no_rows(THINGS),
    ):
        load_table(pipeline, THINGS, thing("2", note=PERSON))

    said = capfd.readouterr()
    assert PERSON not in str(refused.value)
    assert refused.value.__suppress_context__
    assert PERSON not in caplog.text + said.out + said.err
    assert not refused.value.transient


def test_any_other_error_passes_as_it_is() -> None:
    error = PipelineStepFailed.__new__(PipelineStepFailed)

    with pytest.raises(PipelineStepFailed) as passed, telling_no_rows(THINGS):
        raise error from OSError("the disk is full")

    assert passed.value is error


def test_a_log_of_dlt_s_keeps_its_first_line(caplog: pytest.LogCaptureFixture) -> None:
    log = logging.getLogger("dlt")
    log.addHandler(caplog.handler)
    with telling_no_rows(THINGS):
        log.error("Job for %s failed with message Traceback (most recent call last):\n%s", "users.1", PERSON)
        log.error("Terminal exception in job users.1", exc_info=ValueError(PERSON))
        log.warning("nothing of the kind\nin two lines")
    log.removeHandler(caplog.handler)

    assert caplog.messages == [
        "Job for users.1 failed",
        "Terminal exception in job users.1",
        "nothing of the kind\nin two lines",
    ]
    assert PERSON not in caplog.text
