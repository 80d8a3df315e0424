"""`settings.py`: what an environment means, what is refused, and that `.env.example` tells all of it."""

from __future__ import annotations

import re
import sys
from dataclasses import FrozenInstanceError
from pathlib import Path
from typing import Any

import pytest
from dlt.common.normalizers.naming.snake_case import NamingConvention as SnakeCase

import invoice_assets
from invoice_assets.api.session import MAX_BODY_MB
from invoice_assets.destinations import DELTA
from invoice_assets.ingest.source import MAX_NEW_COLUMNS
from invoice_assets.resource_spec import PersonalData
from invoice_assets.settings import Executor, LogFormat, Settings, find_unknown_variables, read_usable, read_variable
from invoice_assets.variables import SettingsError

PACKAGE = Path(invoice_assets.__file__).parent
ENV_EXAMPLE = PACKAGE.parent / ".env.example"
OF_DLT = {"RUNTIME__DLTHUB_TELEMETRY"}
"""Read by dlt itself, not by this project."""


def _example() -> dict[str, str]:
    """The variables of `.env.example`, those that are commented out included."""
    return dict(re.findall(r"^(?:# )?([A-Z][A-Z0-9_]+)=(.*)$", ENV_EXAMPLE.read_text(), flags=re.MULTILINE))


def _variables_named_in(*modules: str) -> set[str]:
    sources = "\n".join((PACKAGE / module).read_text() for module in modules)
    return set(re.findall(r"[\"']((?:INVOICE_|DESTINATION__|DAGSTER_|OTEL_)[A-Z_]*[A-Z])[\"']", sources))


def test_an_empty_environment_gives_the_defaults() -> None:
    settings = Settings.from_env({})

    assert (settings.base_url, settings.token_url, settings.organization_id) == ("", "", "")
    assert settings.auth_scheme == "Zoho-oauthtoken"
    assert (settings.requests_per_minute, settings.max_retries, settings.backoff_factor_s) == (100, 3, 2.0)
    assert (settings.dataset, settings.destination_type) == ("invoicing", "duckdb")
    assert settings.database == "data/invoicing.duckdb"
    assert settings.names_set == frozenset()


UI = "https://ui.example.com"
API, TOKENS = "https://api.example.com/invoice/v3/", "https://accounts.example.com/oauth/v2/token"


