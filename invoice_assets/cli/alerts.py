"""`invoice-assets alerts test`: does an alert arrive?

What a channel is lives in `alerts/channels.py`.
"""

import time

import typer
from rich.console import Console
from rich.markup import escape

from invoice_assets.cli.terminal import FAILING, build_table
from invoice_assets.settings import Settings
from invoice_assets.variables import ALERT_URLS, SettingsError


def send_test_alerts() -> None:
    """Send one message to every channel and say which arrived. Exit status 1 where one did not.

    Example: invoice-assets alerts test
    """
    from dagster import build_resources

    from invoice_assets.alerts.dispatch import Outcome, send_test
    from invoice_assets.catalog import RESOURCES
    from invoice_assets.defs.alerting.resource import AlertsResource

    with build_resources({"alerts": AlertsResource.from_settings(Settings.from_env())}) as resources:
        channels = resources.alerts.open_channels(RESOURCES)
    if not channels:
        raise SettingsError(
            f"{ALERT_URLS} is not set: alerts go nowhere. docs/checks_and_alerts.md says how to set it."
        )
    deliveries = send_test(channels, now=time.time())
    table = build_table("channel", "the test message")
    for delivery in deliveries:
        table.add_row(escape(delivery.channel), escape(f"{delivery.outcome} {delivery.reason}".strip()))
    Console().print(table)
    if any(delivery.outcome is not Outcome.SENT for delivery in deliveries):
        raise typer.Exit(FAILING)
