"""`organizations.py`: whose data is loaded, and what is said of a file that cannot be used."""

from __future__ import annotations

import tomllib
from datetime import date
from pathlib import Path

import pytest

from invoice_assets.organizations import DATA_CENTERS, draft_file, split_by_organization
from invoice_assets.settings import Settings
from invoice_assets.variables import SettingsError

TWO = """\
[acme]
organization_id = "10234695"
data_center = "eu"
time_zone = "Europe/Berlin"
start_date = 2025-02-03
requests_per_minute = 60
daily_reserve = 100
credentials = "env:ACME"

[globex]
organization_id = "10234696"
data_center = "ca"
"""


def _split(folder: Path, source: str, **settings: object) -> tuple[Settings, ...]:
    path = folder / "organizations.toml"
    path.write_text(source)
    return split_by_organization(Settings(organizations_file=str(path), **settings))  # type: ignore[arg-type]


def _refusal(folder: Path, source: str) -> list[str]:
    with pytest.raises(SettingsError) as refused:
        _split(folder, source)
    return str(refused.value).replace(f"{folder}/", "").splitlines()


def test_one_organisation_needs_no_file() -> None:
    settings = Settings(organization_id="10234695")

    assert split_by_organization(settings) == (settings,)


def test_an_organisation_has_what_the_file_says(tmp_path: Path) -> None:
    acme, _ = _split(tmp_path, TWO)

    assert (acme.slug, acme.organization_id) == ("acme", "10234695")
    assert acme.base_url == "https://www.zohoapis.eu/invoice/v3/"
    assert acme.token_url == "https://accounts.zoho.eu/oauth/v2/token"
    assert (acme.time_zone, acme.start_date) == ("Europe/Berlin", date(2025, 2, 3))
    assert (acme.requests_per_minute, acme.daily_reserve) == (60, 100)
    assert acme.name_variable("INVOICE_API_CLIENT_ID") == "ACME_CLIENT_ID"


def test_what_the_file_does_not_say_is_the_environment_s(tmp_path: Path) -> None:
    _, globex = _split(tmp_path, TWO, time_zone="America/Toronto", requests_per_minute=30)

    assert (globex.time_zone, globex.requests_per_minute) == ("America/Toronto", 30)
    assert globex.token_url == "https://accounts.zohocloud.ca/oauth/v2/token"
    assert globex.name_variable("INVOICE_API_CLIENT_ID") == "INVOICE_API_CLIENT_ID"


def test_addresses_may_be_named_instead_of_a_data_centre(tmp_path: Path) -> None:
    addresses = 'base_url = "http://127.0.0.1:1/invoice/v3"\ntoken_url = "http://127.0.0.1:1/oauth/v2/token"\n'

    (one,) = _split(tmp_path, f'[one]\norganization_id = "1"\n{addresses}')

    assert (one.base_url, one.token_url) == ("http://127.0.0.1:1/invoice/v3/", "http://127.0.0.1:1/oauth/v2/token")


def test_credentials_may_stand_in_a_section_of_dlt_s_secrets(tmp_path: Path) -> None:
    (one,) = _split(tmp_path, '[one]\norganization_id = "1"\ncredentials = "dlt:sources.one"\n')

    assert one.credentials == "dlt:sources.one"
    assert one.name_variable("INVOICE_API_CLIENT_ID") == ""


def test_every_data_centre_has_its_own_accounts_host() -> None:
    assert len({token_url for _, token_url in DATA_CENTERS.values()}) == len(DATA_CENTERS) == 8


def test_all_problems_are_told_at_once_with_line_and_key(tmp_path: Path) -> None:
    source = TWO.replace('"eu"', '"europe"').replace("Europe/Berlin", "Berlin").replace('"10234696"', "10234696")

    told = _refusal(tmp_path, source)

    assert told[0] == "The organisations cannot be used; mend these and load again:"
    assert [line.split(" is ")[0] for line in told[1:]] == [
        "organizations.toml:3: acme.data_center",
        "organizations.toml:4: acme.time_zone",
        "organizations.toml:11: globex.organization_id",
    ]
    assert told[2].endswith("'Berlin': set it to a name such as America/New_York")


@pytest.mark.parametrize(
    ("source", "told"),
    [
        pytest.param("", "organizations.toml:1: the file names no organisation", id="empty"),
        pytest.param("[A-B]\norganization_id = '1'", "organizations.toml:1: A-B is no slug", id="slug"),
        pytest.param("acme = 1", "organizations.toml:1: acme is no table", id="no-table"),
        pytest.param("[a]\n", "organizations.toml:1: a.organization_id is missing", id="no-id"),
        pytest.param("[a]\norganization_id='1'\nzone='x'", "organizations.toml:3: a.zone is not known", id="unknown"),
        pytest.param(
            "[a]\norganization_id='1'\n[b]\norganization_id='1'",
            "organizations.toml:4: b.organization_id is that of a too",
            id="twice",
        ),
        pytest.param(
            "[a]\norganization_id='1'\nstart_date='2024-01-01'",
            "organizations.toml:3: a.start_date is '2024-01-01': set it to a day, without quotes",
            id="day-as-text",
        ),
        pytest.param(
            "[a]\norganization_id='1'\ncredentials='my-password'",
            "organizations.toml:3: a.credentials",
            id="credentials",
        ),
        pytest.param(
            "[a]\norganization_id='1'\ndata_center='eu'\nbase_url='https://x.example'",
            "organizations.toml:3: a.data_center is 'eu'",
            id="two-addresses",
        ),
    ],
)
def test_a_problem_is_told_with_its_line(tmp_path: Path, source: str, told: str) -> None:
    assert _refusal(tmp_path, source)[1].startswith(told)


def test_text_that_is_no_toml_is_told_with_its_line(tmp_path: Path) -> None:
    (told,) = _refusal(tmp_path, "[acme]\norganization_id == 1\n")

    assert told.startswith("organizations.toml is no TOML: ")
    assert "line 2" in told


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(
        SettingsError, match=r"INVOICE_ORGANIZATIONS is .*none.toml, which cannot be read \(No such file"
    ):
        split_by_organization(Settings(organizations_file=str(tmp_path / "none.toml")))


@pytest.mark.parametrize("entry", ["credentials='planted secret'", "base_url='https://me:planted@example.com/'"])
def test_what_may_be_a_secret_is_not_repeated(tmp_path: Path, entry: str) -> None:
    told = _refusal(tmp_path, f"[a]\norganization_id='1'\n{entry}")

    assert "planted" not in "\n".join(told)


def test_a_draft_names_organisations_after_their_names_each_differently() -> None:
    names = ["Acme & Sons GmbH", "acme sons gmbh", "3M", "", "Ångström\nInc."]

    draft = draft_file(
        [(str(number), name, "Europe/Berlin") for number, name in enumerate(names)],
        base_url="https://www.zohoapis.eu/invoice/v3/",
        token_url="",
    )

    tables = tomllib.loads(draft)
    assert list(tables) == ["acme_sons_gmbh", "acme_sons_gmbh_2", "organization_3m", "organization", "ngstr_m_inc"]
    assert tables["organization_3m"] == {
        "organization_id": "2",
        "data_center": "eu",
        "time_zone": "Europe/Berlin",
    }