@pytest.mark.parametrize(
    ("variable", "value", "attribute", "expected"),
    [
        pytest.param("INVOICE_API_BASE_URL", API, "base_url", API, id="base-url"),
        pytest.param("INVOICE_API_TOKEN_URL", TOKENS, "token_url", TOKENS, id="token-url"),
        pytest.param("INVOICE_API_ORGANIZATION_ID", "4815", "organization_id", "4815", id="organisation"),
        pytest.param("INVOICE_API_AUTH_SCHEME", "Bearer", "auth_scheme", "Bearer", id="auth-scheme"),
        pytest.param("INVOICE_API_REQUESTS_PER_MINUTE", "0", "requests_per_minute", 0, id="pacing"),
        pytest.param("INVOICE_API_CONCURRENT_READS", "1", "concurrent_reads", 1, id="reads"),
        pytest.param("INVOICE_API_MAX_RETRIES", "5", "max_retries", 5, id="retries"),
        pytest.param("INVOICE_API_BACKOFF_FACTOR", "0.5", "backoff_factor_s", 0.5, id="backoff"),
        pytest.param("INVOICE_REPORTING", "on", "reporting", True, id="reports"),
        pytest.param("INVOICE_CRON_REPORTING", "0 6 * * *", "cron_reporting", "0 6 * * *", id="when-reports-are-made"),
        pytest.param("INVOICE_PREVIEW_ROWS", "0", "preview_rows", 0, id="no-preview"),
        pytest.param(
            "INVOICE_OWNERS",
            "team:finance  ana@example.com",
            "owners",
            ("team:finance", "ana@example.com"),
            id="owners",
        ),
        pytest.param("INVOICE_EXECUTOR", "celery", "executor", Executor.CELERY, id="executor"),
        pytest.param("INVOICE_CELERY_VISIBILITY_TIMEOUT", "7200", "celery_visibility_timeout_s", 7200, id="visibility"),
        pytest.param("INVOICE_KEEP_RUNS_DAYS", "90", "keep_runs_days", 90, id="keep-runs"),
        pytest.param("INVOICE_CRON_PURGE", "0 5 * * *", "cron_purge", "0 5 * * *", id="purge"),
        pytest.param("INVOICE_WAREHOUSE_PATIENCE", "600", "warehouse_patience_s", 600.0, id="patience"),
        pytest.param("INVOICE_API_MAX_BODY_MB", "8", "max_body_mb", 8, id="body"),
        pytest.param("INVOICE_MAX_NEW_COLUMNS", "0", "max_new_columns", 0, id="new-columns"),
        pytest.param("INVOICE_DATASET", "billing", "dataset", "billing", id="dataset"),
        pytest.param(
            "DESTINATION__WAREHOUSE__DESTINATION_TYPE", "postgres", "destination_type", "postgres", id="destination"
        ),
        pytest.param("INVOICE_ALERT_REMIND_HOURS", "0.5", "alert_remind_hours", 0.5, id="reminders"),
        pytest.param("INVOICE_LOG_FORMAT", "json", "log_format", LogFormat.JSON, id="log-format"),
        pytest.param("OTEL_EXPORTER_OTLP_ENDPOINT", "http://localhost:4318", "metrics", True, id="collector"),
        pytest.param("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "http://localhost:9090", "metrics", True, id="receiver"),
        pytest.param("INVOICE_PERSONAL_DATA", "omit", "personal_data", PersonalData.OMIT, id="personal-data"),
        pytest.param("DAGSTER_WEBSERVER_URL", "https://ui.example.com", "webserver_url", UI, id="webserver"),
        pytest.param(
            "DAGSTER_WEBSERVER_URL", "https://ui.example.com/", "webserver_url", UI, id="webserver-with-slash"
        ),
        pytest.param("DESTINATION__WAREHOUSE__CREDENTIALS", "other.duckdb", "database", "other.duckdb", id="file"),
        pytest.param("DESTINATION__WAREHOUSE__CREDENTIALS", "duckdb:///a.duckdb", "database", "a.duckdb", id="url"),
    ],
)
def test_a_variable_sets_its_setting(variable: str, value: str, attribute: str, expected: Any) -> None:
    assert getattr(Settings.from_env({variable: value}), attribute) == expected


def test_the_environment_of_the_process_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INVOICE_DATASET", "billing")

    assert Settings.from_env().dataset == "billing"


@pytest.mark.parametrize("value", ["", "   ", "\n"], ids=["empty", "spaces", "newline"])
def test_a_blank_variable_counts_as_absent(value: str) -> None:
    """A copied `.env.example` leaves the variables empty that a user did not fill in."""
    settings = Settings.from_env({"INVOICE_API_MAX_RETRIES": value, "INVOICE_API_CLIENT_ID": value})

    assert settings.max_retries == 3
    assert settings.names_set == frozenset()


def test_spaces_around_a_value_are_dropped() -> None:
    """A trailing newline in a token URL or a header is refused by the server, with a misleading message."""
    assert Settings.from_env({"INVOICE_API_AUTH_SCHEME": " Bearer\n"}).auth_scheme == "Bearer"


@pytest.mark.parametrize(
    "given", ["https://api.example.com/v3", "https://api.example.com/v3/", "https://api.example.com/v3//"]
)
def test_the_base_url_ends_in_one_slash(given: str) -> None:
    assert Settings.from_env({"INVOICE_API_BASE_URL": given}).base_url == "https://api.example.com/v3/"


@pytest.mark.parametrize(
    "value",
    [
        pytest.param("many", id="a-word"),
        pytest.param("1,5", id="decimal-comma"),
        pytest.param("-1", id="negative"),
        pytest.param("nan", id="not-a-number"),
        pytest.param("inf", id="infinite"),
        pytest.param("1e9", id="too-large"),
    ],
)
@pytest.mark.parametrize(
    ("variable", "default"),
    [
        ("INVOICE_API_REQUESTS_PER_MINUTE", "100"),
        ("INVOICE_API_CONCURRENT_READS", "4"),
        ("INVOICE_API_MAX_RETRIES", "3"),
        ("INVOICE_API_BACKOFF_FACTOR", "2.0"),
        ("INVOICE_API_MAX_BODY_MB", "64"),
        ("INVOICE_MAX_NEW_COLUMNS", "500"),
    ],
)
def test_a_bad_number_is_refused_with_its_name_its_value_and_the_mend(variable: str, default: str, value: str) -> None:
    with pytest.raises(SettingsError) as raised:
        Settings.from_env({variable: value})

    assert str(raised.value).startswith(f"{variable} is {value!r}: set it to ")
    assert str(raised.value).endswith(f"or leave it out for {default}.")


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        pytest.param("INVOICE_API_REQUESTS_PER_MINUTE", "0.5", id="half-a-request-would-be-unpaced"),
        pytest.param("INVOICE_API_CONCURRENT_READS", "1.5", id="half-a-list"),
        pytest.param("INVOICE_API_MAX_RETRIES", "2.5", id="half-a-retry"),
    ],
)
def test_a_fraction_where_a_whole_number_belongs_is_refused(variable: str, value: str) -> None:
    """Cut off, 0.5 requests a minute is 0, which means no pacing at all."""
    with pytest.raises(SettingsError, match=variable):
        Settings.from_env({variable: value})


