"""Variables, addresses and `.env`, judged without asking anybody."""

from __future__ import annotations

from pathlib import Path

import pytest

from invoice_assets.doctor.configuration import examine_addresses, examine_env_file, examine_names, examine_settings
from invoice_assets.doctor.findings import State
from invoice_assets.organizations import DATA_CENTERS
from invoice_assets.settings import Settings, read_usable

EU, COM = DATA_CENTERS["eu"], DATA_CENTERS["com"]


def test_each_variable_that_cannot_be_used_is_told() -> None:
    environ = {"INVOICE_TIMEZONE": "Mars", "INVOICE_CATCH_UP_DAYS": "-1", "INVOICE_DATASET": "invoicing"}
    settings, problems = read_usable(environ)

    found = list(examine_settings(problems))

    assert sorted(one.what.split(" ")[0] for one in found) == ["INVOICE_CATCH_UP_DAYS", "INVOICE_TIMEZONE"]
    assert {one.state for one in found} == {State.FAILING}
    assert settings.dataset == "invoicing"


def test_variables_that_can_be_used_are_fine() -> None:
    (found,) = examine_settings(read_usable({})[1])

    assert found.state is State.FINE


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        pytest.param("INVOICE_CRON_TODYA", "Write INVOICE_CRON_TODAY, unless", id="misspelt"),
        pytest.param("INVOICE_API_REFERSH_TOKEN", "Write INVOICE_API_REFRESH_TOKEN, unless", id="misspelt-secret"),
        pytest.param("INVOICE_XYZZY", "Take it out, unless", id="like-nothing"),
    ],
)
def test_a_variable_that_nobody_reads_is_a_warning_without_its_value(name: str, advice: str) -> None:
    (found,) = examine_names(Settings.from_env({name: "its value", "OTHER_TOOL": "x", "INVOICE_ALERT_URLS": "y"}))

    assert found.state is State.WARNING
    assert name in found.what
    assert found.what_to_do.startswith(advice)
    assert "its value" not in str(found)


def test_each_of_several_organisations_may_call_its_credentials_as_it_likes() -> None:
    named = {"INVOICE_EU_CLIENT_ID": "x", "INVOICE_EU_CLIENT_SECRET": "x", "INVOICE_EU_REFRESH_TOKEN": "x"}

    assert list(examine_names(Settings.from_env(named | {"INVOICE_ORGANIZATIONS": "organizations.toml"}))) == []
    assert len(list(examine_names(Settings.from_env(named)))) == 3


@pytest.mark.parametrize(
    ("base_url", "token_url", "state", "says"),
    [
        pytest.param(*EU, State.FINE, "data centre eu", id="one-data-centre"),
        pytest.param(EU[0], COM[1], State.FAILING, "that of the data centre eu", id="two-data-centres"),
        pytest.param("http://127.0.0.1:1/", "http://127.0.0.1:1/t", State.FINE, "of no data centre", id="sandbox"),
        pytest.param("x", COM[1], State.FAILING, "INVOICE_API_BASE_URL is no address", id="no-address"),
        pytest.param("", COM[1], State.FAILING, "INVOICE_API_BASE_URL is not set", id="one-unset"),
        pytest.param("", "", State.FAILING, "BASE_URL and INVOICE_API_TOKEN_URL are not set", id="nothing-set"),
        pytest.param(COM[0], "http://x.example/", State.FAILING, "INVOICE_API_TOKEN_URL begins with http", id="clear"),
    ],
)
def test_addresses_have_to_be_usable_and_of_one_data_centre(
    base_url: str, token_url: str, state: State, says: str
) -> None:
    (found,) = examine_addresses(Settings(base_url=base_url, token_url=token_url))

    assert found.state is state
    assert says in found.what


@pytest.mark.parametrize(("mode", "state"), [(0o600, State.FINE), (0o644, State.WARNING)], ids=["own", "open"])
def test_a_file_of_secrets_that_others_can_read_is_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: int, state: State
) -> None:
    monkeypatch.chdir(tmp_path)
    assert list(examine_env_file()) == []
    (tmp_path / ".env").touch(mode)
    (tmp_path / ".env").chmod(mode)

    (found,) = examine_env_file()

    assert found.state is state


def test_a_line_of_the_file_that_cannot_be_read_is_told_by_its_number_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").touch(0o600)
    (tmp_path / ".env").write_text("INVOICE_API_CLIENT_SECRET 'planted\nA=1\nB='planted\n")

    _, found = examine_env_file()

    assert (found.name, found.state) == (".env", State.WARNING)
    assert found.what == "what begins on line 1, 3 is no NAME=value, and sets nothing"
    assert "planted" not in repr(found)
