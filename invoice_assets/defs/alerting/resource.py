"""The Dagster resource of alerts: where they go.

What a channel is lives in `alerts/channels.py`, when something is told in `sensors.py`.
https://docs.dagster.io/guides/build/external-resources
"""

from collections.abc import Iterable

from dagster import ConfigurableResource, EnvVar
from pydantic import Field

from invoice_assets.alerts.channels import Channel, parse_channels
from invoice_assets.settings import Settings
from invoice_assets.variables import ALERT_URLS


class AlertsResource(ConfigurableResource["AlertsResource"]):
    """The channels that alerts are delivered by. Their addresses hold tokens: nothing shows them."""

    urls: str = Field(default="", description="Apprise URLs, separated by spaces; empty: alerts go nowhere.")

    @classmethod
    def from_settings(cls, settings: Settings) -> "AlertsResource":
        """The resource as the environment configures it; the URLs stay the name of a variable until they are used."""
        return cls(urls=EnvVar(ALERT_URLS) if ALERT_URLS in settings.names_set else "")

    def __repr__(self) -> str:
        return f"AlertsResource(urls={'***' if self.urls else ''!r})"

    __str__ = __repr__

    def open_channels(self, resources: Iterable[str]) -> tuple[Channel, ...]:
        """The channels, for which the resources' names can be tags; none where no URL is set.

        Raises:
            AlertConfigurationError: A URL or a tag of one cannot be used.
        """
        return parse_channels(self.urls, resources=tuple(resources))
