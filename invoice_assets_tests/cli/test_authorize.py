"""`invoice-assets authorize`, against the sandbox's accounts server; a person's part in a pseudo-terminal."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import pytest
import requests

from invoice_assets.env_file import is_for_the_owner_alone, read_variables
from invoice_assets_tests.cli.conftest import Run
from invoice_assets_tests.cli.pseudo_terminal import PATIENCE_S, Terminal
from invoice_assets_tests.postgres import hold_free_port
from invoice_assets_tests.processes import wait_until
from invoice_assets_tests.reliability.traces import find_traces
from invoice_assets_tests.sandbox.server import DEFAULT_SCOPES, Sandbox

SECOND = "4815000000000000012"
TIMEOUT_S = 10


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """A sandbox whose login has two organisations."""
    with Sandbox(rows=0, other_organization_ids=(SECOND,)) as running:
        yield running


def places(sandbox: Sandbox) -> list[str]:
    """The arguments by which a sandbox is chosen instead of a data centre."""
    return ["--base-url", sandbox.api_base_url, "--token-url", sandbox.token_url]


@contextmanager
def open_terminal_with_code(sandbox: Sandbox, home: Path) -> Iterator[Terminal]:
    """A person at a terminal, with a good grant code in a file and the client confirmed: the code is used next."""
    (home / "code").write_text(sandbox.create_grant_code())
    arguments = ("authorize", *places(sandbox), "--client-id", sandbox.client_id, "--grant-code-file", "code")
    secret = {"INVOICE_API_CLIENT_SECRET": sandbox.client_secret}
    with Terminal(*arguments, folder=home, environment=secret) as terminal:
        terminal.expect("Enter keeps the one that is set): ")
        terminal.type("")
        yield terminal


class Script:
    """A script that authorises with secrets in files, as a deployment does."""

    def __init__(self, run: Run, sandbox: Sandbox, home: Path) -> None:
        self._run, self._sandbox, self.home = run, sandbox, home
        self.secrets = {"client id": sandbox.client_id, "client secret": sandbox.client_secret}

    def __call__(self, *more: str, code: str | None = None, secret: str = "", client_id: str = "") -> tuple[int, str]:
        files = {
            "client secret": secret or self._sandbox.client_secret,
            "grant code": self._sandbox.create_grant_code() if code is None else code,
        }
        self.secrets |= files
        for name, content in files.items():
            (self.home / name).write_text(content + "\n")
        status, printed = self._run(
            "authorize",
            *(places(self._sandbox) if "--data-center" not in more else []),
            *("--client-id", client_id or self._sandbox.client_id),
            *("--client-secret-file", "client secret"),
            *("--grant-code-file", "grant code"),
            *more,
        )
        self.secrets |= {"refresh token": self._sandbox.refresh_token}
        self.secrets |= {str(number): token for number, token in enumerate(self._sandbox.issued_access_tokens)}
        assert find_traces(self.secrets, {"screen": printed.encode()}) == []
        return status, " ".join(printed.split())


@pytest.fixture
def authorize(run: Run, sandbox: Sandbox, home: Path) -> Script:
    """A function that authorises without anybody to ask; nothing secret is ever printed."""
    return Script(run, sandbox, home)


def test_a_script_ends_with_a_file_from_which_the_api_can_be_read(authorize: Script, sandbox: Sandbox) -> None:
    status, printed = authorize("--organization-id", SECOND)

    assert status == 0
    assert "invoice-assets doctor" in printed
    assert is_for_the_owner_alone(authorize.home / ".env")
    assert read_variables(authorize.home / ".env") == {
        "INVOICE_API_BASE_URL": sandbox.api_base_url,
        "INVOICE_API_TOKEN_URL": sandbox.token_url,
        "INVOICE_API_CLIENT_ID": sandbox.client_id,
        "INVOICE_API_CLIENT_SECRET": sandbox.client_secret,
        "INVOICE_API_REFRESH_TOKEN": sandbox.refresh_token,
        "INVOICE_API_ORGANIZATION_ID": SECOND,
        "INVOICE_TIMEZONE": "America/New_York",
    }
    assert sandbox.token_requests == 1


def test_the_only_organisation_is_not_asked_for(run: Run, home: Path) -> None:
    with Sandbox(rows=0) as alone:
        status, printed = Script(run, alone, home)()

    assert status == 0
    assert "'Sandbox Company 1'" in printed


def test_other_lines_of_a_file_stay_and_its_time_zone_too(authorize: Script) -> None:
    (authorize.home / ".env").write_text("# mine\nINVOICE_TIMEZONE=Europe/Berlin\n")

    status, printed = authorize("--organization-id", SECOND)

    assert status == 0
    assert (authorize.home / ".env").read_text().startswith("# mine\nINVOICE_TIMEZONE=Europe/Berlin\n")
    assert "time zone is America/New_York and INVOICE_TIMEZONE is Europe/Berlin: set it" in printed


def test_credentials_are_not_replaced_unasked(authorize: Script, sandbox: Sandbox) -> None:
    old = "INVOICE_API_REFRESH_TOKEN=old\n"
    (authorize.home / ".env").write_text(old)

    status, printed = authorize("--organization-id", SECOND)

    assert (status, (authorize.home / ".env").read_text()) == (1, old)
    assert "--replace" in printed
    assert sandbox.token_requests == 0


def test_credentials_are_replaced_where_that_is_said(authorize: Script, sandbox: Sandbox) -> None:
    (authorize.home / ".env").write_text("INVOICE_API_REFRESH_TOKEN=old\n")

    assert authorize("--organization-id", SECOND, "--replace")[0] == 0
    assert read_variables(authorize.home / ".env")["INVOICE_API_REFRESH_TOKEN"] == sandbox.refresh_token


def test_an_expired_code_a_used_one_and_one_of_another_data_centre_are_told(
    authorize: Script, sandbox: Sandbox
) -> None:
    code = sandbox.create_grant_code()
    sandbox.clock.advance(601)

    status, printed = authorize(code=code)

    assert status == 1
    assert "It has expired" in printed
    assert "It was used already" in printed
    assert "It is of another data centre" in printed
    assert not (authorize.home / ".env").exists()


def test_a_code_works_once(authorize: Script, sandbox: Sandbox) -> None:
    code = sandbox.create_grant_code()
    authorize("--organization-id", SECOND, code=code)

    status, printed = authorize("--organization-id", SECOND, "--replace", code=code)

    assert status == 1
    assert "a code works once; generate a new code" in printed


@pytest.mark.parametrize("wrong", [{"secret": "mistyped"}, {"client_id": "of-another-data-centre"}], ids=str)
def test_a_client_that_is_refused_is_told_with_both_reasons(authorize: Script, wrong: dict[str, str]) -> None:
    status, printed = authorize(**wrong)

    assert status == 1
    assert "It was made in another data centre" in printed
    assert "The client id or the client secret is not what the API console shows" in printed


def test_a_missing_scope_is_told_before_anything_is_written(authorize: Script, sandbox: Sandbox) -> None:
    code = sandbox.create_grant_code(DEFAULT_SCOPES[1:])

    status, printed = authorize(code=code)

    assert status == 1
    assert f"The grant lacks a scope: {DEFAULT_SCOPES[0]}. Generate a new code" in printed
    assert ",".join(sorted(DEFAULT_SCOPES)) in printed
    assert not (authorize.home / ".env").exists()


def test_a_scope_that_only_the_list_of_organisations_misses_is_told(authorize: Script, sandbox: Sandbox) -> None:
    sandbox.script("dead_token_57", resource="organizations")

    status, printed = authorize()

    assert status == 1
    assert "does not cover the list of organisations" in printed
    assert sandbox.token_requests == 1
    assert not (authorize.home / ".env").exists()


def test_what_a_code_gave_is_kept_where_the_organisations_cannot_be_read(
    authorize: Script, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox.script("invalid_url_5", resource="organizations")

    status, printed = authorize()

    assert status == 1
    assert "no organisation yet: set INVOICE_API_ORGANIZATION_ID" in printed
    assert read_variables(authorize.home / ".env")["INVOICE_API_REFRESH_TOKEN"] == sandbox.refresh_token


def test_what_a_code_gave_is_kept_where_a_person_interrupts(sandbox: Sandbox, home: Path) -> None:
    sandbox.script("hang", resource="organizations")
    with open_terminal_with_code(sandbox, home) as terminal:
        wait_until(
            lambda: bool(sandbox.ledger.requests("organizations")),
            patience_s=PATIENCE_S,
            read_log=lambda: terminal.screen,
        )
        terminal.interrupt()
        status = terminal.finish()

    assert status == 128 + signal.SIGINT
    assert "no organisation yet" in terminal.screen
    assert read_variables(home / ".env")["INVOICE_API_REFRESH_TOKEN"] == sandbox.refresh_token


def test_a_file_that_cannot_be_written_is_told_before_the_code_is_used(authorize: Script, sandbox: Sandbox) -> None:
    status, printed = authorize("--organization-id", SECOND, "--env-file", "nowhere/.env")

    assert status == 1
    assert "nowhere/.env cannot be written" in printed
    assert sandbox.token_requests == 0


def test_an_organisation_that_is_not_the_login_s_is_told_with_those_that_are(authorize: Script) -> None:
    status, printed = authorize("--organization-id", "1")

    assert status == 1
    assert SECOND in printed
    assert "choose one of those" in printed


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        pytest.param(["--data-center", "europe"], "--data-center is 'europe': give one of com, eu", id="data-center"),
        pytest.param(["--data-center", "eu", "--base-url", "https://x.example/"], "or both of", id="both"),
    ],
)
def test_a_place_that_does_not_exist_is_told(authorize: Script, arguments: list[str], says: str) -> None:
    status, printed = authorize(*arguments)

    assert status == 1
    assert says in printed


@pytest.mark.parametrize("option", ["--redirect", "--no-browser"])
def test_two_ways_to_a_code_are_one_too_many(authorize: Script, sandbox: Sandbox, option: str) -> None:
    status, printed = authorize(option)

    assert status == 1
    assert "leave out --grant-code-file" in printed
    assert sandbox.token_requests == 0


def test_an_address_from_the_file_that_cannot_be_reached_is_told_with_where_it_is_from(run: Run, home: Path) -> None:
    with Sandbox(rows=0) as gone:
        variables = {name: value for name, value in gone.environment().items() if name.endswith("_URL")}
    (home / ".env").write_text("".join(f"{name}={value}\n" for name, value in variables.items()))

    status, printed = run("authorize", "--client-id", "1")

    assert status == 1
    assert "INVOICE_API_TOKEN_URL, which was set before (or give --data-center)." in " ".join(printed.split())


def test_a_variable_of_the_environment_that_wins_over_the_file_is_told(
    authorize: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INVOICE_API_REFRESH_TOKEN", "of-the-shell")

    assert "The environment sets INVOICE_API_REFRESH_TOKEN too" in authorize("--organization-id", SECOND)[1]


def test_what_the_env_file_sets_wins_over_no_other_file(authorize: Script) -> None:
    (authorize.home / ".env").write_text("INVOICE_API_REFRESH_TOKEN=of-another-client\n")

    assert "The environment sets" not in authorize("--organization-id", SECOND, "--env-file", "acme.env")[1]


def test_a_port_that_there_cannot_be_is_told(authorize: Script) -> None:
    status, printed = authorize("--redirect", "--redirect-port", "99999")

    assert status == 2
    assert "--redirect-port" in printed


def test_without_a_terminal_the_missing_option_is_named(run: Run, sandbox: Sandbox) -> None:
    assert "Give --data-center" in run("authorize")[1]
    assert "Give --client-id or INVOICE_API_CLIENT_ID" in run("authorize", *places(sandbox))[1]


def test_both_secrets_can_come_by_standard_input(run: Run, sandbox: Sandbox) -> None:
    client = ("--client-id", sandbox.client_id, "--client-secret-file", "-", "--grant-code-file", "-")

    status, _ = run(
        *("authorize", *places(sandbox), *client, "--organization-id", SECOND),
        typed=f"{sandbox.client_secret}\n{sandbox.create_grant_code()}\n",
    )

    assert status == 0


def test_the_traceback_of_a_refusal_has_no_secret(sandbox: Sandbox, home: Path) -> None:
    (home / "secret").write_text("planted-client-secret")
    (home / "code").write_text("planted-grant-code")
    arguments = ("--debug", "authorize", *places(sandbox), "--client-id", "planted-client-id")
    files = ("--client-secret-file", "secret", "--grant-code-file", "code")

    with Terminal(*arguments, *files, folder=home, environment={}) as terminal:
        assert terminal.finish() == 1

    assert "Traceback" in terminal.screen
    assert "planted" not in terminal.screen


def test_a_person_is_led_from_the_client_to_the_organisation(sandbox: Sandbox, home: Path) -> None:
    code = sandbox.create_grant_code()
    with Terminal("authorize", *places(sandbox), folder=home, environment={}) as terminal:
        terminal.expect("Client id (hidden): ")
        terminal.type(" ")
        terminal.expect("Nothing was typed")
        terminal.expect("Client id (hidden): ")
        terminal.type(sandbox.client_id)
        terminal.expect("Client secret (hidden): ")
        terminal.type(sandbox.client_secret)
        assert ",".join(sorted(DEFAULT_SCOPES)) in terminal.expect("Grant code (hidden): ")
        terminal.type(code)
        listed = terminal.expect("Number of the organisation to read: ")
        terminal.type("3")
        terminal.expect("'3' is none of 1, 2")
        terminal.type("2")
        status = terminal.finish()

    assert status == 0
    assert "Sandbox Company 2" in listed
    assert read_variables(home / ".env")["INVOICE_API_ORGANIZATION_ID"] == SECOND
    secrets = {"id": sandbox.client_id, "secret": sandbox.client_secret, "token": sandbox.refresh_token, "code": code}
    assert find_traces(secrets, {"screen": terminal.screen.encode()}) == []


def test_a_person_who_does_not_want_to_replace_credentials_keeps_them(sandbox: Sandbox, home: Path) -> None:
    (home / ".env").write_text("INVOICE_API_CLIENT_SECRET=old\n")
    with Terminal("authorize", *places(sandbox), folder=home, environment={}) as terminal:
        terminal.expect("Replace them? (y/n): ")
        terminal.type("n")
        status = terminal.finish()

    assert status == 1
    assert "Nothing was changed" in terminal.screen
    assert (home / ".env").read_text() == "INVOICE_API_CLIENT_SECRET=old\n"


def test_a_person_who_leaves_before_choosing_keeps_what_the_code_gave(sandbox: Sandbox, home: Path) -> None:
    with open_terminal_with_code(sandbox, home) as terminal:
        terminal.expect("Number of the organisation to read: ")
        terminal.type("\x04")  # the end of input
        status = terminal.finish()

    assert status == 1
    assert "no organisation yet" in terminal.screen
    assert read_variables(home / ".env")["INVOICE_API_REFRESH_TOKEN"] == sandbox.refresh_token


class Login:
    """A login with the browser, whose page is printed, and the browser that a person opens it with."""

    def __init__(self, sandbox: Sandbox, home: Path, *, port: int) -> None:
        sandbox.consent.redirect_uris.add(f"http://127.0.0.1:{port}/callback")
        client = ("--client-id", sandbox.client_id, "--organization-id", SECOND)
        self._arguments = ("authorize", *places(sandbox), *client, "--no-browser", "--redirect-port", str(port))
        self._environment = {"INVOICE_API_CLIENT_SECRET": sandbox.client_secret}
        self._home = home

    def open(self, **changes: str) -> tuple[requests.Response, int, str]:
        """What the browser shows in the end, the exit status and the screen; the address is changed on the way."""
        with Terminal(*self._arguments, folder=self._home, environment=self._environment) as terminal:
            terminal.expect("Enter keeps the one that is set): ")
            terminal.type("")
            terminal.expect("browser of this machine:")
            shown = terminal.expect("&code_challenge_method=S256")
            address = urlsplit(shown[shown.index("http") :].strip())
            query = dict(parse_qsl(address.query)) | changes
            page = requests.get(address._replace(query="").geturl(), params=query, timeout=TIMEOUT_S)
            return page, terminal.finish() if page.url.startswith("http://127.0.0.1") else -1, terminal.screen


@pytest.fixture
def login(sandbox: Sandbox, home: Path) -> Iterator[Login]:
    """A login of a client whose redirect URI is registered."""
    with hold_free_port() as port:
        yield Login(sandbox, home, port=port)


def test_a_login_with_the_browser_ends_the_same(login: Login, sandbox: Sandbox, home: Path) -> None:
    page, status, screen = login.open()

    assert status == 0
    assert "go on in the terminal" in page.text
    assert page.headers["Cache-Control"] == "no-store"
    assert read_variables(home / ".env")["INVOICE_API_REFRESH_TOKEN"] == sandbox.refresh_token
    assert find_traces({"secret": sandbox.client_secret, "token": sandbox.refresh_token}, {"s": screen.encode()}) == []


def test_the_answer_to_another_request_is_dropped(login: Login, sandbox: Sandbox) -> None:
    page, status, screen = login.open(state="forged")

    assert status == 1
    assert "Access was not granted" in page.text
    assert "the answer to another request" in screen
    assert sandbox.token_requests == 0


def test_a_consent_that_is_refused_is_told(login: Login, sandbox: Sandbox) -> None:
    sandbox.consent.is_given = False

    page, status, screen = login.open()

    assert status == 1
    assert "Access was not granted" in page.text
    assert "the consent page was answered with no" in screen


def test_an_account_of_another_data_centre_is_told_which_and_its_code_is_not_used(
    login: Login, sandbox: Sandbox
) -> None:
    sandbox.consent.accounts_server = "https://accounts.zoho.eu"

    _, status, screen = login.open()

    assert status == 1
    assert "--data-center eu" in screen
    assert sandbox.token_requests == 0


def test_a_code_that_was_asked_for_without_offline_access_brings_no_refresh_token(login: Login) -> None:
    _, status, screen = login.open(access_type="online")

    assert status == 1
    assert "access_type=offline" in screen
