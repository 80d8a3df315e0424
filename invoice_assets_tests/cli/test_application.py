"""The command line as a whole: help, completion, errors, and what `--debug` shows."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from typer.testing import CliRunner

from invoice_assets.cli import app, main
from invoice_assets_tests.cli.conftest import Run

ROOT = Path(__file__).parents[2]
COMMANDS = ["authorize", "doctor", "status", "organizations", "alerts test"]


@pytest.mark.parametrize(
    ("urls", "says"),
    [("", "INVOICE_ALERT_URLS is not set"), ("nowhere://secret-token", "entry 1")],
    ids=["no channel", "unknown service"],
)
def test_an_error_is_a_sentence_without_a_traceback_or_a_secret(
    run: Run, monkeypatch: pytest.MonkeyPatch, urls: str, says: str
) -> None:
    monkeypatch.setenv("INVOICE_ALERT_URLS", urls)

    status, printed = run("alerts", "test")

    assert status == 1
    assert says in printed
    assert "Traceback" not in printed
    assert "secret-token" not in printed


def test_an_error_that_nobody_foresaw_is_told_by_its_kind_alone(run: Run, home: Path) -> None:
    (home / "history").mkdir()
    (home / "history" / "runs.db").write_text("planted-secret" * 1000)

    status, printed = run("status")

    assert status == 1
    assert "(DatabaseError)" in printed
    assert "--debug" in printed
    assert "Traceback" not in printed
    assert "planted" not in printed


def test_an_instance_that_cannot_be_opened_is_told_with_its_file(run: Run, home: Path) -> None:
    (home / "dagster.yaml").write_text("storage: [planted-secret\n")

    status, printed = run("status")

    assert status == 1
    assert printed.startswith(
        "dagster.yaml cannot be used: it is no YAML at line 2. Mend it as https://docs.dagster.io"
    )
    assert "planted" not in printed


def test_an_env_file_that_cannot_be_read_is_told_by_every_command(run: Run, home: Path) -> None:
    (home / ".env").write_bytes("# café\n".encode("latin-1"))

    assert run("status") == (1, ".env cannot be read (it is no UTF-8). Mend it, or move it away.\n")


@pytest.mark.parametrize(
    "arguments", [("--debug", "alerts", "test"), ("alerts", "test", "--debug")], ids=["before-the-command", "behind-it"]
)
def test_debug_shows_the_traceback(home: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]) -> None:
    monkeypatch.setenv("INVOICE_ALERT_URLS", "")
    monkeypatch.setattr("sys.argv", ["invoice-assets", *arguments])

    with pytest.raises(ValueError, match="INVOICE_ALERT_URLS is not set"):
        main()


def test_the_version_is_that_of_pyproject(run: Run) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

    assert run("--version") == (0, f"{project['version']}\n")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example(run: Run, command: str) -> None:
    status, output = run(*command.split(), "--help")

    assert status == 0
    assert f"Example: invoice-assets {command}" in output


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
@pytest.mark.parametrize(
    ("line", "offered"),
    [
        pytest.param("invoice-assets al", ["alerts"], id="a-command"),
        pytest.param("invoice-assets doctor --o", ["--organization"], id="an-option"),
        pytest.param("invoice-assets authorize --data-center c", ["com", "com.au", "com.cn", "ca"], id="a-data-centre"),
    ],
)
def test_a_shell_is_told_how_a_word_goes_on(shell: str, line: str, offered: list[str]) -> None:
    told = complete(line, shell=shell)

    assert re.findall(r"""^(?:_arguments '\*: :\(\()?"?([-a-z.]+)""", told, re.MULTILINE) == offered


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_zsh_shows_what_an_option_does_as_the_help_has_it(command: str) -> None:
    """Typer doubles an apostrophe, of which zsh leaves none: it showed "the sandboxs"."""
    told = complete(f"invoice-assets {command} --", shell="zsh")

    assert '"--help":"Show this message and exit."' in told
    assert "''" not in told


def complete(line: str, *, shell: str) -> str:
    """What a shell is told when somebody presses Tab at the end of the line."""
    asked = {
        "_INVOICE_ASSETS_COMPLETE": f"complete_{shell}",
        "_TYPER_COMPLETE_ARGS": line,
        "_TYPER_COMPLETE_FISH_ACTION": "get-args",
        "COMP_WORDS": line,
        "COMP_CWORD": str(line.count(" ")),
    }
    done = CliRunner().invoke(app, [], prog_name="invoice-assets", env=asked)
    assert done.exit_code == 0, done.output
    return done.output


def test_there_are_no_other_commands() -> None:
    listed = CliRunner().invoke(app, ["--help"]).output

    commands = [command.name for command in app.registered_commands]
    assert [*commands, "alerts test"] == COMMANDS
    assert all(str(name) in listed for name in commands)
