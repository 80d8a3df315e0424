import re
from pathlib import Path

import pytest
from dagster import AssetCheckEvaluation, AssetCheckSeverity, AssetKey, DagsterInstance
from typer.testing import CliRunner

from invoice_assets.cli import app, main
from invoice_assets.organizations import split_by_organization
from invoice_assets.settings import Settings
from invoice_assets_tests.alerts.receivers import Webhook
from invoice_assets_tests.sandbox.server import Sandbox

INVOICES = AssetKey(["invoicing", "invoices"])


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a Dagster instance that remembers nothing, in which commands are run."""
    (tmp_path / "dagster.yaml").write_text("telemetry:\n  enabled: false\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    return tmp_path


def run(*arguments: str) -> tuple[int, str]:
    """The exit status of a command, and what it printed."""
    result = CliRunner().invoke(app, arguments, catch_exceptions=False)
    return result.exit_code, result.output


def report(name: str, *, passed: bool, severity: AssetCheckSeverity = AssetCheckSeverity.ERROR, says: str = "") -> None:
    with DagsterInstance.from_config(str(Path.cwd())) as instance:
        instance.report_runless_asset_event(
            AssetCheckEvaluation(
                asset_key=INVOICES, check_name=name, passed=passed, severity=severity, description=says, metadata={}
            )
        )


def test_status_of_a_new_instance_says_what_to_do(home: Path) -> None:
    status, output = run("status")

    assert status == 0
    assert "materialize the assets first" in output


def test_status_says_so_where_nothing_fails(home: Path) -> None:
    report("primary_key_is_unique", passed=True)

    assert run("status") == (0, "Nothing fails: 1 checks and steps were well when they ran last.\n")


def test_status_lists_what_fails_errors_first(home: Path) -> None:
    report("values_are_plausible", passed=False, severity=AssetCheckSeverity.WARN, says="balance is odd: 1 row")
    report("primary_key_is_unique", passed=False, says="invoice_id is repeated: 1 row")
    report("is_fresh", passed=True)

    status, output = run("status")

    assert status == 1
    assert re.findall(r"invoices: (\w+)", output) == ["primary_key_is_unique", "values_are_plausible"]
    assert "invoice_id is repeated" in output
    assert "remove the copies" in " ".join(output.split())


def test_a_test_message_reaches_every_channel_that_listens(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Webhook() as webhook, Webhook() as broken:
        broken.status = 500
        monkeypatch.setenv("INVOICE_ALERT_URLS", f"{webhook.url} error={broken.url}")
        status, output = run("alerts", "test")

    assert status == 1
    assert [message["title"] for message in webhook.messages] == ["Test: alerts arrive"]
    assert output.count("sent") == 1
    assert output.count("failed") == 1


def test_the_urls_are_read_from_the_env_file_of_the_folder(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INVOICE_ALERT_URLS", "")
    monkeypatch.delenv("INVOICE_ALERT_URLS")
    with Webhook() as webhook:
        (home / ".env").write_text(f"INVOICE_ALERT_URLS={webhook.url}\n")

        assert run("alerts", "test")[0] == 0
        assert len(webhook.messages) == 1


@pytest.mark.parametrize(
    ("urls", "says"),
    [("", "INVOICE_ALERT_URLS is not set"), ("nowhere://secret-token", "entry 1")],
    ids=["no channel", "unknown service"],
)
def test_an_error_is_a_sentence_without_a_traceback_or_a_secret(
    home: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], urls: str, says: str
) -> None:
    monkeypatch.setenv("INVOICE_ALERT_URLS", urls)
    monkeypatch.setattr("sys.argv", ["invoice-assets", "alerts", "test"])

    with pytest.raises(SystemExit) as exited:
        main()

    printed = "".join(capfd.readouterr())
    assert exited.value.code == 1
    assert says in printed
    assert "Traceback" not in printed
    assert "secret-token" not in printed


def test_debug_shows_the_traceback(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INVOICE_ALERT_URLS", "")
    monkeypatch.setattr("sys.argv", ["invoice-assets", "--debug", "alerts", "test"])

    with pytest.raises(ValueError, match="INVOICE_ALERT_URLS is not set"):
        main()


@pytest.mark.parametrize("command", [["status"], ["alerts", "test"]], ids=" ".join)
def test_every_command_has_help_with_an_example(command: list[str]) -> None:
    status, output = run(*command, "--help")

    assert status == 0
    assert f"Example: invoice-assets {' '.join(command)}" in output


def test_organizations_drafts_a_file_that_loads(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Sandbox(rows=1, other_organization_ids=("4815000000000000012",)) as sandbox:
        for name, value in sandbox.environment().items():
            monkeypatch.setenv(name, value)

        status, output = run("organizations")

        assert len(sandbox.ledger.requests()) == 1
    (home / "organizations.toml").write_text(output)
    monkeypatch.setenv("INVOICE_ORGANIZATIONS", "organizations.toml")
    first, second = split_by_organization(Settings.from_env())
    assert status == 0
    assert (first.slug, second.slug) == ("sandbox_company_1", "sandbox_company_2")
    assert (first.organization_id, second.organization_id) == (sandbox.organization_id, "4815000000000000012")
    assert (first.base_url, first.time_zone) == (sandbox.api_base_url, "America/New_York")


def test_organizations_without_an_address_says_what_to_set(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["invoice-assets", "organizations"])

    with pytest.raises(SystemExit):
        main()

    assert "INVOICE_API_BASE_URL" in capsys.readouterr().err
