"""Random histories of a source and of the runs that read it: what may happen, and how it is done to a sandbox.

What must hold after a history stands in `test_equality.py`. Rows and partitions are picked by number, so that a history
can be printed, shrunk and played again. https://hypothesis.readthedocs.io/en/latest/reference/strategies.html
"""

import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Literal

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from invoice_assets.catalog import RESOURCES
from invoice_assets_tests.sandbox.application import ServedPage
from invoice_assets_tests.sandbox.clock import SandboxClock
from invoice_assets_tests.sandbox.server import Sandbox

ROWS = {"invoices": 204, "expenses": 203, "taxes": 202, "contacts": 5}
"""A keyset, a filter without a sort and a list by page number, each a little longer than a page; and a short keyset."""

Kind = Literal["insert", "edit", "delete", "restore", "set_silently", "add_field"]
STAMPED: tuple[Kind, ...] = ("insert", "edit")
ALL_KINDS: tuple[Kind, ...] = (*STAMPED, "delete", "delete", "delete", "restore", "set_silently", "add_field")
"""Deletions are the most likely, for without them nothing can be restored."""

TEXTS = ("", "A first one", "Zürich", 'the "last" one')
EDITED_FIELDS = {
    "invoices": ("reference_number", TEXTS),
    "expenses": ("description", TEXTS),
    "taxes": ("tax_name", TEXTS[1:]),
    "contacts": ("company_name", TEXTS),
}
"""With what they may say: a name that is required and empty is one that the checks rightly call an error."""
DERIVED_FIELDS = {
    "invoices": "balance",
    "expenses": "total",
    "taxes": "tax_percentage",
    "contacts": "outstanding_receivable_amount",
}
AMOUNTS = (Decimal("0.00"), Decimal("-12.50"), Decimal("98765432109.01"))
NEW_FIELDS = ("cf_region", "cf_größe", "Total", "deleted_at")
NEW_VALUES = ("north", "", 7, Decimal("1.50"), True, None, ["a", "b"], {"a": 1})
FAULTS = (
    "internal_error_1000",
    "truncated_json",
    "connection_dropped",
    "reset_in_mid_body",
    "code_in_200",
    "dead_token_57",
    "repeated_page",
    "duplicated_row",
    "ignored_sort",
)
BRIEF_WAITS_S = (0, 0, 0, 1, 60)
"""Many changes share a second with the one before, as those of a bulk edit do."""
WAITS_S = (*BRIEF_WAITS_S, 6 * 3600)
"""Between runs hours may pass. During one they would kill more access tokens than a session renews in a minute."""


@dataclass(frozen=True)
class Change:
    """One change at the source, `wait_s` seconds after the one before; `pick` chooses the row and the value."""

    kind: Kind
    resource: str
    pick: int
    wait_s: int


@dataclass(frozen=True)
class ScriptedFault:
    """A fault for one or for all (None) requests of the run's first resource, after letting `after` of them pass."""

    name: str
    after: int
    times: int | None


@dataclass(frozen=True)
class Run:
    """A run of some resources over consecutive partitions; after page n is read, batch n of `meanwhile` happens."""

    resources: tuple[str, ...]
    first: int
    last: int
    meanwhile: tuple[tuple[Change, ...], ...] = ()
    fault: ScriptedFault | None = None

    def choose_partitions(self, keys: Sequence[str]) -> tuple[str, str]:
        """The first and the last of the run's partitions, of the ones that there are."""
        first, last = sorted((self.first % len(keys), self.last % len(keys)))
        return keys[first], keys[last]


Step = Change | Run


