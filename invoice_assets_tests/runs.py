"""What a Dagster run in this process says: metadata, checks, failures. Used by tests, the demo and benchmarks."""

from typing import Any

from dagster import AssetKey, DagsterEventType, ExecuteInProcessResult

from invoice_assets.defs.partitions import build_partitions
from invoice_assets.defs.schedules import RANGE_END_TAG, RANGE_START_TAG
from invoice_assets.resource_spec import Cadence, CheckName, ResourceSpec
from invoice_assets.settings import Settings

QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
"""Run config that keeps a run's log out of the terminal; it is in the instance all the same."""


def select_all_partitions(settings: Settings) -> dict[str, str]:
    """Run tags that ask for every partition of the transactions up to today's: a complete read."""
    partitions = build_partitions(Cadence.TRANSACTIONS, settings)
    assert partitions is not None
    keys = partitions.get_partition_keys()
    return select_partitions(keys[0], keys[-1])


def select_partitions(first: str, last: str) -> dict[str, str]:
    """Run tags that ask for consecutive partitions."""
    return {RANGE_START_TAG: first, RANGE_END_TAG: last}


def metadata_of(result: ExecuteInProcessResult, name: str) -> dict[str, Any]:
    """The metadata of a resource's materialization in a run, of the last partition where there are several."""
    events = [e for e in result.get_asset_materialization_events() if e.asset_key == AssetKey(["invoicing", name])]
    return {key: value.value for key, value in events[-1].materialization.metadata.items()}


def checks_of(result: ExecuteInProcessResult, name: str) -> dict[str, bool]:
    """Whether each check of a resource passed in a run."""
    return {
        evaluation.check_name: evaluation.passed
        for evaluation in result.get_asset_check_evaluations()
        if evaluation.asset_key == AssetKey(["invoicing", name])
    }


def names_of_checks(spec: ResourceSpec) -> set[str]:
    """The checks that a resource is to have: all, but for references where it has none."""
    return {str(name) for name in CheckName if spec.references or name is not CheckName.REFERENCES_ARE_RESOLVED}


def failures_of(result: ExecuteInProcessResult) -> dict[str, str]:
    """What each failed step of a run said, by the step's name."""
    failures = {}
    for event in result.all_events:
        if event.event_type is DagsterEventType.STEP_FAILURE and event.step_key:
            data = event.step_failure_data
            said = data.user_failure_data.description if data.user_failure_data else None
            failures[event.step_key] = said or (data.error.to_string() if data.error else "")
    return failures


def failure_metadata_of(result: ExecuteInProcessResult, step: str) -> dict[str, Any]:
    """The metadata of a step's failure; none where it gave none, or did not fail."""
    data = [event.step_failure_data for event in result.all_events if event.is_step_failure and event.step_key == step]
    return {
        key: value.value
        for found in data
        if found.user_failure_data
        for key, value in found.user_failure_data.metadata.items()
    }


def seconds_of(result: ExecuteInProcessResult, step: str) -> float:
    """How long a step took, or 0 where it did not succeed."""
    return sum(
        event.step_success_data.duration_ms / 1000
        for event in result.events_for_node(step)
        if event.event_type is DagsterEventType.STEP_SUCCESS
    )
