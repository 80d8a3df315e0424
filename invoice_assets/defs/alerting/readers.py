"""The observation readers of a code location: of its checks, and of its runs.

Who asks them: `sensors.py`, and the command line. How they read lives in `check_observations.py` and
`run_observations.py`.
"""

from collections.abc import Mapping

from dagster import DagsterInstance, RepositoryDefinition

from invoice_assets.defs.alerting.check_observations import CheckObservations
from invoice_assets.defs.alerting.run_observations import RunObservations
from invoice_assets.settings import Settings


def open_check_observations(
    instance: DagsterInstance, repository: RepositoryDefinition, *, settings: Settings
) -> CheckObservations:
    """The reader of all unpartitioned asset checks of a code location."""
    graph = repository.asset_graph
    specs = {key: graph.get_check_spec(key) for key in graph.asset_check_keys}
    return CheckObservations(
        instance=instance,
        specs={key: spec for key, spec in specs.items() if spec.partitions_def is None},
        webserver_url=settings.webserver_url,
    )


def open_run_observations(
    instance: DagsterInstance,
    repository: RepositoryDefinition,
    *,
    settings: Settings,
    location_name: str | None = None,
) -> RunObservations:
    """The reader of the runs of a code location; of all runs where it has no name."""
    jobs = repository.get_all_jobs()
    return RunObservations(
        instance=instance,
        location=(location_name, repository.name) if location_name else None,
        jobs=frozenset(job.name for job in jobs),
        steps=frozenset(node.name for job in jobs for node in job.nodes),
        resources=find_resources_of_steps(repository),
        webserver_url=settings.webserver_url,
    )


def find_resources_of_steps(repository: RepositoryDefinition) -> Mapping[str, str]:
    """The resource that each step loads or checks, by the step's key; none for a step that is about several."""
    assets_of_step: dict[str, set[str]] = {}
    for key, definition in repository.assets_defs_by_key.items():
        if definition.is_executable:
            assets_of_step.setdefault(definition.node_def.name, set()).add(key.path[-1])
    for check_key, checks in repository.asset_checks_defs_by_key.items():
        assets_of_step.setdefault(checks.node_def.name, set()).add(check_key.asset_key.path[-1])
    return {step: names.pop() for step, names in assets_of_step.items() if len(names) == 1}
