"""What the instance remembers of asset checks, as observations: evaluations, whoever made them, and checks left out.

What becomes of an observation is the business of `alerts/`; failed steps are observed in `run_observations.py`.
https://docs.dagster.io/guides/test/asset-checks
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from dagster import (
    AssetCheckEvaluation,
    AssetCheckKey,
    AssetCheckSeverity,
    AssetCheckSpec,
    AssetKey,
    DagsterEventType,
    DagsterInstance,
    EventLogEntry,
    RunRecord,
)
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecord

from invoice_assets.alerts.observations import Observation, Report, Severity
from invoice_assets.defs.alerting.finished_loads import FinishedLoad, find_finished_loads
from invoice_assets.defs.alerting.run_history import (
    link_run,
    name_partition,
    read_ended_runs,
    read_events,
    read_runs,
    read_runs_under_way,
)
from invoice_assets.defs.checks import OFFENDING_ROWS, RUNS_WITHOUT_ITS_ASSET, SAMPLES, WHAT_TO_DO
from invoice_assets.ingest.tables import SAMPLE_KEYS

NOT_RUN = "not run"
RECORDS_PER_QUERY = 25

_SEVERITIES = {AssetCheckSeverity.WARN: Severity.WARN, AssetCheckSeverity.ERROR: Severity.ERROR}


@dataclass(frozen=True, kw_only=True)
class CheckObservations:
    """Reads the observations of one code location's unpartitioned asset checks (an `ObservationReader`)."""

    instance: DagsterInstance
    specs: Mapping[AssetCheckKey, AssetCheckSpec]
    webserver_url: str

    def read_current(self) -> list[Observation]:
        """The latest evaluation of each check, or that it was left out since; nothing of a check that was never due."""
        evaluations = [entry for key in self.specs for entry in _evaluations(self._read_page(key), since=0.0)]
        runs = read_runs(self.instance, (entry.run_id for entry in evaluations if entry.run_id))
        loads = find_finished_loads(self.instance, self._due_assets())
        found = sorted(self._observe(evaluations, loads=loads, runs=runs), key=lambda observation: observation.at)
        return list({observation.subject: observation for observation in found}.values())

    def read_since(self, since: float) -> list[Observation]:
        """Every evaluation after the instant, and every check that a load which ended after it has left out."""
        ended = read_ended_runs(self.instance, since=since)
        loads = find_finished_loads(self.instance, self._due_assets()) if ended else []
        loads = [load for load in loads if load.ended_at > since]
        horizon = min([since, *(load.materialized_at for load in loads)])
        if horizon < since:
            ended = read_ended_runs(self.instance, since=horizon)
        runs = {record.dagster_run.run_id: record for record in [*read_runs_under_way(self.instance), *ended]}
        evaluations = self._read_evaluations(runs, since=horizon)
        found = self._observe(evaluations, loads=loads, runs=runs)
        return sorted((seen for seen in found if seen.at > since), key=lambda observation: observation.at)

    def knows(self, subject: str) -> bool:
        """Whether there still is such a check."""
        return any(_name_subject(key) == subject for key in self.specs)

    def _read_evaluations(self, runs: Iterable[str], *, since: float) -> list[EventLogEntry]:
        """Every evaluation after the instant, and all of these runs, which are under way or ended after it.

        A check's records are in the order in which its runs were *created*. Those created since the instant stand on
        top; an older record can have been evaluated since then only by a run that has ended since, or has not yet.
        """
        entries = [entry for run_id in runs for entry in self._read_log(run_id)]
        latest = self.instance.event_log_storage.get_latest_asset_check_execution_by_key(list(self.specs))
        for key, record in latest.items():
            if _recorded_at(record) > since:
                entries.extend(_evaluations(self._read_records(key, since=since), since=since))
        return list({(entry.run_id, _key(entry), entry.timestamp): entry for entry in entries}.values())

    def _read_log(self, run_id: str) -> Iterator[EventLogEntry]:
        for entry in read_events(self.instance, run_id, {DagsterEventType.ASSET_CHECK_EVALUATION}):
            if _key(entry) in self.specs:
                yield entry

    def _read_records(self, key: AssetCheckKey, *, since: float) -> Iterator[AssetCheckExecutionRecord]:
        """A check's records down to the first that was neither made nor filled in after the instant."""
        page = self._read_page(key)
        while page:
            for record in page:
                if _recorded_at(record) <= since:
                    return
                yield record
            page = self._read_page(key, below=page[-1].id)

    def _read_page(self, key: AssetCheckKey, *, below: int | None = None) -> Sequence[AssetCheckExecutionRecord]:
        return self.instance.event_log_storage.get_asset_check_execution_history(
            key, limit=RECORDS_PER_QUERY, cursor=below
        )

    def _observe(
        self, evaluations: Sequence[EventLogEntry], *, loads: Sequence[FinishedLoad], runs: Mapping[str, RunRecord]
    ) -> Iterator[Observation]:
        for entry in evaluations:
            yield self._observe_evaluation(entry, runs.get(entry.run_id))
        for load in loads:
            for key in self._find_left_out(load, evaluations):
                yield self._observe_left_out(key, load)

    def _observe_evaluation(self, entry: EventLogEntry, run: RunRecord | None) -> Observation:
        evaluation, spec = _evaluation(entry), self.specs[_key(entry)]
        severity = None if evaluation.passed else _SEVERITIES[evaluation.severity]
        offending_rows, sample_keys = (_read(evaluation, name) for name in (OFFENDING_ROWS, SAMPLES))
        return Observation(
            subject=_name_subject(spec.key),
            resource=spec.asset_key.path[-1],
            at=entry.timestamp,
            severity=severity,
            report=Report(
                title=_name_check(spec.key),
                summary=evaluation.description or ("" if severity is None else "The check failed."),
                what_to_do="" if severity is None else str(spec.metadata.get(WHAT_TO_DO, "")),
                rows=offending_rows if isinstance(offending_rows, int) and offending_rows else None,
                sample_keys=tuple(map(str, sample_keys[:SAMPLE_KEYS])) if isinstance(sample_keys, list) else (),
                partition=name_partition(run.dagster_run) if run else None,
                links=self._links(spec.key, entry.run_id),
            ),
        )

    def _observe_left_out(self, key: AssetCheckKey, load: FinishedLoad) -> Observation:
        run = load.run.dagster_run
        return Observation(
            subject=_name_subject(key),
            resource=key.asset_key.path[-1],
            at=load.ended_at,
            severity=Severity.ERROR,
            cause=NOT_RUN,
            report=Report(
                title=_name_check(key),
                summary="The check did not run although its asset was materialized: nobody knows what it would say.",
                what_to_do="Run the check in the Dagster UI; the log of the run says why it did not.",
                partition=name_partition(run),
                links=self._links(key, run.run_id),
            ),
        )

    def _due_assets(self) -> set[AssetKey]:
        return {key.asset_key for key, spec in self.specs.items() if _is_due_after_its_asset(spec)}

    def _find_left_out(self, load: FinishedLoad, evaluations: Sequence[EventLogEntry]) -> list[AssetCheckKey]:
        """The checks that should have run after this load, and did not, neither with it nor apart from it."""
        has_run = {
            _key(entry)
            for entry in evaluations
            if entry.run_id in load.run_ids or load.materialized_at <= entry.timestamp <= load.ended_at
        }
        due = [
            key
            for key, spec in self.specs.items()
            if key.asset_key == load.asset_key and _is_due_after_its_asset(spec) and key not in has_run
        ]
        return [key for key in due if self._existed(key, load)] if due else []

    def _existed(self, key: AssetCheckKey, load: FinishedLoad) -> bool:
        """Whether the load could have run the check: one that was declared since then is only new.

        A check without a record from before is taken for new where the load planned other checks of its asset.
        """
        page = self._read_page(key)
        if len(page) == RECORDS_PER_QUERY or any(_recorded_at(record) <= load.ended_at for record in page):
            return True
        return not any(
            _key(entry).asset_key == load.asset_key
            for run_id in load.run_ids
            for entry in read_events(self.instance, run_id, {DagsterEventType.ASSET_CHECK_EVALUATION_PLANNED})
        )

    def _links(self, key: AssetCheckKey, run_id: str) -> tuple[tuple[str, str], ...]:
        path = "/".join(quote(part, safe="") for part in key.asset_key.path)
        page = f"{self.webserver_url}/assets/{path}?view=checks&checkDetail={quote(key.name, safe='')}"
        return ("the check", page), *((link_run(self.webserver_url, run_id),) if run_id else ())