def test_the_limits_are_those_that_hold_where_nobody_sets_any() -> None:
    assert (Settings().max_body_mb, Settings().max_new_columns) == (MAX_BODY_MB, MAX_NEW_COLUMNS)


def test_a_body_of_nothing_is_refused_in_words() -> None:
    with pytest.raises(SettingsError, match="INVOICE_API_MAX_BODY_MB is '0': set it to 1 or more, or leave it out"):
        Settings.from_env({"INVOICE_API_MAX_BODY_MB": "0"})


@pytest.mark.parametrize(
    "value", ["in voices", "Invoicing", "myInvoices", "in-voices", "1st", "in__voices", "invoicing_", "ünder"]
)
def test_a_dataset_that_dlt_would_call_otherwise_is_refused(value: str) -> None:
    """Tables would stand under another name than the one that everybody is told, or the first load would fail."""
    with pytest.raises(SettingsError) as raised:
        Settings.from_env({"INVOICE_DATASET": value})

    assert str(raised.value).startswith(f"INVOICE_DATASET is {value!r}: set it to ")
    assert str(raised.value).endswith("such as invoicing_eu.")
    assert SnakeCase().normalize_identifier(value) != value


@pytest.mark.parametrize("value", ["invoicing", "invoicing_eu", "_raw", "a1", "raw_2024_b"])
def test_a_dataset_that_dlt_leaves_as_it_is_can_be_used(value: str) -> None:
    assert Settings.from_env({"INVOICE_DATASET": value}).dataset == value == SnakeCase().normalize_identifier(value)


def test_no_list_at_a_time_is_refused_in_words() -> None:
    with pytest.raises(
        SettingsError, match="INVOICE_API_CONCURRENT_READS is '0': set it to 1 or more, or leave it out"
    ):
        Settings.from_env({"INVOICE_API_CONCURRENT_READS": "0"})


def test_four_lists_are_read_at_a_time_unless_told_otherwise() -> None:
    assert Settings.from_env({}).concurrent_reads == 4


def test_the_settings_know_which_variables_are_set_and_nothing_of_the_secrets() -> None:
    settings = Settings.from_env({"INVOICE_API_CLIENT_SECRET": "planted-secret", "INVOICE_API_REFRESH_TOKEN": ""})

    assert settings.names_set == {"INVOICE_API_CLIENT_SECRET"}
    assert "planted-secret" not in repr(settings)


def test_the_addresses_of_alerts_are_in_no_repr() -> None:
    settings = Settings.from_env({"INVOICE_ALERT_URLS": "slack://planted-token"})

    assert settings.names_set == {"INVOICE_ALERT_URLS"}
    assert "planted-token" not in repr(settings)


def test_the_credentials_of_a_warehouse_are_in_no_repr() -> None:
    """Another destination's credentials are a connection string with a password, not a file."""
    settings = Settings.from_env(
        {
            "DESTINATION__WAREHOUSE__DESTINATION_TYPE": "postgres",
            "DESTINATION__WAREHOUSE__CREDENTIALS": "postgresql://loader:planted-password@localhost/warehouse",
        }
    )

    assert settings.destination_type == "postgres"
    assert "planted-password" not in repr(settings)


