"""`invoice-assets`: what a person types outside Dagster.

A command reads the settings, asks the layer that knows, and prints; what it asks lives there. Imports that take long
stand in the commands, so that help and completion are quick. https://typer.tiangolo.com
"""

import sys
import time
from collections.abc import Sequence
from contextvars import ContextVar
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from zoneinfo import ZoneInfo

import typer
from dotenv import load_dotenv
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from invoice_assets.errors import InvoicingError
from invoice_assets.settings import Settings, SettingsError

if TYPE_CHECKING:
    from dagster import DagsterInstance

    from invoice_assets.alerts.observations import Observation

FAILING = 1
"""Exit status where something fails, did not arrive, or could not be done."""

_shows_traceback: ContextVar[bool] = ContextVar("shows_traceback", default=False)

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, help="Invoicing data as Dagster assets.")
alerts_app = typer.Typer(no_args_is_help=True, help="Where alerts go (INVOICE_ALERT_URLS).")
app.add_typer(alerts_app, name="alerts")


def main() -> None:
    """Run the command line; an error of ours is told in a sentence, with `--debug` as it was raised."""
    try:
        app()
    except (InvoicingError, SettingsError) as error:
        if _shows_traceback.get():
            raise
        Console(stderr=True).print(escape(str(error)), style="red")
        sys.exit(FAILING)


@app.callback()
def prepare(debug: Annotated[bool, typer.Option(help="Show the traceback of an error.")] = False) -> None:
    """Commands read .env of the folder that they are run in, as Dagster does."""
    _shows_traceback.set(debug)
    load_dotenv(Path(".env"))


@app.command()
def status() -> None:
    """List the checks and the loads that fail now. Exit status 1 where something does.

    Example: invoice-assets status
    """
    settings = Settings.from_env()
    observations = _observe(settings)
    failing = [seen for seen in observations if seen.severity is not None]
    if failing:
        Console().print(_tabulate(failing, settings))
        raise typer.Exit(FAILING)
    if observations:
        Console().print(f"Nothing fails: {len(observations)} checks and steps were well when they ran last.")
    else:
        Console().print("Dagster knows of no check and no load yet: materialize the assets first.")


@app.command("organizations")
def draft_organizations() -> None:
    """Print a first draft of the file that INVOICE_ORGANIZATIONS names, from what the API lists.

    Example: invoice-assets organizations > organizations.toml
    """
    from dagster import build_resources

    from invoice_assets.api.organizations import list_organizations
    from invoice_assets.defs.resources import InvoiceApiResource
    from invoice_assets.organizations import draft_file

    settings = replace(Settings.from_env(), organization_id="")
    with (
        build_resources({"invoice_api": InvoiceApiResource.from_settings(settings)}) as resources,
        resources.invoice_api.open_session() as session,
    ):
        listed = [found for found in list_organizations(session) if found.is_active]
    if not listed:
        raise SettingsError("The API lists no active organisation for this login.")
    found = [(one.organization_id, one.name, one.time_zone) for one in listed]
    typer.echo(draft_file(found, base_url=settings.base_url, token_url=settings.token_url), nl=False)


@alerts_app.command("test")
def send_test_alerts() -> None:
    """Send one message to every channel and say which arrived. Exit status 1 where one did not.

    Example: invoice-assets alerts test
    """
    from dagster import build_resources

    from invoice_assets.alerts.channels import VARIABLE
    from invoice_assets.alerts.dispatch import Outcome, send_test
    from invoice_assets.catalog import RESOURCES
    from invoice_assets.defs.alerting.resource import AlertsResource

    with build_resources({"alerts": AlertsResource.from_settings(Settings.from_env())}) as resources:
        channels = resources.alerts.open_channels(RESOURCES)
    if not channels:
        raise SettingsError(f"{VARIABLE} is not set: alerts go nowhere. docs/operations.md says how to set it.")
    deliveries = send_test(channels, now=time.time())
    table = Table("channel", "the test message")
    for delivery in deliveries:
        table.add_row(escape(delivery.channel), escape(f"{delivery.outcome} {delivery.reason}".strip()))
    Console().print(table)
    if any(delivery.outcome is not Outcome.SENT for delivery in deliveries):
        raise typer.Exit(FAILING)


def _observe(settings: Settings) -> "list[Observation]":
    """What each check and each step did last, as Dagster remembers it."""
    from invoice_assets.definitions import build_definitions
    from invoice_assets.defs.alerting.readers import open_check_observations, open_run_observations

    repository = build_definitions(settings).get_repository_def()
    with _open_instance(settings) as instance:
        return [
            *open_check_observations(instance, repository, settings=settings).read_current(),
            *open_run_observations(instance, repository, settings=settings).read_current(),
        ]


def _open_instance(settings: Settings) -> "DagsterInstance":
    """The instance of DAGSTER_HOME, or else of the folder, where `dagster dev` finds it too."""
    from dagster import DagsterInstance

    if "DAGSTER_HOME" in settings.names_set:
        return DagsterInstance.get()
    if not Path("dagster.yaml").exists():
        raise SettingsError("DAGSTER_HOME is not set: set it, or run this in the folder that has dagster.yaml.")
    return DagsterInstance.from_config(str(Path.cwd()))


def _tabulate(failing: "Sequence[Observation]", settings: Settings) -> Table:
    """What fails, errors first, with the time of the last look at it."""
    table = Table("", "what", f"seen ({settings.time_zone})", "what is wrong", "what to do")
    for seen in sorted(failing, key=lambda one: (str(one.severity), one.subject)):
        at = datetime.fromtimestamp(seen.at, ZoneInfo(settings.time_zone))
        cells = (str(seen.severity), seen.report.title, f"{at:%Y-%m-%d %H:%M}", seen.report.summary)
        table.add_row(*map(escape, (*cells, seen.report.what_to_do)))
    return table


if __name__ == "__main__":
    main()
