"""The run launcher that `dagster.yaml` names: Dagster's default one, which can also tell whether a run still works.

Without that, a run that dies together with its code server, as all do when a machine goes down, counts as started for
ever, keeps its pool, and every later load waits for it. What follows from the answer is Dagster's business:
https://docs.dagster.io/deployment/execution/run-monitoring
"""

import psutil
from dagster import DagsterEventType, DagsterRun, DefaultRunLauncher
from dagster._core.errors import DagsterUserCodeUnreachableError
from dagster._core.events import DagsterEvent
from dagster._core.launcher.base import CheckRunHealthResult, WorkerStatus
from dagster._grpc.types import CanCancelExecutionRequest, CanCancelExecutionResult
from dagster._serdes import deserialize_value

_GONE = "The process of the run is gone, and its code server does not know of it."
PID = "pid"
"""Under this key Dagster's events tell the process of a run."""


class WatchedRunLauncher(DefaultRunLauncher):
    """Launches runs by the code server, and looks after their processes."""

    @property
    def supports_check_run_worker_health(self) -> bool:
        """True: run monitoring asks for each run that counts as started."""
        return True

    def check_run_worker_health(self, run: DagsterRun) -> CheckRunHealthResult:
        """RUNNING where the run's code server has it, or its process is there; NOT_FOUND where both are gone.

        A run that is not found has ended when this returns: left to run monitoring, its retry could be lost.
        """
        if self._is_known_to_its_server(run) or self._has_its_process(run):
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        self._report_failure(run)
        return CheckRunHealthResult(WorkerStatus.NOT_FOUND, _GONE)

    def _report_failure(self, run: DagsterRun) -> None:
        """Have the run fail, unless it came to its end in the last moment: its status first, then its event.

        Dagster itself stores the event first. Its daemon that retries runs passes over an event whose run it does not
        find failed, for good: https://github.com/dagster-io/dagster/issues/33741
        """
        now = self._instance.get_run_by_id(run.run_id)
        if now is None or now.is_finished:
            return
        failure = DagsterEvent(DagsterEventType.RUN_FAILURE.value, job_name=run.job_name, message=_GONE)
        self._instance.run_storage.handle_run_event(run.run_id, failure)
        self._instance.report_run_failed(run, _GONE)

    def _is_known_to_its_server(self, run: DagsterRun) -> bool:
        client = self._get_grpc_client_for_termination(run.run_id)  # type: ignore[no-untyped-call]
        if client is None:
            return False
        try:
            answer = client.can_cancel_execution(CanCancelExecutionRequest(run_id=run.run_id))
        except DagsterUserCodeUnreachableError:
            return False
        return deserialize_value(answer, CanCancelExecutionResult).can_cancel

    def _has_its_process(self, run: DagsterRun) -> bool:
        """Whether a process of this machine is the run's; also where none is known, as in a run's first moments."""
        for entry in reversed(self._instance.all_logs(run.run_id, of_type=DagsterEventType.ENGINE_EVENT)):
            metadata = entry.dagster_event.engine_event_data.metadata if entry.dagster_event else {}
            if PID in metadata:
                return _is_alive(int(str(metadata[PID].value)), at=entry.timestamp)
        return True


def _is_alive(pid: int, *, at: float) -> bool:
    """Whether the process is still the one that had this number at that epoch second."""
    try:
        process = psutil.Process(pid)
        return process.create_time() <= at and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
