"""Dagster's instance, the shared state and the channels, as a deployment has them."""

from __future__ import annotations

from pathlib import Path

import pytest

from invoice_assets.catalog import RESOURCES
from invoice_assets.doctor.deployment import (
    ALERTS,
    INSTANCE,
    SHARED_STATE,
    examine_alerts,
    examine_instance,
    examine_shared_state,
)
from invoice_assets.doctor.findings import Finding, State, collect
from invoice_assets.settings import Settings

OWN = Path(__file__).parents[2] / "dagster.yaml"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that everything stands in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def look_at_instance(settings: Settings | None = None) -> list[Finding]:
    return list(collect(INSTANCE, lambda: examine_instance(settings or Settings())))


def test_an_instance_of_this_project_s_is_fine(home: Path) -> None:
    (home / "dagster.yaml").write_text(OWN.read_text())

    found = look_at_instance()

    assert {one.state for one in found} == {State.FINE}
    assert "knows 0 runs" in found[0].what


def test_an_instance_without_pools_monitoring_and_retries_is_told_what_to_take_over(home: Path) -> None:
    (home / "dagster.yaml").write_text("telemetry: {enabled: false}\n")

    storage, *others = look_at_instance()

    assert storage.state is State.FINE
    assert {one.state for one in others} == {State.WARNING}
    sections = ["concurrency.pools.default_limit: 1", "run_monitoring", "run_retries"]
    assert [one.what_to_do for one in others] == [
        f"Take {section} over from this project's dagster.yaml." for section in sections
    ]


def test_without_an_instance_the_variable_is_named() -> None:
    (found,) = look_at_instance()

    assert found.state is State.FAILING
    assert found.what.startswith("DAGSTER_HOME is not set")


@pytest.mark.parametrize("place", ["/not/there", "relative"])
def test_a_home_that_is_no_folder_is_told_with_the_variable(monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    monkeypatch.setenv("DAGSTER_HOME", place)

    (found,) = collect(INSTANCE, lambda: examine_instance(Settings.from_env()))

    assert found.what == f"DAGSTER_HOME is {place!r}"


def test_an_instance_whose_storage_is_spoilt_fails(home: Path) -> None:
    (home / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    (home / "history").mkdir()
    (home / "history" / "runs.db").write_text("not a database" * 1000)

    (found,) = look_at_instance()

    assert found.state is State.FAILING


def test_a_folder_in_which_processes_can_meet_is_fine(home: Path) -> None:
    (found,) = collect(SHARED_STATE, lambda: examine_shared_state(Settings(shared_state="state")))

    assert (found.state, found.what) == (State.FINE, "processes can meet in state")
    assert (home / "state").stat().st_mode & 0o777 == 0o700


def test_a_file_in_its_place_fails(home: Path) -> None:
    (home / "state").touch()

    (found,) = collect(SHARED_STATE, lambda: examine_shared_state(Settings(shared_state="state")))

    assert found.state is State.FAILING
    assert "cannot keep what this deployment shares" in found.what
    assert "INVOICE_SHARED_STATE" in found.what_to_do


@pytest.mark.parametrize(
    ("urls", "state", "says"),
    [
        pytest.param("", State.WARNING, "nobody is told", id="none"),
        pytest.param("jsons://user:planted@example.com/", State.FINE, "example.com (entry 1)", id="one"),
        pytest.param("nowhere://planted", State.FAILING, "entry 1 (nowhere://)", id="unknown"),
    ],
)
def test_channels_are_read_and_nothing_is_sent(
    monkeypatch: pytest.MonkeyPatch, urls: str, state: State, says: str
) -> None:
    monkeypatch.setenv("INVOICE_ALERT_URLS", urls)

    (found,) = collect(ALERTS, lambda: examine_alerts(Settings.from_env(), list(RESOURCES)))

    assert found.state is state
    assert says in found.what
    assert "planted" not in repr(found)
