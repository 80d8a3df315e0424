"""Settings: what the environment says, read in one place and checked before anything runs.

Nothing here connects to anything. Secrets are not read: `names_set` tells which are there, Dagster and dlt resolve them
when a run needs them. Every variable has its line in `.env.example`.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum

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
    read_time_zone,
    read_whole_number,
)

DEFAULT_DATABASE = "data/invoicing.duckdb"
DEFAULT_SHARED_STATE = "data/state"

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


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Everything that is configured by the environment and is no secret; see `.env.example` for the meanings."""

    organizations_file: str = ""
    """The TOML file that names several organisations; empty where there is one, configured here."""
    slug: str = ""
    """Which of them these settings are for; empty where there is one."""
    base_url: str = ""
    token_url: str = ""
    organization_id: str = ""
    credentials: str = "env:INVOICE_API"
    """Where the OAuth client is: `env:` and how its variables begin, or `dlt:` and the section of dlt's secrets."""
    auth_scheme: str = "Zoho-oauthtoken"
    requests_per_minute: int = 100
    concurrent_reads: int = 4
    requests_in_flight: int = 5
    daily_reserve: int = 0
    max_retries: int = 3
    max_body_mb: int = 64
    max_new_columns: int = 500
    backoff_factor_s: float = 2.0
    step_retries: int = 2
    step_retry_delay_s: float = 30.0
    shared_state: str = DEFAULT_SHARED_STATE
    """The folder in which processes meet; empty where it is a database, whose address is a secret."""
    dataset: str = "invoicing"
    destination_type: str = "duckdb"
    table_format: str = ""
    """The format of the tables where the destination is a filesystem."""
    database: str = DEFAULT_DATABASE
    """The file of an embedded DuckDB; other destinations are dlt's to configure."""
    warehouse_patience_s: float = 120.0
    personal_data: PersonalData = PersonalData.KEEP
    executor: Executor = Executor.IN_PROCESS
    celery_visibility_timeout_s: int = 3600
    time_zone: str = "UTC"
    start_date: date = date(2024, 1, 1)
    automation: bool = False
    owners: tuple[str, ...] = ()
    """Who is asked about the assets: e-mail addresses, and teams as `team:finance`."""
    preview_rows: int = 10
    reporting: bool = False
    """Whether there are views of reports beside the tables."""
    catch_up_days: int = 30
    deletion_limit: float = 0.2
    cron_catch_up: str = "10 0 * * *"
    cron_today: str = "5 * * * *"
    cron_snapshot: str = "30 1 * * *"
    cron_reconciliation: str = "0 3 * * 0"
    cron_checks: str = "35 * * * *"
    cron_union_views: str = "30 2 * * *"
    cron_reporting: str = "0 2 * * *"
    keep_runs_days: int = 0
    cron_purge: str = "50 4 * * *"
    freshness_grace_minutes: int = 60
    alert_remind_hours: float = 24.0
    webserver_url: str = "http://127.0.0.1:3000"
    """Where people open the Dagster UI; without a trailing slash."""
    metrics: bool = False
    """Whether there is a collector that takes metrics; where it is, only OpenTelemetry's SDK reads."""
    log_format: LogFormat = LogFormat.PLAIN
    names_set: frozenset[str] = frozenset()

    @property
    def destination(self) -> DestinationSpec:
        """What suits the warehouse."""
        return find_destination(self.destination_type, table_format=self.table_format)

    def name_variable(self, variable: str) -> str:
        """What `INVOICE_API_CLIENT_ID` and its like are called for these credentials; empty where dlt has them."""
        kind, _, prefix = self.credentials.partition(":")
        return prefix + variable.removeprefix(Settings.credentials.partition(":")[2]) if kind == "env" else ""

    @classmethod
    def from_env(cls, environ: Mapping[str, str] = os.environ) -> "Settings":
        """The settings that the environment gives, defaults where it is silent or empty.

        Raises:
            SettingsError: A number is none, or is out of its range; or the destination cannot be the warehouse.
        """
        given = {name: value.strip() for name, value in environ.items() if value.strip()}
        api = cls(
            organizations_file=given.get("INVOICE_ORGANIZATIONS", cls.organizations_file),
            base_url=with_trailing_slash(read_address(given, "INVOICE_API_BASE_URL", cls.base_url)),
            token_url=read_address(given, "INVOICE_API_TOKEN_URL", cls.token_url),
            organization_id=given.get("INVOICE_API_ORGANIZATION_ID", cls.organization_id),
            auth_scheme=given.get("INVOICE_API_AUTH_SCHEME", cls.auth_scheme),
            requests_per_minute=read_whole_number(given, "INVOICE_API_REQUESTS_PER_MINUTE", cls.requests_per_minute),
            concurrent_reads=read_count(given, "INVOICE_API_CONCURRENT_READS", cls.concurrent_reads),
            requests_in_flight=read_count(given, "INVOICE_API_REQUESTS_IN_FLIGHT", cls.requests_in_flight),
            daily_reserve=read_whole_number(given, "INVOICE_API_DAILY_RESERVE", cls.daily_reserve),
            max_retries=read_whole_number(given, "INVOICE_API_MAX_RETRIES", cls.max_retries),
            max_body_mb=read_count(given, "INVOICE_API_MAX_BODY_MB", cls.max_body_mb),
            max_new_columns=read_whole_number(given, "INVOICE_MAX_NEW_COLUMNS", cls.max_new_columns),
            backoff_factor_s=read_number(given, "INVOICE_API_BACKOFF_FACTOR", cls.backoff_factor_s),
            step_retries=read_whole_number(given, "INVOICE_STEP_RETRIES", cls.step_retries),
            step_retry_delay_s=read_number(given, "INVOICE_STEP_RETRY_DELAY", cls.step_retry_delay_s),
            shared_state=read_folder(given, "INVOICE_SHARED_STATE", cls.shared_state),
        )
        return cls._complete(api, given)

    @classmethod
    def _complete(cls, api: "Settings", given: Mapping[str, str]) -> "Settings":
        """The settings of the API with those of the warehouse, the schedules and the UI."""
        return replace(
            api,
            dataset=read_identifier(given, "INVOICE_DATASET", cls.dataset),
            destination_type=(destination := _destination(given)).destination_type,
            table_format=destination.table_format,
            database=_duckdb_file(given) if destination is DUCKDB else "",
            warehouse_patience_s=read_number(given, "INVOICE_WAREHOUSE_PATIENCE", cls.warehouse_patience_s),
            personal_data=_personal_data(given, cls.personal_data),
            executor=read_choice(given, "INVOICE_EXECUTOR", cls.executor),
            celery_visibility_timeout_s=read_count(
                given, "INVOICE_CELERY_VISIBILITY_TIMEOUT", cls.celery_visibility_timeout_s
            ),
            time_zone=read_time_zone(given, "INVOICE_TIMEZONE", cls.time_zone),
            start_date=read_day(given, "INVOICE_START_DATE", cls.start_date),
            automation=read_switch(given, "INVOICE_AUTOMATION"),
            owners=_owners(given),
            preview_rows=read_whole_number(given, "INVOICE_PREVIEW_ROWS", cls.preview_rows),
            reporting=_reporting(given, destination),
            catch_up_days=(catch_up_days := read_whole_number(given, "INVOICE_CATCH_UP_DAYS", cls.catch_up_days)),
            keep_runs_days=_keep_runs_days(given, cls.keep_runs_days, catch_up_days=catch_up_days),
            deletion_limit=read_share(given, "INVOICE_DELETION_LIMIT", cls.deletion_limit),
            cron_catch_up=given.get("INVOICE_CRON_CATCH_UP", cls.cron_catch_up),
            cron_today=given.get("INVOICE_CRON_TODAY", cls.cron_today),
            cron_snapshot=given.get("INVOICE_CRON_SNAPSHOT", cls.cron_snapshot),
            cron_reconciliation=given.get("INVOICE_CRON_RECONCILIATION", cls.cron_reconciliation),
            cron_checks=given.get("INVOICE_CRON_CHECKS", cls.cron_checks),
            cron_union_views=given.get("INVOICE_CRON_UNION_VIEWS", cls.cron_union_views),
            cron_reporting=given.get("INVOICE_CRON_REPORTING", cls.cron_reporting),
            cron_purge=given.get("INVOICE_CRON_PURGE", cls.cron_purge),
            freshness_grace_minutes=read_whole_number(
                given, "INVOICE_FRESHNESS_GRACE_MINUTES", cls.freshness_grace_minutes
            ),
            alert_remind_hours=read_hours(given, "INVOICE_ALERT_REMIND_HOURS", cls.alert_remind_hours),
            webserver_url=read_address(given, "DAGSTER_WEBSERVER_URL", cls.webserver_url).rstrip("/"),
            metrics=_metrics(given),
            log_format=_log_format(given, cls.log_format),
            names_set=frozenset(given),
        )


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


