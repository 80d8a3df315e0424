"""Settings: what the environment says, read in one place and checked before anything runs.

Each setting stands with its variable, its default and how it is read; `.env.example` says what it is for. Nothing here
connects to anything. Secrets are not read: `names_set` tells which are there, Dagster and dlt resolve them when a run
needs them.
"""

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import Field, dataclass, fields
from datetime import date
from difflib import get_close_matches
from enum import StrEnum
from typing import Any

from invoice_assets.destinations import (
    DUCKDB,
    FORMAT_VARIABLE,
    TYPE_VARIABLE,
    DestinationSpec,
    UnusableDestinationError,
    find_destination,
)
from invoice_assets.extras import describe_installation, is_installed
from invoice_assets.resource_spec import PersonalData
from invoice_assets.variables import (
    CREDENTIALS,
    PERSONAL_DATA_KEY,
    SECRETS,
    SettingsError,
    read_address,
    read_choice,
    read_count,
    read_day,
    read_folder,
    read_hours,
    read_identifier,
    read_number,
    read_share,
    read_switch,
    read_text,
    read_time_zone,
    read_whole_number,
    setting,
)

METRICS_ENDPOINTS = ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
"""Either of OpenTelemetry's own variables names the collector."""


class LogFormat(StrEnum):
    """How lines of a run's log are written to standard output, beside what Dagster writes."""

    PLAIN = "plain"
    JSON = "json"


class Executor(StrEnum):
    """Where the steps of a run work."""

    IN_PROCESS = "in_process"
    MULTIPROCESS = "multiprocess"
    CELERY = "celery"
    K8S = "k8s"


def read_variable(name: str, environ: Mapping[str, str] = os.environ) -> str:
    """A variable that is no setting, such as a secret that a command hands on; empty where it is not set."""
    return environ.get(name, "").strip()


def with_trailing_slash(url: str) -> str:
    """The address of a folder of resources, to which their paths are added."""
    return f"{url.rstrip('/')}/" if url else ""


def _read_base_url(given: Mapping[str, str], name: str, default: str) -> str:
    return with_trailing_slash(read_address(given, name, default))


def _read_webserver_url(given: Mapping[str, str], name: str, default: str) -> str:
    return read_address(given, name, default).rstrip("/")


def _find_destination(given: Mapping[str, str]) -> DestinationSpec:
    """What the warehouse is, and whether this project can load it."""
    try:
        destination = find_destination(
            given.get(TYPE_VARIABLE, Settings.destination_type),
            table_format=given.get(FORMAT_VARIABLE, Settings.table_format),
        )
        destination.require_driver()
    except UnusableDestinationError as error:
        raise SettingsError(str(error)) from None
    return destination


def _read_destination_type(given: Mapping[str, str], _name: str, _default: str) -> str:
    return _find_destination(given).destination_type


def _read_database(given: Mapping[str, str], name: str, default: str) -> str:
    """The file that an embedded DuckDB has for credentials; those of other destinations are secrets, and not read."""
    if _find_destination(given) is not DUCKDB:
        return ""
    path = given.get(name, default).removeprefix("duckdb:///")
    if "://" in path or "@" in path:
        raise SettingsError(
            f"{name} is an address, and a DuckDB file has a path: name the destination in {TYPE_VARIABLE}, such as "
            "postgres, or set it to a path."
        )
    return path


def _read_reporting(given: Mapping[str, str], name: str, default: bool) -> bool:
    """Whether there are reports, which are views."""
    is_on = read_switch(given, name, default)
    if is_on and not (destination := _find_destination(given)).has_views:
        raise SettingsError(f"{name} is on, and {destination.title} have no views: leave it out.")
    return is_on


def _read_personal_data(given: Mapping[str, str], name: str, default: PersonalData) -> PersonalData:
    value = read_choice(given, name, default)
    if value is PersonalData.HASH and PERSONAL_DATA_KEY not in given:
        raise SettingsError(f"{name} is hash: set {PERSONAL_DATA_KEY} to what `openssl rand -hex 32` prints.")
    return value


def _read_metrics(given: Mapping[str, str], _name: str, default: bool) -> bool:
    endpoint = next((name for name in METRICS_ENDPOINTS if name in given), None)
    if endpoint is None or given.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return default
    _require_telemetry_extra("opentelemetry.exporter.otlp.proto.http", wanted_by=f"{endpoint} is set")
    return True


def _read_log_format(given: Mapping[str, str], name: str, default: LogFormat) -> LogFormat:
    value = read_choice(given, name, default)
    if value is LogFormat.JSON:
        _require_telemetry_extra("pythonjsonlogger", wanted_by=f"{name} is json")
    return value


