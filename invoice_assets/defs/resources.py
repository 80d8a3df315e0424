"""Dagster resources: the API that is read and the warehouse that is loaded.

Tokens, sessions and destinations themselves live below, in `api/` and `ingest/`; here is only their configuration.
They are imported by the run that needs them: who only loads the definitions waits for no HTTP client and no Arrow.
https://docs.dagster.io/guides/build/external-resources
"""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from threading import Lock
from typing import TYPE_CHECKING

import dlt
from dagster import ConfigurableResource, EnvVar, InitResourceContext
from dlt.pipeline.pipeline import Pipeline
from pydantic import Field, PrivateAttr

from invoice_assets.destinations import DestinationSpec, find_destination
from invoice_assets.ingest.windows import ReadRequest
from invoice_assets.resource_spec import ResourceSpec, qualify
from invoice_assets.settings import Settings
from invoice_assets.telemetry.recorder import UNRECORDED, Recorder
from invoice_assets.variables import CLIENT_ID, CLIENT_SECRET, PERSONAL_DATA_KEY, REFRESH_TOKEN

if TYPE_CHECKING:
    from invoice_assets.api.oauth import AccessTokenProvider, RefreshTokenGrant
    from invoice_assets.api.pacing import RequestPacer
    from invoice_assets.api.session import ApiSession
    from invoice_assets.api.shared_state import SharedState
    from invoice_assets.ingest.reading import Read, Reads


def name_api_resource(settings: Settings) -> str:
    """The name under which Dagster knows the organisation's API."""
    return qualify("invoice_api", settings.slug)


