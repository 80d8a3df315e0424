"""Metrics of loads: the Dagster resource that sends them, and what a load that has ended adds to them.

What is measured while a load reads stands in `api/session.py` and `api/oauth.py`; how it is sent, in `telemetry/`.
https://docs.dagster.io/guides/build/external-resources
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from threading import Lock
from typing import TYPE_CHECKING

from dagster import ConfigurableResource, InitResourceContext
from pydantic import Field, PrivateAttr

from invoice_assets.defs.failures import find_cause
from invoice_assets.settings import Settings
from invoice_assets.telemetry.metrics import (
    FAILURE,
    LOADS,
    OTHER_ERROR,
    ROWS_DELETED,
    ROWS_LOADED,
    STAGE_DURATION,
    SUCCESS,
)
from invoice_assets.telemetry.recorder import UNRECORDED, Recorder

if TYPE_CHECKING:
    from invoice_assets.defs.loads import Load

_log = logging.getLogger(__name__)


class TelemetryResource(ConfigurableResource["TelemetryResource"]):
    """The metrics of a run, or of a step in a process of its own: sent while it lasts, and when it ends."""

    metrics: bool = Field(default=False, description="Whether metrics go to the collector of OTEL_EXPORTER_OTLP_*.")

    _lock: Lock = PrivateAttr(default_factory=Lock)
    _recorder: Recorder | None = PrivateAttr(default=None)

    @classmethod
    def from_settings(cls, settings: Settings) -> "TelemetryResource":
        """The resource as the environment configures it."""
        return cls(metrics=settings.metrics)

    def open_recorder(self) -> Recorder:
        """The one recorder of the run; one that does nothing where no metrics are wanted, or none can be sent."""
        if not self.metrics:
            return UNRECORDED
        with self._lock:
            self._recorder = self._recorder or _open_otlp_recorder()
        return self._recorder

    def teardown_after_execution(self, context: InitResourceContext) -> None:
        """Send what has not been sent."""
        if self._recorder:
            self._recorder.close()


def _open_otlp_recorder() -> Recorder:
    from invoice_assets.telemetry.otlp import OtlpRecorder

    try:
        return OtlpRecorder()
    except ValueError as error:
        _log.warning("Metrics are not sent: a variable OTEL_* cannot be used (%s). Loads go on without.", error)
        return UNRECORDED


@contextmanager
def measure_load(recorder: Recorder) -> Iterator[Callable[["Load"], None]]:
    """A context in which a resource is loaded, and a function to hand the finished load to.

    `recorder` takes the measurements of the resource: how the load ended, whatever becomes of it later, and its rows.
    """
    try:
        yield partial(_measure, recorder)
    except Exception as error:
        cause = find_cause(error)
        recorder.record(LOADS, outcome=FAILURE, error=type(cause).__name__ if cause else OTHER_ERROR)
        raise
    recorder.record(LOADS, outcome=SUCCESS)


def _measure(recorder: Recorder, load: "Load") -> None:
    recorder.record(ROWS_LOADED, load.census.rows)
    recorder.record(ROWS_DELETED, load.rows_marked_deleted)
    for stage, seconds in load.stages_s.items():
        recorder.record(STAGE_DURATION, seconds, stage=stage)
