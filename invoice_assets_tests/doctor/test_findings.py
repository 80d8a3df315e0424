"""Findings: how an error becomes one, foreseen or not."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from invoice_assets.doctor.findings import Finding, State, collect, fine
from invoice_assets.errors import PermanentError


def find(error: Exception | None) -> list[Finding]:
    """What a look finds that comes to this error after its first finding."""

    def look() -> Iterator[Finding]:
        yield fine("disk", "there is one")
        if error:
            raise error

    return list(collect("disk", look))


def test_a_look_without_an_error_is_what_it_finds() -> None:
    assert find(None) == [fine("disk", "there is one")]


def test_an_error_of_ours_is_split_into_what_and_what_to_do() -> None:
    _, found = find(PermanentError("there is no space left for a.duckdb. Make room, then run again."))

    assert (found.state, found.what) == (State.FAILING, "there is no space left for a.duckdb")
    assert found.what_to_do == "Make room, then run again."


def test_an_error_that_nobody_foresaw_is_told_by_its_kind_alone(caplog: pytest.LogCaptureFixture) -> None:
    _, found = find(KeyError("planted"))

    assert "(KeyError)" in found.what
    assert "invoice-assets --debug doctor" in found.what_to_do
    assert "planted" not in repr(found)
    assert caplog.records == []
