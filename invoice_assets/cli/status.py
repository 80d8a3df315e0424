"""`invoice-assets status`: how each asset stands, and what fails.

All of it is read from Dagster's instance, by `defs/asset_status.py` and the readers of `defs/alerting/`.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated
from zoneinfo import ZoneInfo

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from invoice_assets.cli.terminal import FAILING, build_table, say
from invoice_assets.settings import Settings

if TYPE_CHECKING:
    from invoice_assets.alerts.observations import Observation
    from invoice_assets.defs.asset_status import AssetStatus

_UNKNOWN = "-"


def show_status(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object, for a machine.")] = False,
) -> None:
    """Show for each asset its last load, and below what fails now. Exit status 1 where something does.

    Example: invoice-assets status
    """
    settings = Settings.from_env()
    observations, statuses = _read(settings)
    failing = sorted(
        (seen for seen in observations if seen.severity is not None), key=lambda one: (str(one.severity), one.subject)
    )
    if as_json:
        say(json.dumps({"assets": [_spell(one) for one in statuses], "failing": [_name(one) for one in failing]}))
    else:
        Console().print(_tabulate(statuses))
        _tell(observations, failing, settings)
    if failing:
        raise typer.Exit(FAILING)


def _read(settings: Settings) -> "tuple[list[Observation], list[AssetStatus]]":
    """What each check and each step did last, and how each asset stands."""
    from invoice_assets.catalog import RESOURCES
    from invoice_assets.definitions import build_definitions
    from invoice_assets.defs.alerting.readers import open_check_observations, open_run_observations
    from invoice_assets.defs.asset_status import read_statuses
    from invoice_assets.defs.instance import open_instance
    from invoice_assets.organizations import split_by_organization

    repository = build_definitions(settings).get_repository_def()
    resources = [
        (replace(spec, organization=own.slug), own)
        for own in split_by_organization(settings)
        for spec in RESOURCES.values()
    ]
    with open_instance(settings) as instance:
        observations = [
            *open_check_observations(instance, repository, settings=settings).read_current(),
            *open_run_observations(instance, repository, settings=settings).read_current(),
        ]
        statuses = read_statuses(
            instance,
            repository,
            resources,
            observations=observations,
            time_zone=settings.time_zone,
            now=datetime.now(UTC),
        )
        return observations, statuses


def _tell(observations: "Sequence[Observation]", failing: "Sequence[Observation]", settings: Settings) -> None:
    if failing:
        Console().print(_tabulate_failing(failing, settings))
    elif observations:
        say(f"Nothing fails: {len(observations)} checks and steps were well when they ran last.")
    else:
        say("Dagster knows of no check and no load yet: materialize the assets first.")


def _tabulate(statuses: "Sequence[AssetStatus]") -> Table:
    table = build_table("asset", "last load", "rows", "freshness", "failing checks", "next load", "quota left")
    for one in statuses:
        cells = (
            one.asset,
            _show_time(one.loaded_at, one.time_zone),
            _show_number(one.rows),
            str(one.freshness or _UNKNOWN),
            ", ".join(one.failing_checks),
            _show_time(one.next_load_at, one.time_zone) if one.next_load_at else "no schedule is on",
            _show_number(one.quota_remaining),
        )
        table.add_row(*map(escape, cells))
    return table


def _tabulate_failing(failing: "Sequence[Observation]", settings: Settings) -> Table:
    """What fails, errors first, with the time of the last look at it."""
    table = build_table("", "what", "seen", "what is wrong", "what to do")
    for seen in failing:
        at = _show_time(datetime.fromtimestamp(seen.at, UTC), settings.time_zone)
        cells = (str(seen.severity), seen.report.title, at, seen.report.summary, seen.report.what_to_do)
        table.add_row(*map(escape, cells))
    return table


def _show_time(at: datetime | None, time_zone: str) -> str:
    return f"{at.astimezone(ZoneInfo(time_zone)):%Y-%m-%d %H:%M %Z}" if at else _UNKNOWN


def _show_number(number: int | None) -> str:
    return _UNKNOWN if number is None else f"{number:,}"


def _spell(status: "AssetStatus") -> dict[str, object]:
    """The status as JSON takes it, instants in ISO 8601."""
    fields = asdict(status)
    return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in fields.items()}


def _name(seen: "Observation") -> dict[str, object]:
    return {
        "severity": str(seen.severity),
        "what": seen.report.title,
        "seen_at": datetime.fromtimestamp(seen.at, UTC).isoformat(),
        "says": seen.report.summary,
        "what_to_do": seen.report.what_to_do,
    }
