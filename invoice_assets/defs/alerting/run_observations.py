"""What the instance remembers of runs, as observations: steps that failed or succeeded, runs that died.

What becomes of an observation is the business of `alerts/`; failed checks are observed in `check_observations.py`.
https://docs.dagster.io/guides/monitor/logging
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from dagster import DagsterEventType, DagsterInstance, DagsterRunStatus, EventLogEntry, RunRecord
from dagster._core.events import JobFailureData

from invoice_assets.alerts.observations import Observation, Report, Severity
from invoice_assets.defs.alerting.recorded_errors import (
    SEE_THE_RUN,
    RecordedCause,
    find_recorded_cause,
    is_failed_check,
    name_innermost,
)
from invoice_assets.defs.alerting.run_history import (
    ended_at,
    is_settled,
    link_run,
    name_partition,
    read_ended_runs,
    read_events,
    read_latest_runs,
)

RUNS_OF_A_FIRST_LOOK = 100
"""How far back the present state of every step is looked for; one load of all cadences is a handful of runs."""

_TELLING = {DagsterEventType.STEP_SUCCESS, DagsterEventType.STEP_FAILURE, DagsterEventType.RUN_FAILURE}
_WHAT_TO_DO = {
    True: "Run it again: the cause can have passed.",
    False: "Mend the cause first: every run fails in the same way until then.",
    None: "Look into the log of the run.",
}


@dataclass(frozen=True, kw_only=True)
class RunObservations:
    """Reads the observations of one code location's runs (an `ObservationReader`).

    All that a run says is as of its end: only then is it known whether Dagster tries again. A failure that will be
    retried is not told, its retry will be; nor is a cancelled run, nor a step that failed by a blocking asset check.
    """

    instance: DagsterInstance
    location: tuple[str, str] | None
    """Names of the code location and its repository, whose runs are read; None reads all."""
    jobs: frozenset[str]
    steps: frozenset[str]
    """What the code location has now; a failure of anything else is nobody's any more."""
    resources: Mapping[str, str]
    """The resource that each step belongs to, by the step's key."""
    webserver_url: str

    def read_current(self) -> list[Observation]:
        """What each step and each job did last, among the latest runs."""
        found = [
            observation
            for record in read_latest_runs(self.instance, limit=RUNS_OF_A_FIRST_LOOK)
            for observation in self._observe(record)
        ]
        return list({observation.subject: observation for observation in found}.values())

    def read_since(self, since: float) -> list[Observation]:
        """What each step and each job did in the runs that ended after the instant, oldest first."""
        return [
            observation
            for record in read_ended_runs(self.instance, since=since)
            for observation in self._observe(record)
        ]

    def knows(self, subject: str) -> bool:
        """Whether there still is such a step or job."""
        kind, _, name = subject.partition(":")
        return name in (self.steps if kind == "step" else self.jobs)

    def _observe(self, record: RunRecord) -> Iterator[Observation]:
        run = record.dagster_run
        if run.status is DagsterRunStatus.CANCELED or not self._is_ours(record):
            return
        entries = list(read_events(self.instance, run.run_id, _TELLING))
        last = {entry.step_key: entry for entry in entries if entry.step_key}
        failed = {step for step, entry in last.items() if _has_failed(entry)}
        tells_failures = is_settled(self.instance, run)
        for step, entry in last.items():
            if step not in failed:
                yield self._tell_step(record, step, None)
            elif tells_failures and not is_failed_check(entry.get_dagster_event().step_failure_data):
                yield self._tell_step(record, step, find_recorded_cause(entry.get_dagster_event().step_failure_data))
        if run.status is DagsterRunStatus.SUCCESS:
            yield self._tell_job(record, None)
        elif tells_failures and not failed:
            yield self._tell_job(record, _find_cause_of_death(entries))

    def _is_ours(self, record: RunRecord) -> bool:
        origin = record.dagster_run.remote_job_origin
        if origin is None or self.location is None:
            return True
        repository = origin.repository_origin
        return (repository.code_location_origin.location_name, repository.repository_name) == self.location

    def _tell_step(self, record: RunRecord, step: str, cause: RecordedCause | None) -> Observation:
        return self._tell(record, f"step:{step}", step, cause, resource=self.resources.get(step, ""))

    def _tell_job(self, record: RunRecord, cause: RecordedCause | None) -> Observation:
        name = record.dagster_run.job_name
        title = "a run of chosen assets" if name.startswith("__") else f"a run of {name}"
        return self._tell(record, f"job:{name}", title, cause)

    def _tell(
        self, record: RunRecord, subject: str, title: str, cause: RecordedCause | None, *, resource: str = ""
    ) -> Observation:
        run = record.dagster_run
        return Observation(
            subject=subject,
            resource=resource,
            at=ended_at(record),
            severity=Severity.ERROR if cause else None,
            cause=cause.name if cause else "",
            report=Report(
                title=title,
                summary=cause.text if cause else "",
                what_to_do=_WHAT_TO_DO[cause.a_rerun_can_help] if cause else "",
                partition=name_partition(run),
                links=(link_run(self.webserver_url, run.run_id),),
            ),
        )


def _has_failed(entry: EventLogEntry) -> bool:
    return entry.dagster_event_type is DagsterEventType.STEP_FAILURE


def _find_cause_of_death(entries: list[EventLogEntry]) -> RecordedCause:
    """What is known of a run that failed although none of its steps did: it was not launched, or its process died."""
    for entry in entries:
        data = entry.get_dagster_event().event_specific_data
        if isinstance(data, JobFailureData) and (cause := name_innermost(data.error)):
            return cause
    return RecordedCause(name="no step failed", text=f"The run failed although none of its steps did: {SEE_THE_RUN}.")