class Source:
    """A sandbox that histories happen to. Its clock stands still between changes and never overtakes the real one.

    `gone` has the keys of deleted rows that were not inserted again, by resource.
    """

    def __init__(self) -> None:
        today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        self._clock = SandboxClock(today - timedelta(hours=12), is_frozen=True)
        self._batches: deque[tuple[Change, ...]] = deque()
        self.gone: dict[str, list[str]] = {name: [] for name in ROWS}
        self.sandbox = Sandbox(
            rows=ROWS,
            history=(today.date() - timedelta(days=5), today.date() - timedelta(days=2)),
            clock=self._clock,
            page_hook=self._turn_page,
        )

    def expect(self, run: Run) -> None:
        """Prepare what happens while a run reads."""
        self._batches.extend(run.meanwhile)
        if run.fault:
            self.sandbox.script(run.fault.name, resource=run.resources[0], after=run.fault.after, times=run.fault.times)

    def calm_down(self) -> None:
        """Forget the faults and the changes that did not come to pass."""
        self._batches.clear()
        self.sandbox.clear_faults()

    def apply(self, change: Change) -> None:
        """Make one change; a deletion leaves the last row, since an empty list marks nothing."""
        self._clock.advance(min(change.wait_s, max(0.0, time.time() - self._clock.now())))
        name, sandbox = change.resource, self.sandbox
        field, texts = EDITED_FIELDS[name]
        text, amount = texts[change.pick % len(texts)], AMOUNTS[change.pick % len(AMOUNTS)]
        match change.kind:
            case "insert":
                sandbox.insert(name, **{field: text})
            case "edit":
                sandbox.edit(name, self._pick_key(change), **{field: text})
            case "set_silently":
                sandbox.set_silently(name, self._pick_key(change), **{DERIVED_FIELDS[name]: amount})
            case "delete" if sandbox.count(name) > 1:
                key = self._pick_key(change)
                sandbox.delete(name, key)
                self.gone[name].append(key)
            case "restore" if self.gone[name]:
                key = self.gone[name].pop(change.pick % len(self.gone[name]))
                sandbox.insert(name, **{RESOURCES[name].primary_key: key})
            case "add_field":
                value = NEW_VALUES[change.pick % len(NEW_VALUES)]
                sandbox.add_field(name, NEW_FIELDS[change.pick % len(NEW_FIELDS)], value)

    def read(self, name: str) -> dict[str, dict[str, Any]]:
        """The rows that the source has, by key."""
        return {row[RESOURCES[name].primary_key]: row for row in self.sandbox.rows(name)}

    def _pick_key(self, change: Change) -> str:
        keys = list(self.read(change.resource))
        return keys[change.pick % len(keys)]

    def _turn_page(self, _page: ServedPage) -> None:
        for change in self._batches.popleft() if self._batches else ():
            self.apply(change)


def changes(
    resources: Sequence[str] = tuple(ROWS), kinds: Sequence[Kind] = ALL_KINDS, waits_s: Sequence[int] = WAITS_S
) -> SearchStrategy[Change]:
    """Changes of these kinds to rows of these resources, those at both ends of a list more often than not."""
    return st.builds(
        Change,
        kind=st.sampled_from(kinds),
        resource=st.sampled_from(resources),
        pick=st.integers(-3, 3) | st.integers(0, 199),
        wait_s=st.sampled_from(waits_s),
    )


@st.composite
def runs(draw: st.DrawFn) -> Run:
    """Runs of one or two resources over some or all partitions, with changes meanwhile, and with a fault or without."""
    resources = draw(st.lists(st.sampled_from(tuple(ROWS)), min_size=1, max_size=2, unique=True).map(tuple))
    batch = st.lists(changes(resources, waits_s=BRIEF_WAITS_S), min_size=1, max_size=4).map(tuple)
    batches = st.lists(batch, max_size=3).map(tuple)
    first, last = draw(st.just((0, -1)) | st.tuples(st.integers(0, 2), st.integers(0, 2)))
    faults = st.builds(
        ScriptedFault, name=st.sampled_from(FAULTS), after=st.integers(0, 1), times=st.sampled_from((None, 1))
    )
    return Run(resources, first, last, meanwhile=draw(batches), fault=draw(st.none() | faults))


@st.composite
def histories(draw: st.DrawFn) -> list[Step]:
    """Changes and runs: a burst of changes before each run and after the last."""
    bursts = st.lists(changes(), min_size=1, max_size=6)
    history: list[Step] = []
    for run in draw(st.lists(runs(), min_size=1, max_size=2)):
        history += [*draw(bursts), run]
    return [*history, *draw(bursts)]
