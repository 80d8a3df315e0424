"""The command line as a whole: its commands, what all of them share, and how an error reaches the terminal.

What a command asks and prints lives in the module of its name, what it asks about in the layers below. Imports that
take long stand in the commands, so that help and completion are quick. https://typer.tiangolo.com
"""

import logging
import sys
from contextvars import ContextVar
from importlib.metadata import version
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from invoice_assets.cli.alerts import send_test_alerts
from invoice_assets.cli.authorize import authorize
from invoice_assets.cli.doctor import examine
from invoice_assets.cli.organizations import draft_organizations
from invoice_assets.cli.status import show_status
from invoice_assets.cli.terminal import FAILING
from invoice_assets.env_file import ENV_FILE, load_variables
from invoice_assets.errors import InvoicingError
from invoice_assets.variables import SettingsError

DEBUG = "--debug"
_shows_traceback: ContextVar[bool] = ContextVar("shows_traceback", default=False)

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Invoicing data as Dagster assets.\n\nExample: invoice-assets authorize, then invoice-assets doctor",
)
app.command("authorize")(authorize)
app.command("doctor")(examine)
app.command("status")(show_status)
app.command("organizations")(draft_organizations)
alerts_app = typer.Typer(
    no_args_is_help=True,
    help="Where alerts go (INVOICE_ALERT_URLS).\n\nExample: invoice-assets alerts test",
)
alerts_app.command("test")(send_test_alerts)
app.add_typer(alerts_app, name="alerts")


def main() -> None:
    """Run the command line; an error is told in a sentence, with `--debug`, wherever it stands, as it was raised."""
    arguments = [argument for argument in sys.argv[1:] if argument != DEBUG]
    try:
        app([DEBUG, *arguments] if DEBUG in sys.argv else arguments)
    except Exception as error:
        if _shows_traceback.get():
            raise
        Console(stderr=True).print(escape(_tell(error)), style="red", highlight=False)
        sys.exit(FAILING)


def show_version(is_asked_for: bool) -> None:
    """Print the version that is installed, the one of pyproject.toml, and end."""
    if is_asked_for:
        typer.echo(version("invoice-assets"))
        raise typer.Exit


@app.callback()
def prepare(
    debug: Annotated[bool, typer.Option(DEBUG, help="Show the traceback of an error; stands anywhere.")] = False,
    shows_version: Annotated[
        bool, typer.Option("--version", help="Show the version and end.", callback=show_version, is_eager=True)
    ] = False,
) -> None:
    """Commands read .env of the folder that they are run in, as Dagster does."""
    _shows_traceback.set(debug)
    if debug:
        logging.basicConfig()
        logging.getLogger("invoice_assets").setLevel(logging.DEBUG)
    load_variables(ENV_FILE)


def _tell(error: Exception) -> str:
    """An error of ours as it is; of any other only the kind, since its text may quote a secret."""
    if isinstance(error, (InvoicingError, SettingsError)):
        return str(error)
    return (
        f"This is not an error that the command knows ({type(error).__name__}). Run it again as "
        "`invoice-assets --debug …`, and report the traceback where it names no fault of your setup."
    )
