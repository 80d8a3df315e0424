from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from dagster import EnvVar

from invoice_assets.api.errors import ConfigurationError
from invoice_assets.defs.resources import InvoiceApiResource, WarehouseResource
from invoice_assets.settings import Settings
from invoice_assets_tests.sandbox.server import Sandbox


def resource_for(sandbox: Sandbox, **changes: str) -> InvoiceApiResource:
    """A resource with everything in it, as a run has it once Dagster has resolved its variables."""
    values: dict[str, Any] = {
        "base_url": sandbox.api_base_url,
        "token_url": sandbox.token_url,
        "client_id": sandbox.client_id,
        "client_secret": sandbox.client_secret,
        "refresh_token": sandbox.refresh_token,
        "organization_id": sandbox.organization_id,
    }
    return InvoiceApiResource(**(values | changes))


def test_secrets_stay_names_of_variables(sandbox: Sandbox) -> None:
    resource = InvoiceApiResource.from_settings(Settings.from_env(sandbox.environment()))

    assert isinstance(resource.client_secret, EnvVar)
    assert isinstance(resource.refresh_token, EnvVar)
    assert isinstance(resource.client_id, EnvVar)


def test_the_key_of_hashes_stays_the_name_of_its_variable() -> None:
    resource = InvoiceApiResource.from_settings(Settings(names_set=frozenset({"INVOICE_PERSONAL_DATA_KEY"})))

    assert resource.personal_data_key == EnvVar("INVOICE_PERSONAL_DATA_KEY")


def test_all_sessions_of_a_resource_share_one_token(sandbox: Sandbox) -> None:
    resource = resource_for(sandbox)

    for name in ("invoices", "users", "taxes"):
        with resource.open_session() as session:
            assert session.get(sandbox.url(name)).status_code == 200

    assert sandbox.tokens_issued == 1


def test_each_session_counts_its_own_requests(sandbox: Sandbox) -> None:
    resource = resource_for(sandbox)
    with resource.open_session() as session:
        session.get(sandbox.url("invoices"))

    with resource.open_session() as other:
        assert other.usage.requests == 0


def test_opening_a_session_sends_nothing(sandbox: Sandbox) -> None:
    with resource_for(sandbox).open_session():
        assert sandbox.token_requests == 0


def test_empty_credentials_fall_back_to_the_secrets_of_dlt(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLIENT_ID", sandbox.client_id)
    monkeypatch.setenv("CLIENT_SECRET", sandbox.client_secret)
    monkeypatch.setenv("CLIENT_REFRESH_TOKEN", sandbox.refresh_token)
    resource = resource_for(sandbox, client_id="", client_secret="", refresh_token="")

    with resource.open_session() as session:
        assert session.get(sandbox.url("invoices")).status_code == 200


def test_without_any_credential_the_error_names_both_places(sandbox: Sandbox) -> None:
    resource = resource_for(sandbox, refresh_token="")

    with pytest.raises(ConfigurationError, match="INVOICE_API_REFRESH_TOKEN, or client_refresh_token in dlt"):
        resource.open_session()


def test_a_line_end_around_a_credential_does_not_matter(sandbox: Sandbox) -> None:
    resource = resource_for(sandbox, refresh_token=f"{sandbox.refresh_token}\n")

    with resource.open_session() as session:
        assert session.get(sandbox.url("invoices")).status_code == 200


def test_what_the_launchpad_fills_in_for_a_secret_is_refused(sandbox: Sandbox) -> None:
    with pytest.raises(ConfigurationError, match="No client_secret"):
        resource_for(sandbox, client_secret="********").open_session()


def test_a_missing_address_is_named(sandbox: Sandbox) -> None:
    with pytest.raises(ConfigurationError, match="INVOICE_API_BASE_URL"):
        resource_for(sandbox, base_url="").open_session()


def test_a_resource_shows_no_secret(sandbox: Sandbox) -> None:
    resource = resource_for(sandbox)

    for shown in (repr(resource), str(resource), f"{resource}"):
        assert sandbox.client_secret not in shown
        assert sandbox.refresh_token not in shown
        assert sandbox.client_id not in shown


def test_the_database_is_found_from_any_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)

    resource = WarehouseResource.from_settings(Settings())

    assert resource.database == str(tmp_path / "data" / "invoicing.duckdb")


def test_the_wait_for_the_warehouse_is_the_one_that_is_set() -> None:
    assert WarehouseResource.from_settings(replace(Settings(), warehouse_patience_s=7.0)).patience_s == 7.0


@pytest.mark.parametrize("resource", [InvoiceApiResource, WarehouseResource])
def test_every_field_that_the_launchpad_shows_is_described(
    resource: type[InvoiceApiResource] | type[WarehouseResource],
) -> None:
    fields = resource.model_fields

    assert len(fields) > 3
    assert [name for name, field in fields.items() if not field.description] == []