def read_variable(name: str, environ: Mapping[str, str] = os.environ) -> str:
    """A variable that is no setting, such as a secret that a command hands on; empty where it is not set."""
    return environ.get(name, "").strip()


def with_trailing_slash(url: str) -> str:
    """The address of a folder of resources, to which their paths are added."""
    return f"{url.rstrip('/')}/" if url else ""


def _destination(given: Mapping[str, str]) -> DestinationSpec:
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


def _reporting(given: Mapping[str, str], destination: DestinationSpec) -> bool:
    """Whether there are reports, which are views."""
    is_on = read_switch(given, "INVOICE_REPORTING")
    if is_on and not destination.has_views:
        raise SettingsError(f"INVOICE_REPORTING is on, and {destination.title} have no views: leave it out.")
    return is_on


def _duckdb_file(given: Mapping[str, str]) -> str:
    """The file that an embedded DuckDB has for credentials; those of other destinations are secrets, and not read."""
    path = given.get("DESTINATION__WAREHOUSE__CREDENTIALS", DEFAULT_DATABASE).removeprefix("duckdb:///")
    if "://" in path or "@" in path:
        raise SettingsError(
            "DESTINATION__WAREHOUSE__CREDENTIALS is an address, and a DuckDB file has a path: name the destination in "
            "DESTINATION__WAREHOUSE__DESTINATION_TYPE, such as postgres, or set it to a path."
        )
    return path


