"""Where a fault is played: a source that has changed since a good load, a run of two resources, and what became of it.

What a fault is lives in `faults.py`; how it is brought about, in `strikes.py`.
"""

import re
import shutil
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

import pytest
from dagster import DagsterEventType, EventLogEntry, ExecuteInProcessResult

from invoice_assets.catalog import RESOURCES
from invoice_assets.defs.failures import A_RERUN_CAN_HELP, ERROR_CLASS
from invoice_assets_tests.postgres import Postgres
from invoice_assets_tests.project import Project
from invoice_assets_tests.reliability.relay import Relay
from invoice_assets_tests.runs import failure_metadata_of, failures_of
from invoice_assets_tests.sandbox.application import ServedPage
from invoice_assets_tests.sandbox.server import Sandbox
from invoice_assets_tests.wire_values import find_differences

STRUCK = "items"
LOADED_BEFORE, LOADED_AFTER = "contacts", "taxes"
ROWS = {STRUCK: 210, LOADED_BEFORE: 3, LOADED_AFTER: 3}
PAGES_OF_STRUCK = 2
"""A table could end up with the first of them."""

CHANGED_FIELDS = {STRUCK: "description", LOADED_BEFORE: "website", LOADED_AFTER: "tax_name"}
LOADER = "loader"
"""The role that loads, and owns the tables: no superuser, whom no permission binds."""

_VARYING = (
    (re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC"), "… UTC"),
    (re.compile(r"\b\d+ bytes"), "… bytes"),
    (re.compile(r"\(byte \d+\)"), "(byte …)"),
    (re.compile(r"\bat 127\.0\.0\.1, port \d+"), "at …, port …"),
)


class Moment(StrEnum):
    """When a fault begins; it is over when the step of the resource that it strikes has ended."""

    BEFORE_THE_RUN = "before the run"
    AT_ITS_STEP = "when the step of its resource begins"
    AT_ITS_FIRST_PAGE = "when page 1 of its resource is read"
    AT_ITS_SECOND_PAGE = "when page 2 of its resource is read"


PAGES = {Moment.AT_ITS_FIRST_PAGE: 1, Moment.AT_ITS_SECOND_PAGE: 2}

Strike = Callable[["Scene"], AbstractContextManager[None]]
"""A context in which the fault is there."""


class Source:
    """A sandbox that its listener can watch, and whose rows change."""

    def __init__(self) -> None:
        self.on_page: Callable[[ServedPage], object] = lambda _: None
        self.sandbox = Sandbox(rows=ROWS, page_hook=lambda page: self.on_page(page))
        self._changes = 0

    def change(self) -> None:
        """Edit the first and the last row of each list, and add one to each."""
        self._changes += 1
        for name in ROWS:
            key = RESOURCES[name].primary_key
            first, *_, last = self.sandbox.rows(name)
            for row in (first, last):
                self.sandbox.edit(name, row[key], **{CHANGED_FIELDS[name]: f"Change {self._changes}"})
            self.sandbox.insert(name)


@dataclass(kw_only=True)
class Scene:
    """A project whose tables are those of an earlier good load, and the source that it reads from."""

    source: Source
    relay: Relay
    project: Project
    environment: pytest.MonkeyPatch
    folder: Path
    postgres: Postgres | None = None
    database_url: str = ""
    _faults: ExitStack = field(default_factory=ExitStack)

    @property
    def sandbox(self) -> Sandbox:
        """The API."""
        return self.source.sandbox

    def run_with(self, strike: Strike, *, moment: Moment, resources: Sequence[str]) -> ExecuteInProcessResult:
        """A run of the resources, without checks, in which the fault begins at its moment."""
        served = 0

        def begin() -> None:
            self._faults.enter_context(strike(self))

        def watch_pages(page: ServedPage) -> None:
            nonlocal served
            served += page.resource == STRUCK
            if page.resource == STRUCK and served == PAGES[moment]:
                begin()

        def watch_steps(event: EventLogEntry) -> None:
            if event.step_key != f"load_{STRUCK}":
                return
            if event.dagster_event_type is DagsterEventType.STEP_START and moment is Moment.AT_ITS_STEP:
                begin()
            if event.dagster_event_type in (DagsterEventType.STEP_FAILURE, DagsterEventType.STEP_SUCCESS):
                self._faults.close()

        if moment is Moment.BEFORE_THE_RUN:
            begin()
        if moment in PAGES:
            self.source.on_page = watch_pages
        with self._faults:
            try:
                return self.project.materialize(*resources, with_checks=False, on_event=watch_steps)
            finally:
                self.source.on_page = lambda _: None

    def tell_failure(self, result: ExecuteInProcessResult, name: str) -> tuple[str, str, bool]:
        """What a failed load of the run says, the class of its error, and whether a rerun can help."""
        step = f"load_{name}"
        metadata = failure_metadata_of(result, step)
        said = self.hide_what_varies(failures_of(result)[step])
        return said, metadata[ERROR_CLASS], metadata[A_RERUN_CAN_HELP]

    def wait_until_nothing_is_refused(self) -> None:
        """What an hour or ten minutes do: what the deployment remembers of refusals is no longer so."""
        shutil.rmtree(self.folder / "state", ignore_errors=True)

    def find_differences(self, name: str) -> dict[str, object]:
        """What sets a table apart from its list at the source, by key."""
        key = RESOURCES[name].primary_key
        wire = {row[key]: row for row in self.sandbox.rows(name)}
        rows = self.project.read_table(name)
        live = {row[key]: row for row in rows if row["deleted_at"] is None}
        differences: dict[str, object] = dict.fromkeys(live.keys() ^ wire.keys(), "is only on one side")
        for known in live.keys() & wire.keys():
            if found := find_differences(live[known], wire[known]):
                differences[known] = found
        return differences

    def hide_what_varies(self, text: str) -> str:
        """The text of an error with addresses, folders, instants and sizes replaced, as the docs show it."""
        text = text.replace(str(self.folder), "…").replace(self.sandbox.base_url, "https://…")
        for pattern, shown in _VARYING:
            text = pattern.sub(shown, text)
        return text
