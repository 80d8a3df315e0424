"""`invoice-assets organizations`: a first draft of the file that names several.

The format lives in `invoice_assets/organizations.py`.
"""

from dataclasses import replace

import typer

from invoice_assets.settings import Settings
from invoice_assets.variables import SettingsError


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
