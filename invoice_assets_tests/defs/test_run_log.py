"""`defs/run_log.py`: the log of a real run in a process of its own, as whoever collects its standard output gets it."""

import json
import logging
import os
import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]
from dagster._core.log_manager import (
    DagsterLogHandlerMetadata,
    DagsterLogRecordMetadata,
    construct_log_record_metadata,
    set_log_record_metadata,
)
from dagster._core.storage.tags import (
    ASSET_PARTITION_RANGE_END_TAG,
    ASSET_PARTITION_RANGE_START_TAG,
    PARTITION_NAME_TAG,
)

from invoice_assets.defs.run_log import RunLogHandler, describe_line
from invoice_assets_tests.project import Project
from invoice_assets_tests.sandbox.server import Sandbox

CHECKOUT = Path(__file__).parents[2]
DAGSTER = Path(sys.executable).with_name("dagster")


@dataclass(frozen=True)
class Output:
    """What a run has written, and the day that it loaded."""

    text: str
    day: str

    @property
    def lines(self) -> list[dict[str, Any]]:
        """Its standard output, every line of which is an object."""
        return [json.loads(line) for line in self.text.splitlines()]

    def find(self, **fields: str) -> dict[str, Any]:
        """The first line with these fields."""
        return next(line for line in self.lines if fields.items() <= line.items())


def run(folder: Path) -> Output:
    """Materialize invoices and taxes as a user does, who wants JSON; the run fails."""
    deployed = yaml.safe_load((CHECKOUT / "deploy" / "dagster.yaml").read_text(encoding="utf-8"))
    (folder / "dagster.yaml").write_text(yaml.safe_dump({"python_logs": deployed["python_logs"]}))
    day = f"{datetime.now(UTC):%Y-%m-%d}"
    command = [sys.executable, str(DAGSTER), "asset", "materialize", "-m", "invoice_assets.definitions"]
    selection = ["--select", 'key:"invoicing/invoices" or key:"invoicing/taxes"', "--partition", day]
    done = subprocess.run(
        [*command, *selection],
        capture_output=True,
        text=True,
        cwd=folder,
        env={
            **os.environ,
            "PYTHONPATH": str(CHECKOUT),
            "PYTHONWARNINGS": "ignore",
            "DAGSTER_HOME": str(folder),
            "INVOICE_LOG_FORMAT": "json",
        },
        check=False,
    )
    assert done.returncode == 1, done.stderr
    return Output(done.stdout, day)


def test_every_line_of_a_run_is_an_object_that_says_where_it_belongs(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a run in which invoices are loaded and taxes refused; of a refresh token the project itself has a line."""
    Project(sandbox, tmp_path, monkeypatch)
    sandbox.rotate_refresh_tokens()
    sandbox.script("wrong_organization_6041", resource="taxes", times=None)

    output = run(tmp_path)

    (run_id,) = {line["run_id"] for line in output.lines}

    of_the_project = output.find(logger="invoice_assets.api.oauth")
    assert of_the_project["level"] == "WARNING"
    assert of_the_project["message"].startswith("The accounts server replaced the refresh token")
    assert (of_the_project["run_id"], of_the_project["partition"]) == (run_id, output.day)
    assert of_the_project["step"] == f"load_{of_the_project['resource']}"
    loaded = output.find(event="STEP_SUCCESS", resource="invoices")
    assert loaded["step"] == "load_invoices"
    assert datetime.fromisoformat(loaded["timestamp"]).tzinfo is UTC
    failed = output.find(event="STEP_FAILURE")
    assert (failed["resource"], failed["level"], failed["error"]) == ("taxes", "ERROR", "PermanentError")
    assert "code 6041" in failed["reason"]
    assert output.lines[-1]["event"] == "PIPELINE_FAILURE"
    secrets = (sandbox.client_secret, sandbox.refresh_token, *sandbox.issued_access_tokens)
    assert [secret for secret in secrets if secret in output.text] == []


@pytest.mark.parametrize(("log_format", "lines"), [("plain", 0), ("json", 1)])
def test_nothing_is_written_unless_the_environment_asks_for_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], log_format: str, lines: int
) -> None:
    monkeypatch.setenv("INVOICE_LOG_FORMAT", log_format)
    record = logging.makeLogRecord({"name": "invoice_assets", "levelno": logging.INFO, "levelname": "INFO"})
    set_log_record_metadata(record, build_metadata("load_taxes"))

    RunLogHandler().handle(record)

    assert len(capsys.readouterr().out.splitlines()) == lines


def build_metadata(step: str, **tags: str) -> DagsterLogRecordMetadata:
    """What Dagster knows of a line of a step."""
    of_step = DagsterLogHandlerMetadata(
        run_id="1",
        job_name="job",
        job_tags=tags,
        step_key=step,
        op_name=step,
        resource_name=None,
        resource_fn_name=None,
    )
    return construct_log_record_metadata(of_step, orig_message="a line", event=None, event_batch_metadata=None)


@pytest.mark.parametrize(
    ("step", "belongs_to"),
    [
        pytest.param("load_taxes", {"resource": "taxes"}, id="load"),
        pytest.param("load_credit_notes", {"resource": "credit_notes"}, id="two-words"),
        pytest.param("load_taxes_acme", {"resource": "taxes", "organization": "acme"}, id="load-of-an-organisation"),
        pytest.param("load_credit_notes_of_us", {"resource": "credit_notes", "organization": "of_us"}, id="long-slug"),
        pytest.param("check_taxes_acme", {"resource": "taxes", "organization": "acme"}, id="checks"),
        pytest.param("check_references_of_invoices", {"resource": "invoices"}, id="references"),
        pytest.param("check_freshness", {}, id="of-no-resource"),
    ],
)
def test_the_resource_and_the_organisation_are_those_of_the_step(step: str, belongs_to: dict[str, str]) -> None:
    assert describe_line(build_metadata(step)) == {"run_id": "1", "job": "job", "step": step, **belongs_to}


def test_the_partitions_are_those_of_the_run() -> None:
    tags = {ASSET_PARTITION_RANGE_START_TAG: "2024-01-01", ASSET_PARTITION_RANGE_END_TAG: "2024-01-31"}

    of_many = describe_line(build_metadata("load_invoices", **tags))
    of_one = describe_line(build_metadata("load_invoices", **{PARTITION_NAME_TAG: "2024-01-01"}))

    assert (of_many["partition"], of_one["partition"]) == ("2024-01-01...2024-01-31", "2024-01-01")