def test_delta_tables_are_asked_for_by_the_destination_and_its_table_format() -> None:
    settings = Settings.from_env(
        {"DESTINATION__WAREHOUSE__DESTINATION_TYPE": "filesystem", "INVOICE_TABLE_FORMAT": "delta"}
    )

    assert (settings.destination, settings.database) == (DELTA, "")


@pytest.mark.parametrize(
    ("given", "says"),
    [
        pytest.param({}, "plain files cannot be merged into", id="plain-files"),
        pytest.param({"INVOICE_TABLE_FORMAT": "hudi"}, "INVOICE_TABLE_FORMAT is 'hudi'", id="unknown-format"),
        pytest.param({"DESTINATION__WAREHOUSE__DESTINATION_TYPE": "redshift"}, "Set it to one of", id="unknown-type"),
        pytest.param(
            {"DESTINATION__WAREHOUSE__DESTINATION_TYPE": "snowflake"},
            r'pip install "invoice-assets\[snowflake\]"',
            id="missing-driver",
        ),
    ],
)
def test_a_destination_that_cannot_be_the_warehouse_is_refused_in_words(given: dict[str, str], says: str) -> None:
    with pytest.raises(SettingsError, match=says):
        Settings.from_env({"DESTINATION__WAREHOUSE__DESTINATION_TYPE": "filesystem"} | given)


def test_an_executor_that_does_not_exist_is_refused_with_those_that_do() -> None:
    with pytest.raises(SettingsError, match="'dask': set it to in_process, multiprocess, celery or k8s"):
        Settings.from_env({"INVOICE_EXECUTOR": "dask"})


def test_runs_that_the_schedules_still_look_for_are_not_deleted() -> None:
    with pytest.raises(SettingsError, match="INVOICE_KEEP_RUNS_DAYS is 30, and the daily schedule looks 30 days back"):
        Settings.from_env({"INVOICE_KEEP_RUNS_DAYS": "30"})


def test_reports_are_refused_where_there_are_no_views() -> None:
    delta = {"DESTINATION__WAREHOUSE__DESTINATION_TYPE": "filesystem", "INVOICE_TABLE_FORMAT": "delta"}

    with pytest.raises(SettingsError, match=r"^INVOICE_REPORTING is on, and Delta tables have no views: leave it out"):
        Settings.from_env(delta | {"INVOICE_REPORTING": "on"})


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        Settings().dataset = "other"  # type: ignore[misc]  # that it cannot is the point


def test_the_example_lists_exactly_the_variables_that_are_read() -> None:
    readers = ("settings.py", "variables.py", "destinations.py")

    assert set(_example()) - OF_DLT == _variables_named_in(*readers)


def test_every_variable_of_the_example_is_explained() -> None:
    lines = ENV_EXAMPLE.read_text().splitlines()
    variables = [number for number, line in enumerate(lines) if re.match(r"(# )?[A-Z][A-Z0-9_]+=", line)]

    unexplained = [lines[number] for number in variables if not lines[number - 1].startswith("# ")]

    assert variables
    assert unexplained == []


def test_the_example_holds_the_defaults() -> None:
    optional = {"REQUESTS_PER_MINUTE", "MAX_RETRIES", "BACKOFF_FACTOR", "AUTH_SCHEME"}
    given = {name: value for name, value in _example().items() if name.removeprefix("INVOICE_API_") in optional}
    dataset = {"INVOICE_DATASET": _example()["INVOICE_DATASET"]}

    from_example, default = Settings.from_env({**given, **dataset}), Settings()

    assert len(given) == 4
    assert from_example.auth_scheme == default.auth_scheme
    assert from_example.requests_per_minute == default.requests_per_minute
    assert from_example.max_retries == default.max_retries
    assert from_example.backoff_factor_s == default.backoff_factor_s
    assert from_example.dataset == default.dataset


def test_the_example_holds_the_defaults_of_alerts() -> None:
    names = ("INVOICE_ALERT_REMIND_HOURS", "DAGSTER_WEBSERVER_URL")

    from_example = Settings.from_env({name: _example()[name] for name in names})

    assert from_example.alert_remind_hours == Settings.alert_remind_hours
    assert from_example.webserver_url == Settings.webserver_url
    assert _example()["INVOICE_ALERT_URLS"] == ""


