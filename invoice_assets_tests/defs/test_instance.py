"""The Dagster instance that the command line asks: what is said where its file cannot be used."""

from __future__ import annotations

from pathlib import Path

import pytest

from invoice_assets.defs.instance import UnusableInstanceError, open_instance
from invoice_assets.settings import Settings

TELEMETRY = "telemetry: {enabled: false}\n"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in which a command is run."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("content", "says"),
    [
        pytest.param(b"telemetry: {}\npassword: [planted\n", "it is no YAML at line 3", id="open-bracket"),
        pytest.param(b"password: planted: 1\n", "it is no YAML at line 1", id="two-colons"),
        pytest.param(b"a: 1\npassword: *planted\n", "it is no YAML at line 2", id="a-star-is-an-alias"),
        pytest.param(b"password: planted\0\n", "it is no YAML", id="nul"),
        pytest.param(b"# caf\xe9 planted\n", "it is no UTF-8", id="latin-1"),
        pytest.param(b"planted\n", "it is no YAML of keys and values", id="a-word"),
        pytest.param(b"run_monitorng: {planted: 1}\n", "does not take run_monitorng", id="unknown"),
        pytest.param(b"run_monitoring: {enabld: planted}\n", "take run_monitoring.enabld", id="unknown-below"),
        pytest.param(b"one: planted\ntwo: planted\n", "does not take one, two", id="two-unknown"),
        pytest.param(b"run_monitoring: {enabled: planted}\n", "take run_monitoring.enabled", id="no-switch"),
        pytest.param(b"compute_logs: {module: planted}\n", "take compute_logs.class", id="missing"),
        pytest.param(b"storage: planted\n", "does not take what it says", id="no-place-told"),
        pytest.param(b"{'postgresql://u:planted@h/d': 1}\n", "does not take what it says", id="an-address-for-a-key"),
        pytest.param(b"storage: {postgres: {postgres_url: {env: NOT_SET}}}\n", "take postgres_url", id="variable"),
    ],
)
def test_a_file_that_cannot_be_used_is_told_with_the_place_and_without_a_value(
    home: Path, content: bytes, says: str
) -> None:
    (home / "dagster.yaml").write_bytes(content)

    with pytest.raises(UnusableInstanceError) as raised, open_instance(Settings()):
        pass

    assert str(raised.value).startswith("dagster.yaml cannot be used: ")
    assert says in str(raised.value)
    assert "planted" not in str(raised.value)


def test_the_file_of_dagster_home_is_told_with_its_folder(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "instance").mkdir()
    (home / "instance" / "dagster.yaml").write_text("a: [1\n")
    monkeypatch.setenv("DAGSTER_HOME", str(home / "instance"))

    with pytest.raises(match=f"^{home}/instance/dagster.yaml cannot be used: it is no YAML at line 2"):
        open_instance(Settings.from_env())


def test_a_file_that_dagster_takes_opens_the_instance_of_the_folder(home: Path) -> None:
    (home / "dagster.yaml").write_text(TELEMETRY)

    with open_instance(Settings()) as instance:
        assert instance.root_directory == str(home)
