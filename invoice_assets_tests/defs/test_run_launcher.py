"""`defs/run_launcher.py`: whether a run's process is said to be there. A real daemon asks in `reliability/`."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest
from dagster import DagsterEvent, DagsterEventType, DagsterInstance, DagsterRun, DagsterRunStatus, EventLogEntry
from dagster._core.events import EngineEventData
from dagster._core.instance.ref import InstanceRef
from dagster._core.launcher.base import WorkerStatus
from dagster._core.storage.tags import GRPC_INFO_TAG
from dagster._grpc.__generated__.dagster_api_pb2 import CanCancelExecutionReply
from dagster._grpc.__generated__.dagster_api_pb2_grpc import DagsterApiServicer, add_DagsterApiServicer_to_server
from dagster._grpc.types import CanCancelExecutionRequest, CanCancelExecutionResult
from dagster._serdes import deserialize_value, serialize_value

from invoice_assets.defs.run_launcher import WatchedRunLauncher

RUN_ID, OTHER_RUN_ID = "5b0e2f7c-6a1d-4c83-9e55-0d7f3a1b2c4d", "9c1d3e5f-7a2b-4d60-8f11-2e4c6a8b0d13"
NOBODYS_PID = 2**22 + 1
"""Linux gives out smaller numbers."""

CONFIGURATION = Path(__file__).parents[2] / "dagster.yaml"


@pytest.fixture
def instance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[DagsterInstance]:
    """An instance as the project's `dagster.yaml` describes it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "dagster.yaml").write_text(CONFIGURATION.read_text(encoding="utf-8"), encoding="utf-8")
    with DagsterInstance.from_ref(InstanceRef.from_dir(str(tmp_path))) as opened:
        yield opened


class CodeServer(DagsterApiServicer):
    """A code server that only knows of one run."""

    def CanCancelExecution(self, request: Any, _context: object) -> Any:  # noqa: N802 - the name is the protocol's
        asked = deserialize_value(request.serialized_can_cancel_execution_request, CanCancelExecutionRequest)
        answer = CanCancelExecutionResult(can_cancel=asked.run_id == RUN_ID)
        return CanCancelExecutionReply(serialized_can_cancel_execution_result=serialize_value(answer))


@pytest.fixture
def code_server(tmp_path: Path) -> Iterator[dict[str, str]]:
    """The tags of a run that was launched by a code server, in another container perhaps."""
    server = grpc.server(ThreadPoolExecutor(1))
    add_DagsterApiServicer_to_server(CodeServer(), server)  # type: ignore[no-untyped-call]
    server.add_insecure_port(f"unix:{tmp_path}/code.socket")
    server.start()
    yield {GRPC_INFO_TAG: json.dumps({"host": "localhost", "socket": f"{tmp_path}/code.socket"})}
    server.stop(grace=None).wait()