class InvoiceApiResource(ConfigurableResource["InvoiceApiResource"]):
    """The invoicing API of one organisation: where it is, and the OAuth 2.0 client that may read it.

    All runs of a deployment share one access token and one quota, through the shared state. Nothing is sent, and no
    secret needed, before the first request of a load.
    """

    base_url: str = Field(description="Address of the API, such as https://www.zohoapis.eu/invoice/v3/.")
    token_url: str = Field(description="Address that grants tokens, such as https://accounts.zoho.eu/oauth/v2/token.")
    client_id: str = Field(default="", description="OAuth client id; empty: `client_id` of dlt's secrets.")
    client_secret: str = Field(default="", description="OAuth client secret; empty: `client_secret` of dlt's secrets.")
    refresh_token: str = Field(default="", description="Refresh token; empty: `client_refresh_token` of dlt's secrets.")
    credentials: str = Field(
        default=Settings.credentials,
        description="Where they are: env:PREFIX of variables, or dlt:section of its secrets.",
    )
    organization_id: str = Field(default="", description="The organisation whose data is read.")
    auth_scheme: str = Field(
        default=Settings.auth_scheme, description="Word before the token: Zoho-oauthtoken or Bearer."
    )
    requests_per_minute: int = Field(
        default=Settings.requests_per_minute, ge=0, description="Pacing of requests; 0 sends them unpaced."
    )
    concurrent_reads: int = Field(
        default=Settings.concurrent_reads, ge=1, description="Lists that a run reads at a time; 1 reads none ahead."
    )
    requests_in_flight: int = Field(
        default=Settings.requests_in_flight, ge=1, description="Requests that the deployment has in flight at a time."
    )
    daily_reserve: int = Field(
        default=Settings.daily_reserve, ge=0, description="Requests of a day that are left to other applications."
    )
    shared_state: str = Field(
        default="", description="Folder or postgresql:// address where processes meet; empty: each for itself."
    )
    personal_data_key: str = Field(default="", description="Key with which personal data is hashed, where it is.")
    max_body_mb: int = Field(
        default=Settings.max_body_mb, ge=1, description="Megabytes of one answer's body; a longer one is refused."
    )
    max_new_columns: int = Field(
        default=Settings.max_new_columns, ge=0, description="Fields beside the catalog's that one load may bring."
    )
    max_retries: int = Field(default=Settings.max_retries, ge=0, description="Further attempts after a failed one.")
    backoff_factor: float = Field(
        default=Settings.backoff_factor_s, ge=0, description="Seconds before the first retry; doubled after each."
    )

    _lock: Lock = PrivateAttr(default_factory=Lock)
    _state: "SharedState | None" = PrivateAttr(default=None)
    _tokens: "AccessTokenProvider | None" = PrivateAttr(default=None)
    _pacer: "RequestPacer | None" = PrivateAttr(default=None)
    _reads: "Reads | None" = PrivateAttr(default=None)

    @classmethod
    def from_settings(cls, settings: Settings) -> "InvoiceApiResource":
        """The resource as the environment configures it; secrets stay names of variables until a run starts."""
        return cls(
            base_url=settings.base_url,
            token_url=settings.token_url,
            client_id=_secret(settings, settings.name_variable(CLIENT_ID)),
            client_secret=_secret(settings, settings.name_variable(CLIENT_SECRET)),
            refresh_token=_secret(settings, settings.name_variable(REFRESH_TOKEN)),
            credentials=settings.credentials,
            organization_id=settings.organization_id,
            auth_scheme=settings.auth_scheme,
            requests_per_minute=settings.requests_per_minute,
            requests_in_flight=settings.requests_in_flight,
            daily_reserve=settings.daily_reserve,
            shared_state=(
                os.path.abspath(settings.shared_state)
                if settings.shared_state
                else _secret(settings, "INVOICE_SHARED_STATE")
            ),
            personal_data_key=_secret(settings, PERSONAL_DATA_KEY),
            max_body_mb=settings.max_body_mb,
            max_new_columns=settings.max_new_columns,
            max_retries=settings.max_retries,
            backoff_factor=settings.backoff_factor_s,
            concurrent_reads=settings.concurrent_reads,
        )

    def __repr__(self) -> str:
        return f"InvoiceApiResource(base_url={self.base_url!r}, organization_id={self.organization_id!r})"

    __str__ = __repr__

    def open_session(
        self, *, recorder: Recorder = UNRECORDED, resource: str = "", renews_token: bool = True
    ) -> "ApiSession":
        """A session for one load; close it afterwards. It counts its own requests, and shares token and pacing.

        `recorder` takes the measurements of the organisation, and of the resource where one is named.
        `renews_token=False` leaves it to the caller what comes of a token that is refused.

        Raises:
            ConfigurationError: An address or a credential is missing or unusable.
        """
        from invoice_assets.api.oauth import AccessTokenProvider
        from invoice_assets.api.pacing import RequestPacer
        from invoice_assets.api.retries import RetryPolicy
        from invoice_assets.api.session import ApiAccount, ApiSession
        from invoice_assets.api.shared_state import open_shared_state

        account = ApiAccount(base_url=self.base_url, organization_id=self.organization_id, auth_scheme=self.auth_scheme)
        policy = RetryPolicy(max_retries=self.max_retries, backoff_factor_s=self.backoff_factor)
        with self._lock:
            if self._tokens is None or self._pacer is None:
                grant = self._build_grant()
                state = self._state = open_shared_state(self.shared_state) if self.shared_state else None
                self._tokens = AccessTokenProvider(
                    grant, store=grant.open_store(state) if state else None, policy=policy, recorder=recorder
                )
                self._pacer = RequestPacer(
                    requests_per_minute=self.requests_per_minute,
                    requests_in_flight=self.requests_in_flight,
                    daily_reserve=self.daily_reserve,
                    state=state,
                    quota=account.quota,
                )
        return ApiSession(
            account,
            tokens=self._tokens,
            pacer=self._pacer,
            policy=policy,
            max_body_mb=self.max_body_mb,
            recorder=recorder.bind(resource=resource),
            renews_token=renews_token,
        )

    @contextmanager
    def open_read(
        self,
        request: ReadRequest,
        *,
        upcoming: Sequence[ReadRequest],
        is_outdated: Callable[[datetime], bool],
        recorder: Recorder = UNRECORDED,
    ) -> "Iterator[Read]":
        """The read of a list, begun now or while an earlier one was loaded; see `Reads.open`."""
        from invoice_assets.ingest.reading import Reads
        from invoice_assets.ingest.source import RowBatcher

        with self._lock:
            self._reads = self._reads or Reads(
                open_session=lambda spec: self.open_session(recorder=recorder, resource=spec.name),
                at_once=self.concurrent_reads,
                build_batcher=partial(
                    RowBatcher, max_new_columns=self.max_new_columns, personal_data_key=self.personal_data_key
                ),
            )
        with self._reads.open(request, upcoming=upcoming, is_outdated=is_outdated) as read:
            yield read

    def teardown_after_execution(self, context: InitResourceContext) -> None:
        """Give up the reads that a run has begun and no step has asked for, and let go of what it shares."""
        for opened in (self._reads, self._pacer, self._state):
            if opened:
                opened.close()

    def _build_grant(self) -> "RefreshTokenGrant":
        from invoice_assets.api.oauth import RefreshTokenGrant

        return RefreshTokenGrant(
            token_url=self.token_url,
            client_id=(self.client_id or self._find_secret("client_id")).strip(),
            client_secret=(self.client_secret or self._find_secret("client_secret")).strip(),
            refresh_token=(self.refresh_token or self._find_secret("client_refresh_token")).strip(),
            credentials=self.credentials,
        )

    def _find_secret(self, name: str) -> str:
        """The secret of dlt's; an organisation whose variables are missing is never read with another's."""
        kind, _, section = self.credentials.partition(":")
        if kind == "dlt":
            return _dlt_secret(f"{section}.{name}")
        return _dlt_secret(name) if self.credentials == Settings.credentials else ""


