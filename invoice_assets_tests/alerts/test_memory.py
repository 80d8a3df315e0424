import json

import pytest

from invoice_assets.alerts.memory import OVERLAP_S, VERSION, AlertMemoryError, Flap, Incident, Memory
from invoice_assets.alerts.observations import Report
from invoice_assets_tests.alerts.examples import ERROR, KEYS_PRESENT, KEYS_UNIQUE, PASS, WARN, observe

REPORT = Report(
    title="invoices: primary_key_is_unique",
    summary="3 keys occur twice.",
    what_to_do="Look for “them”.",
    rows=6,
    sample_keys=("982000000567001", "982000000567002"),
    partition="2026-11-01",
    links=(("The check", "http://127.0.0.1:3000/assets/invoicing/invoices"),),
)
FULL = Memory(
    read_until=1795380000.123456,
    recent={KEYS_UNIQUE: 1795379999.1},
    incidents={
        KEYS_UNIQUE: Incident(
            since=1795370000.7,
            told_at=1795370030,
            told_severity=WARN,
            observation=observe(1795379999.1, ERROR, cause="not run", report=REPORT),
        )
    },
    changes={KEYS_UNIQUE: (1795370000.7, 1795371000.0)},
    flaps={
        KEYS_PRESENT: Flap(since=1.0, changed_at=2.5, told_at=3.0, observation=observe(2.5, PASS, subject=KEYS_PRESENT))
    },
    attempts=3,
    next_attempt_at=1795380120.0,
)


def test_a_memory_is_read_as_it_was_written() -> None:
    assert Memory.from_json(FULL.to_json()) == FULL


def test_a_memory_of_nothing_is_read_as_it_was_written() -> None:
    empty = Memory(read_until=1795380000.1)

    assert Memory.from_json(empty.to_json()) == empty


def test_the_next_look_begins_before_the_last_one_ended() -> None:
    assert Memory(read_until=1000).read_from == 1000 - OVERLAP_S


def test_a_memory_of_another_version_is_refused() -> None:
    """A fresh start in its place would leave failures untold."""
    newer = json.dumps({**json.loads(FULL.to_json()), "version": VERSION + 1})

    with pytest.raises(AlertMemoryError, match=f"version {VERSION + 1}, and this release reads {VERSION}"):
        Memory.from_json(newer)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty"),
        pytest.param(FULL.to_json()[:-20], id="cut off"),
        pytest.param("[]", id="a list"),
        pytest.param("null", id="null"),
        pytest.param('{"read_until": 1}', id="no version"),
        pytest.param(json.dumps({"version": VERSION}), id="no content"),
        pytest.param(FULL.to_json().replace('"warn"', '"fatal"'), id="an unknown severity"),
        pytest.param(FULL.to_json().replace('"rows":', '"lines":'), id="an unknown word in a report"),
        pytest.param(
            FULL.to_json().replace('"recent":{', '"recent":[{').replace('},"incid', '}],"incid'), id="a list of times"
        ),
    ],
)
def test_a_memory_that_cannot_be_read_is_an_error_and_no_fresh_start(text: str) -> None:
    with pytest.raises(AlertMemoryError, match="it is damaged"):
        Memory.from_json(text)