def _personal_data(given: Mapping[str, str], default: PersonalData) -> PersonalData:
    value = read_choice(given, "INVOICE_PERSONAL_DATA", default)
    if value is PersonalData.HASH and "INVOICE_PERSONAL_DATA_KEY" not in given:
        raise SettingsError(
            "INVOICE_PERSONAL_DATA is hash: set INVOICE_PERSONAL_DATA_KEY to what `openssl rand -hex 32` prints."
        )
    return value


def _metrics(given: Mapping[str, str]) -> bool:
    endpoint = next((name for name in METRICS_ENDPOINTS if name in given), None)
    if endpoint is None or given.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return False
    _require_telemetry_extra("opentelemetry.exporter.otlp.proto.http", wanted_by=f"{endpoint} is set")
    return True


def _log_format(given: Mapping[str, str], default: LogFormat) -> LogFormat:
    value = read_choice(given, "INVOICE_LOG_FORMAT", default)
    if value is LogFormat.JSON:
        _require_telemetry_extra("pythonjsonlogger", wanted_by="INVOICE_LOG_FORMAT is json")
    return value


def _require_telemetry_extra(module: str, *, wanted_by: str) -> None:
    if not is_installed(module):
        raise SettingsError(f"{wanted_by}, which takes another package: {describe_installation('telemetry')}.")


def _owners(given: Mapping[str, str]) -> tuple[str, ...]:
    """The owners, in the two forms that Dagster takes."""
    owners = tuple(given.get("INVOICE_OWNERS", "").split())
    for owner in owners:
        if not re.fullmatch(r"team:[A-Za-z0-9_]+|[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\.[A-Za-z]{2,7}", owner):
            raise SettingsError(f"INVOICE_OWNERS has {owner!r}: set it to e-mail addresses, or teams as team:finance.")
    return owners


def _keep_runs_days(given: Mapping[str, str], default: int, *, catch_up_days: int) -> int:
    days = read_whole_number(given, "INVOICE_KEEP_RUNS_DAYS", default)
    if 0 < days <= catch_up_days:
        raise SettingsError(
            f"INVOICE_KEEP_RUNS_DAYS is {days}, and the daily schedule looks {catch_up_days} days back for partitions "
            "that were missed (INVOICE_CATCH_UP_DAYS): set it to more, or to 0 to keep all runs."
        )
    return days
