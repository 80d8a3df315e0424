"""Loads that are over: for each asset the latest materialization, and the run that had the last word on it.

Whether its checks have run is judged in `check_observations.py`.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from dagster import AssetKey, DagsterInstance, RunRecord

from invoice_assets.defs.alerting.run_history import ended_at, is_settled, read_retries, read_runs


@dataclass(frozen=True, kw_only=True)
class FinishedLoad:
    """A materialization whose run is over, and its retries too."""

    asset_key: AssetKey
    materialized_at: float
    run: RunRecord
    """The run that materialized it, or the last one of its retries."""
    run_ids: frozenset[str]
    """That run, the one that materialized, and every retry."""

    @property
    def ended_at(self) -> float:
        """From when on its checks are due, in epoch seconds."""
        return ended_at(self.run)


def find_finished_loads(instance: DagsterInstance, asset_keys: Iterable[AssetKey]) -> list[FinishedLoad]:
    """The latest load of each asset; none for an asset whose load is under way or was reported without a run."""
    materialized = {
        record.asset_entry.asset_key: record.asset_entry.last_materialization_record
        for record in instance.get_asset_records(list(asset_keys))
    }
    by_run = {key: latest for key, latest in materialized.items() if latest is not None and latest.run_id}
    runs = read_runs(instance, (latest.run_id for latest in by_run.values()))
    loads = []
    for key, latest in by_run.items():
        series = _read_series(instance, runs[latest.run_id]) if latest.run_id in runs else []
        if series and is_settled(instance, series[0].dagster_run):
            loads.append(
                FinishedLoad(
                    asset_key=key,
                    materialized_at=latest.timestamp,
                    run=series[0],
                    run_ids=frozenset(record.dagster_run.run_id for record in series),
                )
            )
    return loads


def _read_series(instance: DagsterInstance, record: RunRecord) -> list[RunRecord]:
    """The run and, where it was given up to its retries, those; newest first."""
    if is_settled(instance, record.dagster_run) or not record.dagster_run.is_finished:
        return [record]
    return [*read_retries(instance, record.dagster_run), record]
