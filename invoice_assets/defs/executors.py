"""Where the steps of a run work: in its process, in processes of their own, on Celery workers, in Kubernetes pods.

The settings name one; the code stays as it is. How a run itself is started is the business of `dagster.yaml`.
https://docs.dagster.io/guides/operate/run-executors
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from dagster import ExecutorDefinition, in_process_executor, multiprocess_executor

from invoice_assets.extras import describe_installation, is_installed
from invoice_assets.settings import Executor, Settings
from invoice_assets.variables import CELERY_BACKEND, CELERY_BROKER, SettingsError

PRELOADED = ["dlt", "duckdb", "pyarrow.parquet", "invoice_assets.definitions", "invoice_assets.defs.loads"]
"""Imported once, by the server that the steps' processes are forked from: each would need seconds for it."""

TASKS_PER_PROCESS = 200
"""A worker's process makes place for a new one after so many steps."""


def choose_executor(settings: Settings) -> ExecutorDefinition:
    """The executor that `INVOICE_EXECUTOR` names.

    Raises:
        SettingsError: It needs a server database, an address, or a package that is not there.
    """
    return _EXECUTORS[settings.executor](settings)


def configure_celery(settings: Settings) -> Mapping[str, Any]:
    """The Celery app as both its sides must see it: broker, result backend and configuration, in `make_app`'s words.

    A step is acknowledged when it is done, so that the step of a worker that died is given to another: at once where
    its process died alone, after the visibility timeout where the whole worker did.
    https://docs.celeryq.dev/en/stable/getting-started/backends-and-brokers/redis.html#visibility-timeout
    """
    backend = CELERY_BACKEND if CELERY_BACKEND in settings.names_set else CELERY_BROKER
    return {
        "broker": {"env": CELERY_BROKER},
        "backend": {"env": backend},
        "config_source": {
            "broker_connection_retry_on_startup": True,
            "broker_transport_options": {"visibility_timeout": settings.celery_visibility_timeout_s},
            "result_backend_transport_options": {"visibility_timeout": settings.celery_visibility_timeout_s},
            "task_acks_late": True,
            "task_reject_on_worker_lost": True,
            "worker_cancel_long_running_tasks_on_connection_loss": True,
            "worker_max_tasks_per_child": TASKS_PER_PROCESS,
            "worker_prefetch_multiplier": 1,
        },
    }


def _in_process(settings: Settings) -> ExecutorDefinition:
    return in_process_executor


def _multiprocess(settings: Settings) -> ExecutorDefinition:
    return multiprocess_executor.configured({"start_method": {"forkserver": {"preload_modules": PRELOADED}}})


def _celery(settings: Settings) -> ExecutorDefinition:
    _require_server(settings)
    if CELERY_BROKER not in settings.names_set:
        raise SettingsError(
            f"INVOICE_EXECUTOR is celery: set {CELERY_BROKER} to the broker, such as redis://10.0.0.5:6379/0."
        )
    _require_extra("celery", module="dagster_celery", settings=settings)
    from dagster_celery import celery_executor

    configured: ExecutorDefinition = celery_executor.configured(dict(configure_celery(settings)))
    return configured


def _k8s(settings: Settings) -> ExecutorDefinition:
    _require_server(settings)
    _require_extra("kubernetes", module="dagster_k8s", settings=settings)
    from dagster_k8s import k8s_job_executor

    executor: ExecutorDefinition = k8s_job_executor
    return executor


def _require_server(settings: Settings) -> None:
    if settings.destination_type == "duckdb":
        raise SettingsError(
            f"INVOICE_EXECUTOR is {settings.executor}, whose steps work on other machines, and a DuckDB file is "
            "of one: name a server in DESTINATION__WAREHOUSE__DESTINATION_TYPE, such as postgres, or use in_process."
        )


def _require_extra(extra: str, *, module: str, settings: Settings) -> None:
    if not is_installed(module):
        raise SettingsError(f"INVOICE_EXECUTOR is {settings.executor}: {describe_installation(extra)}.")


_EXECUTORS: Mapping[Executor, Callable[[Settings], ExecutorDefinition]] = MappingProxyType(
    {
        Executor.IN_PROCESS: _in_process,
        Executor.MULTIPROCESS: _multiprocess,
        Executor.CELERY: _celery,
        Executor.K8S: _k8s,
    }
)
