import pytest
from dagster import EnvVar

from invoice_assets.alerts.channels import AlertConfigurationError
from invoice_assets.defs.alerting.resource import AlertsResource
from invoice_assets.settings import Settings

URLS = "json://alerts:planted-password@127.0.0.1:9/hook invoices=json://127.0.0.1:9/other"


def test_the_urls_stay_the_name_of_a_variable() -> None:
    settings = Settings.from_env({"INVOICE_ALERT_URLS": URLS})

    assert AlertsResource.from_settings(settings).urls == EnvVar("INVOICE_ALERT_URLS")
    assert AlertsResource.from_settings(Settings()).urls == ""


def test_the_urls_are_channels_once_they_are_used() -> None:
    assert len(AlertsResource(urls=URLS).open_channels(["invoices"])) == 2
    assert AlertsResource().open_channels(["invoices"]) == ()


def test_a_tag_that_names_no_resource_is_refused() -> None:
    with pytest.raises(AlertConfigurationError, match="invoices"):
        AlertsResource(urls=URLS).open_channels(["users"])


def test_the_resource_shows_no_url() -> None:
    resource = AlertsResource(urls=URLS)

    for shown in (repr(resource), str(resource), f"{resource}"):
        assert "json://" not in shown
        assert "planted-password" not in shown