def _evaluations(records: Iterable[AssetCheckExecutionRecord], *, since: float) -> Iterator[EventLogEntry]:
    for record in records:
        entry = record.event
        if entry and entry.dagster_event_type is DagsterEventType.ASSET_CHECK_EVALUATION and entry.timestamp > since:
            yield entry


def _evaluation(entry: EventLogEntry) -> AssetCheckEvaluation:
    return entry.get_dagster_event().asset_check_evaluation_data


def _key(entry: EventLogEntry) -> AssetCheckKey:
    """The check that an evaluation, or the plan to make one, is of."""
    of: Any = entry.get_dagster_event().event_specific_data
    return AssetCheckKey(of.asset_key, of.check_name)


def _recorded_at(record: AssetCheckExecutionRecord) -> float:
    """When the check was evaluated, or planned where it was not."""
    return record.event.timestamp if record.event else record.create_timestamp


def _is_due_after_its_asset(spec: AssetCheckSpec) -> bool:
    return not spec.metadata.get(RUNS_WITHOUT_ITS_ASSET, False)


def _read(evaluation: AssetCheckEvaluation, name: str) -> object:
    value = evaluation.metadata.get(name)
    return value.value if value is not None else None


def _name_subject(key: AssetCheckKey) -> str:
    return f"{key.asset_key.to_user_string()}:{key.name}"


def _name_check(key: AssetCheckKey) -> str:
    return f"{'/'.join(key.asset_key.path[1:])}: {key.name}"