def test_every_variable_of_the_example_is_known() -> None:
    assert find_unknown_variables(Settings(names_set=frozenset(_example()))) == {}


def test_the_example_holds_no_secret_and_keeps_dlt_quiet() -> None:
    example = _example()

    assert [example[f"INVOICE_API_{name}"] for name in ("CLIENT_ID", "CLIENT_SECRET", "REFRESH_TOKEN")] == ["", "", ""]
    assert example["RUNTIME__DLTHUB_TELEMETRY"] == "false"


@pytest.mark.parametrize(
    "module",
    [
        pytest.param(path, id=str(path.relative_to(PACKAGE)))
        for path in sorted(PACKAGE.rglob("*.py"))
        if path != PACKAGE / "settings.py"
    ],
)
def test_no_other_module_reads_the_environment(module: Path) -> None:
    assert re.findall(r"\b(?:os\.environ|getenv|from os import environ)\b", module.read_text()) == []


@pytest.mark.parametrize(
    ("variable", "value", "advice"),
    [
        pytest.param("INVOICE_ALERT_REMIND_HOURS", "0", "more than 0 hours", id="reminders-without-end"),
        pytest.param("INVOICE_DELETION_LIMIT", "20", "a share from 0 to 1", id="per-cent-for-a-share"),
        pytest.param("INVOICE_TIMEZONE", "Eastern", "America/New_York", id="no-time-zone"),
        pytest.param("INVOICE_START_DATE", "31.01.2024", "2024-01-31", id="no-iso-day"),
        pytest.param("INVOICE_AUTOMATION", "yes", "on or off", id="neither-on-nor-off"),
        pytest.param("INVOICE_REPORTING", "yes", "on or off", id="reports-neither-on-nor-off"),
        pytest.param("INVOICE_OWNERS", "team:finance Ana", "e-mail addresses, or teams as team:finance", id="no-owner"),
        pytest.param("INVOICE_OWNERS", "team:", "e-mail addresses, or teams as team:finance", id="no-team"),
        pytest.param("INVOICE_PREVIEW_ROWS", "2.5", "a whole number", id="half-a-row"),
        pytest.param("INVOICE_LOG_FORMAT", "logfmt", "plain or json", id="no-format-of-logs"),
        pytest.param("INVOICE_PERSONAL_DATA", "drop", "keep, hash or omit", id="no-way-to-treat-people"),
        pytest.param("INVOICE_PERSONAL_DATA", "hash", "INVOICE_PERSONAL_DATA_KEY", id="a-hash-without-a-key"),
    ],
)
def test_a_setting_that_cannot_be_used_is_refused_with_an_example(variable: str, value: str, advice: str) -> None:
    with pytest.raises(SettingsError, match=variable) as raised:
        Settings.from_env({variable: value})

    assert advice in str(raised.value)


def test_the_key_of_hashes_is_known_to_be_there_and_not_read() -> None:
    settings = Settings.from_env({"INVOICE_PERSONAL_DATA": "hash", "INVOICE_PERSONAL_DATA_KEY": "never to be shown"})

    assert settings.personal_data is PersonalData.HASH
    assert "never to be shown" not in repr(settings)


@pytest.mark.parametrize(
    ("variable", "value", "mend"),
    [
        pytest.param(
            "DESTINATION__WAREHOUSE__CREDENTIALS",
            "postgresql://loader:s3cret@host/warehouse",
            "DESTINATION__WAREHOUSE__DESTINATION_TYPE",
            id="a-database-whose-type-was-forgotten",
        ),
        pytest.param(
            "DESTINATION__WAREHOUSE__CREDENTIALS", "loader:s3cret@host", "a path", id="a-database-without-a-scheme"
        ),
        pytest.param("INVOICE_SHARED_STATE", "postgres:s3cret@host/state", "postgresql://", id="no-slashes"),
        pytest.param("INVOICE_SHARED_STATE", "loader:s3cret@host/state", "postgresql://", id="no-scheme"),
    ],
)
def test_an_address_where_a_path_belongs_is_refused_and_becomes_no_file(variable: str, value: str, mend: str) -> None:
    """It was taken for a path: a file with the password in its name, which the UI showed."""
    with pytest.raises(SettingsError, match=variable) as raised:
        Settings.from_env({variable: value})

    assert mend in str(raised.value)
    assert "s3cret" not in str(raised.value)


