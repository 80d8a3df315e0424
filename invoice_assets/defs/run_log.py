"""The log of a run as lines of JSON, for whoever collects logs: one object a line on standard output.

`dagster.yaml` names the handler, which hands it every line of a run: the project's own, Dagster's events and what the
logger `invoice_assets` says. Off unless INVOICE_LOG_FORMAT is json (docs/observability.md).
https://docs.dagster.io/guides/log-debug/logging/python-logging
"""

import logging
import re
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, TextIO

from dagster import DagsterEvent
from dagster._core.log_manager import DagsterLogRecordMetadata, get_log_record_metadata
from dagster._core.storage.tags import (
    ASSET_PARTITION_RANGE_END_TAG,
    ASSET_PARTITION_RANGE_START_TAG,
    PARTITION_NAME_TAG,
)

from invoice_assets.catalog import RESOURCES
from invoice_assets.defs.failures import ERROR_CLASS
from invoice_assets.settings import LogFormat, Settings

if TYPE_CHECKING:
    from dagster_shared.error import SerializableErrorInfo

_STEP = re.compile(
    rf"(?:load|check|check_references_of|unite)_({'|'.join(sorted(RESOURCES, key=len, reverse=True))})(?:_(.+))?"
)


class RunLogHandler(logging.StreamHandler[TextIO]):
    """Writes a run's log as JSON, or nothing where the environment does not ask for it."""

    def __init__(self) -> None:
        super().__init__(sys.stdout)
        self._is_wanted = Settings.from_env().log_format is LogFormat.JSON
        if self._is_wanted:
            from pythonjsonlogger.json import JsonFormatter

            renamed = {"levelname": "level", "name": "logger"}
            self.setFormatter(JsonFormatter(["levelname", "name", "message"], rename_fields=renamed, timestamp=True))

    def emit(self, record: logging.LogRecord) -> None:
        """Write the line as an object of its own, without the prefix that Dagster gives it."""
        if self._is_wanted:
            metadata = get_log_record_metadata(record)
            line = {"name": record.name, "levelno": record.levelno, "levelname": record.levelname}
            told = {"msg": metadata["orig_message"], "created": record.created, **describe_line(metadata)}
            super().emit(logging.makeLogRecord(line | told))


def describe_line(metadata: DagsterLogRecordMetadata) -> dict[str, str]:
    """What a line belongs to, from Dagster's metadata of it: run, job, step, organisation, resource, partition, event.

    Of an error its class, and what is said of it where that is this project's sentence: others may quote values.
    """
    event = metadata["dagster_event"]
    found = _STEP.fullmatch(metadata["step_key"] or "")
    about = {
        "run_id": metadata["run_id"],
        "job": metadata["job_name"],
        "step": metadata["step_key"],
        "organization": found[2] if found else None,
        "resource": found[1] if found else None,
        "partition": _name_partitions(metadata["job_tags"]),
        "event": event.event_type_value if event else None,
        **_describe_failure(event),
    }
    return {name: value for name, value in about.items() if value}


def _name_partitions(tags: Mapping[str, str]) -> str | None:
    """The partition of a run, or the first and the last with dots between them."""
    first, last = (tags.get(tag) for tag in (ASSET_PARTITION_RANGE_START_TAG, ASSET_PARTITION_RANGE_END_TAG))
    return f"{first}...{last}" if first and last else tags.get(PARTITION_NAME_TAG)


def _describe_failure(event: DagsterEvent | None) -> dict[str, str | None]:
    data = event.event_specific_data if event else None
    if failure := getattr(data, "user_failure_data", None):
        return {"error": str(failure.metadata[ERROR_CLASS].value), "reason": failure.description}
    error: SerializableErrorInfo | None = getattr(data, "error", None)
    while error and error.cause:
        error = error.cause
    return {"error": error.cls_name if error else None}