class WarehouseResource(ConfigurableResource["WarehouseResource"]):
    """The destination that dlt loads into, and the dataset in it."""

    dataset: str = Field(
        default=Settings.dataset,
        description="Dataset (schema) of the tables; with several organisations each has its own, its slug added.",
    )
    destination_type: str = Field(default=Settings.destination_type, description="dlt's name of the destination.")
    table_format: str = Field(
        default=Settings.table_format, description="Format of the tables where the destination is a filesystem."
    )
    database: str = Field(default=Settings.database, description="File of an embedded DuckDB.")
    deletion_limit: float = Field(
        default=Settings.deletion_limit, ge=0, le=1, description="Share of rows that one read may mark deleted."
    )
    patience_s: float = Field(
        default=Settings.warehouse_patience_s, ge=0, description="Seconds to wait for a file or a table that is in use."
    )

    preview_rows: int = Field(
        default=Settings.preview_rows, ge=0, description="Rows that a load shows, personal columns masked; 0 for none."
    )

    @classmethod
    def from_settings(cls, settings: Settings) -> "WarehouseResource":
        """The resource as the environment configures it."""
        return cls(
            dataset=settings.dataset,
            destination_type=settings.destination_type,
            table_format=settings.table_format,
            database=os.path.abspath(settings.database) if settings.database else "",
            deletion_limit=settings.deletion_limit,
            patience_s=settings.warehouse_patience_s,
            preview_rows=settings.preview_rows,
        )

    @property
    def destination(self) -> DestinationSpec:
        """What suits the destination."""
        return find_destination(self.destination_type, table_format=self.table_format)

    @contextmanager
    def open_pipeline(self, spec: ResourceSpec) -> Iterator[Pipeline]:
        """The resource's dlt pipeline into the warehouse, which stays open as long as the context.

        Raises:
            WarehouseLockedError: Another process keeps the DuckDB file.
        """
        from invoice_assets.ingest.pipeline import open_pipeline
        from invoice_assets.ingest.warehouse import open_destination

        with (
            open_destination(self.destination, database=self.database, patience_s=self.patience_s) as destination,
            open_pipeline(spec, destination=destination, dataset=qualify(self.dataset, spec.organization)) as pipeline,
        ):
            yield pipeline

    @contextmanager
    def open_load(self, spec: ResourceSpec) -> Iterator[Pipeline]:
        """The resource's dlt pipeline, which has the table to itself as long as the context is open.

        Raises:
            WarehouseLockedError: Another process keeps the DuckDB file, or another load the table.
        """
        from invoice_assets.ingest.warehouse import hold_table

        with (
            self.open_pipeline(spec) as pipeline,
            hold_table(self.destination, pipeline, spec, patience_s=self.patience_s),
        ):
            yield pipeline


def _secret(settings: Settings, variable: str) -> str:
    return EnvVar(variable) if variable in settings.names_set else ""


def _dlt_secret(name: str) -> str:
    secret: object = dlt.secrets.get(name)
    return str(secret) if secret else ""