def _require_telemetry_extra(module: str, *, wanted_by: str) -> None:
    if not is_installed(module):
        raise SettingsError(f"{wanted_by}, which takes another package: {describe_installation('telemetry')}.")


def _read_owners(given: Mapping[str, str], name: str, default: tuple[str, ...]) -> tuple[str, ...]:
    """The owners, in the two forms that Dagster takes."""
    owners = tuple(given[name].split()) if name in given else default
    for owner in owners:
        if not re.fullmatch(r"team:[A-Za-z0-9_]+|[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\.[A-Za-z]{2,7}", owner):
            raise SettingsError(f"{name} has {owner!r}: set it to e-mail addresses, or teams as team:finance.")
    return owners


def _read_keep_runs_days(given: Mapping[str, str], name: str, default: int) -> int:
    days = read_whole_number(given, name, default)
    catch_up_days = read_whole_number(given, "INVOICE_CATCH_UP_DAYS", Settings.catch_up_days)
    if 0 < days <= catch_up_days:
        raise SettingsError(
            f"{name} is {days}, and the daily schedule looks {catch_up_days} days back for partitions that were missed "
            "(INVOICE_CATCH_UP_DAYS): set it to more, or to 0 to keep all runs."
        )
    return days


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Everything that is configured by the environment and is no secret; see `.env.example` for the meanings."""

    organizations_file: str = setting("INVOICE_ORGANIZATIONS", "", read_text)
    """The TOML file that names several organisations; empty where there is one, configured here."""
    slug: str = ""
    """Which of them these settings are for; empty where there is one."""
    credentials: str = "env:INVOICE_API"
    """Where the OAuth client is: `env:` and how its variables begin, or `dlt:` and the section of dlt's secrets."""

    base_url: str = setting("INVOICE_API_BASE_URL", "", _read_base_url)
    token_url: str = setting("INVOICE_API_TOKEN_URL", "", read_address)
    organization_id: str = setting("INVOICE_API_ORGANIZATION_ID", "", read_text)
    auth_scheme: str = setting("INVOICE_API_AUTH_SCHEME", "Zoho-oauthtoken", read_text)
    requests_per_minute: int = setting("INVOICE_API_REQUESTS_PER_MINUTE", 100, read_whole_number)
    concurrent_reads: int = setting("INVOICE_API_CONCURRENT_READS", 4, read_count)
    requests_in_flight: int = setting("INVOICE_API_REQUESTS_IN_FLIGHT", 5, read_count)
    daily_reserve: int = setting("INVOICE_API_DAILY_RESERVE", 0, read_whole_number)
    max_retries: int = setting("INVOICE_API_MAX_RETRIES", 3, read_whole_number)
    max_body_mb: int = setting("INVOICE_API_MAX_BODY_MB", 64, read_count)
    max_new_columns: int = setting("INVOICE_MAX_NEW_COLUMNS", 500, read_whole_number)
    backoff_factor_s: float = setting("INVOICE_API_BACKOFF_FACTOR", 2.0, read_number)
    step_retries: int = setting("INVOICE_STEP_RETRIES", 2, read_whole_number)
    step_retry_delay_s: float = setting("INVOICE_STEP_RETRY_DELAY", 30.0, read_number)
    shared_state: str = setting("INVOICE_SHARED_STATE", "data/state", read_folder)
    """The folder in which processes meet; empty where it is a database, whose address is a secret."""

    dataset: str = setting("INVOICE_DATASET", "invoicing", read_identifier)
    destination_type: str = setting(TYPE_VARIABLE, "duckdb", _read_destination_type)
    table_format: str = setting(FORMAT_VARIABLE, "", read_text)
    """The format of the tables where the destination is a filesystem."""
    database: str = setting("DESTINATION__WAREHOUSE__CREDENTIALS", "data/invoicing.duckdb", _read_database)
    """The file of an embedded DuckDB; other destinations are dlt's to configure."""
    warehouse_patience_s: float = setting("INVOICE_WAREHOUSE_PATIENCE", 120.0, read_number)
    personal_data: PersonalData = setting("INVOICE_PERSONAL_DATA", PersonalData.KEEP, _read_personal_data)
    deletion_limit: float = setting("INVOICE_DELETION_LIMIT", 0.2, read_share)

    executor: Executor = setting("INVOICE_EXECUTOR", Executor.IN_PROCESS, read_choice)
    celery_visibility_timeout_s: int = setting("INVOICE_CELERY_VISIBILITY_TIMEOUT", 3600, read_count)
    time_zone: str = setting("INVOICE_TIMEZONE", "UTC", read_time_zone)
    start_date: date = setting("INVOICE_START_DATE", date(2024, 1, 1), read_day)
    automation: bool = setting("INVOICE_AUTOMATION", False, read_switch)
    catch_up_days: int = setting("INVOICE_CATCH_UP_DAYS", 30, read_whole_number)
    cron_catch_up: str = setting("INVOICE_CRON_CATCH_UP", "10 0 * * *", read_text)
    cron_today: str = setting("INVOICE_CRON_TODAY", "5 * * * *", read_text)
    cron_snapshot: str = setting("INVOICE_CRON_SNAPSHOT", "30 1 * * *", read_text)
    cron_reconciliation: str = setting("INVOICE_CRON_RECONCILIATION", "0 3 * * 0", read_text)
    cron_checks: str = setting("INVOICE_CRON_CHECKS", "35 * * * *", read_text)
    cron_union_views: str = setting("INVOICE_CRON_UNION_VIEWS", "30 2 * * *", read_text)
    cron_reporting: str = setting("INVOICE_CRON_REPORTING", "0 2 * * *", read_text)
    keep_runs_days: int = setting("INVOICE_KEEP_RUNS_DAYS", 0, _read_keep_runs_days)
    cron_purge: str = setting("INVOICE_CRON_PURGE", "50 4 * * *", read_text)

    owners: tuple[str, ...] = setting("INVOICE_OWNERS", (), _read_owners)
    """Who is asked about the assets: e-mail addresses, and teams as `team:finance`."""
    preview_rows: int = setting("INVOICE_PREVIEW_ROWS", 10, read_whole_number)
    reporting: bool = setting("INVOICE_REPORTING", False, _read_reporting)
    """Whether there are views of reports beside the tables."""
    freshness_grace_minutes: int = setting("INVOICE_FRESHNESS_GRACE_MINUTES", 60, read_whole_number)
    alert_remind_hours: float = setting("INVOICE_ALERT_REMIND_HOURS", 24.0, read_hours)
    webserver_url: str = setting("DAGSTER_WEBSERVER_URL", "http://127.0.0.1:3000", _read_webserver_url)
    """Where people open the Dagster UI; without a trailing slash."""
    metrics: bool = setting(METRICS_ENDPOINTS[0], False, _read_metrics)
    """Whether there is a collector that takes metrics; where it is, only OpenTelemetry's SDK reads."""
    log_format: LogFormat = setting("INVOICE_LOG_FORMAT", LogFormat.PLAIN, _read_log_format)
    names_set: frozenset[str] = frozenset()

    @property
    def destination(self) -> DestinationSpec:
        """What suits the warehouse."""
        return find_destination(self.destination_type, table_format=self.table_format)

    def name_variable(self, variable: str) -> str:
        """What `INVOICE_API_CLIENT_ID` and its like are called for these credentials; empty where dlt has them."""
        kind, _, prefix = self.credentials.partition(":")
        return prefix + variable.removeprefix(_PREFIX) if kind == "env" else ""

    @classmethod
    def from_env(cls, environ: Mapping[str, str] = os.environ) -> "Settings":
        """The settings that the environment gives, defaults where it is silent or empty.

        Raises:
            SettingsError: A number is none, or is out of its range; or the destination cannot be the warehouse.
        """
        given = {name: value.strip() for name, value in environ.items() if value.strip()}
        read = {each.name: each.metadata["read"](given, variable, each.default) for variable, each in _fields()}
        return cls(**read, names_set=frozenset(given))