@pytest.fixture
def process() -> Iterator[subprocess.Popen[bytes]]:
    """A process that waits."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as running:
        yield running
        running.kill()


def start_run(instance: DagsterInstance, *, tags: dict[str, str] | None = None, run_id: str = RUN_ID) -> DagsterRun:
    run = DagsterRun(job_name="load", run_id=run_id, status=DagsterRunStatus.STARTED, tags=tags or {})
    return instance.add_run(run)


def statuses_of(instance: DagsterInstance) -> list[DagsterRunStatus]:
    return [run.status for run in instance.get_runs()]


def ask(instance: DagsterInstance, run: DagsterRun) -> WorkerStatus:
    launcher = instance.run_launcher
    assert isinstance(launcher, WatchedRunLauncher)
    assert launcher.supports_check_run_worker_health
    return launcher.check_run_worker_health(run).status


def test_a_run_whose_process_works_is_running_and_one_whose_process_was_killed_is_not_found(
    instance: DagsterInstance, process: subprocess.Popen[bytes]
) -> None:
    run = start_run(instance)
    instance.report_engine_event("Executing steps", run, EngineEventData.in_process(process.pid))
    answers = [ask(instance, run)]

    process.kill()
    process.wait()

    assert [*answers, ask(instance, run)] == [WorkerStatus.RUNNING, WorkerStatus.NOT_FOUND]
    assert statuses_of(instance) == [DagsterRunStatus.FAILURE]


def test_a_process_that_was_killed_and_not_waited_for_is_not_taken_for_one_that_works(
    instance: DagsterInstance, process: subprocess.Popen[bytes]
) -> None:
    run = start_run(instance)
    instance.report_engine_event("Executing steps", run, EngineEventData.in_process(process.pid))

    process.kill()

    deadline = time.monotonic() + 60
    while ask(instance, run) is WorkerStatus.RUNNING:
        assert time.monotonic() < deadline


def test_a_younger_process_with_the_number_of_a_dead_one_is_not_taken_for_it(
    instance: DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Numbers are given out anew when the machine has been started again."""
    run = start_run(instance)
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as younger:
        with monkeypatch.context() as yesterday:
            yesterday.setattr("time.time", lambda: 1_000_000_000.0)
            instance.report_engine_event("Executing steps", run, EngineEventData.in_process(younger.pid))

        answer = ask(instance, run)
        younger.kill()

    assert answer is WorkerStatus.NOT_FOUND


def test_a_run_that_is_not_found_has_failed_before_its_failure_can_be_read(
    instance: DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The daemon that retries runs passes over a failure whose run it does not find failed."""
    run = start_run(instance)
    instance.report_engine_event("Executing steps", run, EngineEventData.in_process(NOBODYS_PID))
    seen, store_event = [], instance.event_log_storage.store_event

    def look_first(event: EventLogEntry) -> None:
        seen.append((event.dagster_event_type, statuses_of(instance)))
        store_event(event)

    monkeypatch.setattr(instance.event_log_storage, "store_event", look_first)
    ask(instance, run)

    assert seen == [(DagsterEventType.RUN_FAILURE, [DagsterRunStatus.FAILURE])]


def test_a_run_that_came_to_its_end_in_the_last_moment_stays_a_success(instance: DagsterInstance) -> None:
    run = start_run(instance)
    instance.report_engine_event("Executing steps", run, EngineEventData.in_process(NOBODYS_PID))
    instance.report_dagster_event(DagsterEvent(DagsterEventType.RUN_SUCCESS.value, job_name="load"), run_id=RUN_ID)

    ask(instance, run)

    assert statuses_of(instance) == [DagsterRunStatus.SUCCESS]


def test_a_run_of_which_no_process_is_known_yet_is_let_be(instance: DagsterInstance) -> None:
    """A run that a person starts on the command line has a moment before its first event."""
    assert ask(instance, start_run(instance)) is WorkerStatus.RUNNING


@pytest.mark.parametrize(
    ("run_id", "status"),
    [
        pytest.param(RUN_ID, WorkerStatus.RUNNING, id="the server has it"),
        pytest.param(OTHER_RUN_ID, WorkerStatus.NOT_FOUND, id="the server was started anew"),
    ],
)
def test_a_process_that_cannot_be_seen_from_here_is_asked_for_at_its_code_server(
    instance: DagsterInstance, code_server: dict[str, str], run_id: str, status: WorkerStatus
) -> None:
    run = start_run(instance, tags=code_server, run_id=run_id)
    instance.report_engine_event("Started process for run", run, EngineEventData.in_process(NOBODYS_PID))

    assert ask(instance, run) is status


def test_a_run_whose_code_server_is_gone_too_is_not_found(instance: DagsterInstance, tmp_path: Path) -> None:
    tags = {GRPC_INFO_TAG: json.dumps({"host": "localhost", "socket": f"{tmp_path}/gone.socket"})}
    run = start_run(instance, tags=tags)
    instance.report_engine_event("Started process for run", run, EngineEventData.in_process(NOBODYS_PID))

    assert ask(instance, run) is WorkerStatus.NOT_FOUND