@pytest.mark.parametrize("variable", ["INVOICE_API_BASE_URL", "INVOICE_API_TOKEN_URL", "DAGSTER_WEBSERVER_URL"])
@pytest.mark.parametrize(
    "address",
    [
        "https://jules:s3cret@example.com/",
        "https://example.com/token?client_secret=s3cret",
        "https://example.com/#s3cret",
    ],
    ids=["password", "query", "fragment"],
)
def test_an_address_that_is_shown_carries_no_secret(variable: str, address: str) -> None:
    """It is in the UI as soon as the definitions are loaded, and in errors and alerts."""
    with pytest.raises(SettingsError, match=rf"^{variable} .* without a user, a query and a fragment") as raised:
        Settings.from_env({variable: address})

    assert "s3cret" not in str(raised.value)


def test_partitions_and_schedules_come_from_the_environment() -> None:
    settings = Settings.from_env(
        {
            "INVOICE_TIMEZONE": "Asia/Kolkata",
            "INVOICE_START_DATE": "2025-04-01",
            "INVOICE_AUTOMATION": "on",
            "INVOICE_CRON_TODAY": "*/30 * * * *",
            "INVOICE_CATCH_UP_DAYS": "7",
        }
    )

    assert (settings.time_zone, settings.start_date.isoformat(), settings.automation) == (
        "Asia/Kolkata",
        "2025-04-01",
        True,
    )
    assert (settings.cron_today, settings.catch_up_days) == ("*/30 * * * *", 7)


def test_a_collector_that_is_named_and_switched_off_gets_no_metrics() -> None:
    named = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://localhost:4318"}

    assert not Settings.from_env({**named, "OTEL_SDK_DISABLED": "True"}).metrics
    assert Settings.from_env({**named, "OTEL_SDK_DISABLED": "false"}).metrics


@pytest.mark.parametrize(
    ("variable", "value", "package"),
    [
        pytest.param("OTEL_EXPORTER_OTLP_ENDPOINT", "http://localhost:4318", "opentelemetry", id="metrics"),
        pytest.param("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "http://localhost:9090", "opentelemetry", id="receiver"),
        pytest.param("INVOICE_LOG_FORMAT", "json", "pythonjsonlogger", id="logs"),
    ],
)
def test_what_needs_a_package_that_is_not_there_says_how_to_install_it(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, package: str
) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == package]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)

    with pytest.raises(SettingsError, match=rf'^{variable} is .*: pip install "invoice-assets\[telemetry\]"\.$'):
        Settings.from_env({variable: value})


UNUSABLE = {
    "INVOICE_API_BASE_URL": "https://example.com/?token=planted",
    "INVOICE_API_REQUESTS_PER_MINUTE": "many",
    "INVOICE_API_CONCURRENT_READS": "0",
    "INVOICE_SHARED_STATE": "me@here",
    "DESTINATION__WAREHOUSE__CREDENTIALS": "postgresql://planted/it",
    "INVOICE_PERSONAL_DATA": "hash",
    "INVOICE_TIMEZONE": "Mars",
    "INVOICE_START_DATE": "soon",
    "INVOICE_AUTOMATION": "yes",
    "INVOICE_DELETION_LIMIT": "2",
    "INVOICE_ALERT_REMIND_HOURS": "0",
}


def test_every_variable_that_cannot_be_used_is_named_at_once_and_the_others_count() -> None:
    settings, problems = read_usable(UNUSABLE | {"INVOICE_DATASET": "mine"})

    assert {problem.variable for problem in problems} == set(UNUSABLE)
    assert "planted" not in str(problems)
    assert (settings.dataset, settings.time_zone) == ("mine", "UTC")


def test_a_variable_that_is_no_setting_is_read_without_its_line_end() -> None:
    assert read_variable("INVOICE_API_CLIENT_SECRET", {"INVOICE_API_CLIENT_SECRET": "1000.ab\n"}) == "1000.ab"
    assert read_variable("INVOICE_API_CLIENT_SECRET", {}) == ""