_PREFIX = Settings.credentials.partition(":")[2]


def read_usable(environ: Mapping[str, str] = os.environ) -> tuple[Settings, tuple[SettingsError, ...]]:
    """The settings without the variables that cannot be used, and what is wrong with each of these."""
    left, problems = dict(environ), list[SettingsError]()
    while True:
        try:
            return Settings.from_env(left), tuple(problems)
        except SettingsError as error:
            if left.pop(error.variable, None) is None:
                raise
            problems.append(error)


def find_unknown_variables(settings: Settings) -> dict[str, str]:
    """Variables that are set, are called like this project's and are none of them; each with the one that it is like.

    Where there are several organisations, their credentials have names of their own.
    """
    known = {*SECRETS, *(variable for variable, _ in _fields())}
    endings = tuple(name.removeprefix(_PREFIX) for name in CREDENTIALS) if settings.organizations_file else ()
    others = sorted(settings.names_set - known)
    unknown = [name for name in others if name.startswith("INVOICE_") and not name.endswith(endings)]
    return {name: next(iter(get_close_matches(name, known, n=1, cutoff=0.8)), "") for name in unknown}


def _fields() -> "Iterator[tuple[str, Field[Any]]]":
    """The fields that the environment fills, each behind its variable."""
    return ((each.metadata["variable"], each) for each in fields(Settings) if each.metadata)
