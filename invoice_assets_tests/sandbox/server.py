"""`Sandbox`: the stand-in API server as tests, `make sandbox` and `make demo` use it.

It puts the parts together: rows (`world.py`, `store.py`), HTTP (`application.py`, `admin.py`), the accounts server
(`accounts.py`), limits and scripted faults. The command line is in `__main__.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from functools import lru_cache
from types import TracebackType
from typing import Any, Self
from zoneinfo import ZoneInfo

from starlette.applications import Starlette
from starlette.routing import Route

from invoice_assets_tests.sandbox.accounts import AccountsServer
from invoice_assets_tests.sandbox.admin import build_admin_routes
from invoice_assets_tests.sandbox.application import (
    API_PREFIX,
    AUTHORIZATION_PATH,
    TOKEN_PATH,
    AuthorizationPage,
    Backend,
    ConnectionAware,
    InvoiceApi,
    PageHook,
    TokenUrl,
)
from invoice_assets_tests.sandbox.background import HOST, BackgroundServer, open_listener, port_of
from invoice_assets_tests.sandbox.clock import SandboxClock
from invoice_assets_tests.sandbox.consent import Consent
from invoice_assets_tests.sandbox.endpoints import ENDPOINTS, Endpoint, RowGenerator, build_organizations_endpoint
from invoice_assets_tests.sandbox.fault_scripts import FaultScripts
from invoice_assets_tests.sandbox.ledger import Ledger
from invoice_assets_tests.sandbox.limits import Limits, RequestMeter
from invoice_assets_tests.sandbox.mutations import Mutations
from invoice_assets_tests.sandbox.store import ROWS_IN_MEMORY, Store
from invoice_assets_tests.sandbox.wire import Row, encode
from invoice_assets_tests.sandbox.world import CURRENCIES, World, utc_noon_after

DEFAULT_HISTORY = (date(2026, 1, 1), date(2026, 6, 30))
DEFAULT_SCOPES = tuple(dict.fromkeys(endpoint.scope for endpoint in ENDPOINTS))
DEFAULT_ORGANIZATION_ID = "4815000000000000011"
WORLDS_KEPT = 4


class Sandbox:
    """A running stand-in for the invoicing API, on loopback unless a host says otherwise; for a `with` statement."""

    def __init__(
        self,
        rows: int | Mapping[str, int] = 450,
        seed: int = 7,
        *,
        time_zone: str = "America/New_York",
        organization_id: str = DEFAULT_ORGANIZATION_ID,
        other_organization_ids: tuple[str, ...] = (),
        history: tuple[date, date] = DEFAULT_HISTORY,
        limits: Limits | None = None,
        clock: SandboxClock | None = None,
        extra_endpoints: tuple[Endpoint, ...] = (),
        scopes: tuple[str, ...] = DEFAULT_SCOPES,
        host: str = HOST,
        port: int = 0,
        page_hook: PageHook | None = None,
        latency_s: float = 0.0,
    ) -> None:
        """Make the data and take the port.

        `rows` is the number of rows of each of the nine resources, or one number per name (0 for those left out).
        The clock runs with real time by default, but never starts before the end of the history. `page_hook` is called
        when a page has been read and before it is sent; a change that it makes shows in the next request.
        """
        self.endpoints, self.organization_id = (*ENDPOINTS, *extra_endpoints), organization_id
        self.clock = clock or SandboxClock(max(datetime.now(UTC), utc_noon_after(history[1])))
        self.ledger, self._scripts, self._limits = Ledger(), FaultScripts(), limits or Limits.none()
        self._history, self._zone = history, ZoneInfo(time_zone)
        organization_ids = (organization_id, *other_organization_ids)
        served = _served_endpoints(self.endpoints, organization_ids, time_zone)
        world = build_world(seed, tuple(_row_counts(rows).items()), history, self._zone)
        self._store = build_store(tuple(served.values()), world)
        self._mutations = Mutations(self._store, served, world=world, clock=self.clock, zone=self._zone)
        listener = open_listener(port, host=host)
        self.base_url = f"http://{host}:{port_of(listener)}"
        accounts = AccountsServer(seed, scopes=scopes, limits=self._limits, clock=self.clock, api_domain=self.base_url)
        self._accounts = accounts
        backend = Backend(
            endpoints=served,
            store=self._store,
            mutations=self._mutations,
            clock=self.clock,
            accounts=accounts,
            meters={name: RequestMeter(self._limits, clock=self.clock, zone=self._zone) for name in organization_ids},
            ledger=self.ledger,
            scripts=self._scripts,
            page_hook=page_hook,
            latency_s=latency_s,
        )
        self._server = BackgroundServer(build_application(backend), listener)

    def __enter__(self) -> Self:
        """Start serving."""
        self._server.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop serving and delete the data."""
        self._server.stop()
        self._store.close()

    @property
    def api_base_url(self) -> str:
        """The base URL of the list endpoints, with a slash at its end."""
        return f"{self.base_url}{API_PREFIX}"

    @property
    def token_url(self) -> str:
        """The accounts server's token URL."""
        return f"{self.base_url}{TOKEN_PATH}"

    @property
    def client_id(self) -> str:
        """The id of the one client; it follows from the seed."""
        return self._accounts.client_id

    @property
    def client_secret(self) -> str:
        """The secret of the one client; it follows from the seed."""
        return self._accounts.client_secret

    @property
    def refresh_token(self) -> str:
        """The refresh token given out last: the first follows from the seed, rotation gives out others."""
        return self._accounts.refresh_token

    @property
    def issued_access_tokens(self) -> list[str]:
        """Every access token ever issued, for tests that search output for secrets."""
        return list(self._accounts.issued_access_tokens)

    @property
    def tokens_issued(self) -> int:
        """How many access tokens were issued."""
        return len(self._accounts.issued_access_tokens)

    @property
    def token_requests(self) -> int:
        """How many requests the token URL received, refused ones included."""
        return self._accounts.token_requests

    def environment(self) -> dict[str, str]:
        """Return the environment variables with which the project reads from this sandbox."""
        return {
            "INVOICE_API_BASE_URL": self.api_base_url,
            "INVOICE_API_TOKEN_URL": self.token_url,
            "INVOICE_API_CLIENT_ID": self.client_id,
            "INVOICE_API_CLIENT_SECRET": self.client_secret,
            "INVOICE_API_REFRESH_TOKEN": self.refresh_token,
            "INVOICE_API_ORGANIZATION_ID": self.organization_id,
            "INVOICE_API_REQUESTS_PER_MINUTE": str(self._limits.requests_per_minute or 0),
            "INVOICE_TIMEZONE": self._zone.key,
            "INVOICE_START_DATE": self._history[0].isoformat(),
        }

    def url(self, resource: str) -> str:
        """Return the full URL of a resource's list."""
        return self.api_base_url + next(endpoint.path for endpoint in self.endpoints if endpoint.name == resource)

    def count(self, resource: str) -> int:
        """Return how many rows a resource has, those included that a default filter hides."""
        return self._mutations.count(resource)

    def rows(self, resource: str) -> Iterator[Row]:
        """Yield every row of a resource, hidden ones included; numbers with a fraction are exact Decimals."""
        return self._mutations.rows(resource)

    def insert(self, resource: str, **changes: Any) -> Row:
        """Add a plausible row with these changes, stamped now, and return it.

        Raises:
            ValueError: The primary key given exists already.
        """
        return self._mutations.insert(resource, changes)

    def edit(self, resource: str, key: str, **changes: Any) -> Row:
        """Change a row and its last_modified_time, and return it.

        Raises:
            KeyError: There is no such row.
        """
        return self._mutations.edit(resource, key, changes)

    def set_silently(self, resource: str, key: str, **changes: Any) -> Row:
        """Change a row without its last_modified_time, as derived values change, and return it.

        Raises:
            KeyError: There is no such row.
        """
        return self._mutations.set_silently(resource, key, changes)

    def delete(self, resource: str, key: str) -> None:
        """Remove a row without a trace.

        Raises:
            KeyError: There is no such row.
        """
        self._mutations.delete(resource, key)

    def add_field(self, resource: str, name: str, value: Any) -> None:
        """Give every row of a resource a field, from now on."""
        self._mutations.add_field(resource, name, value)

    def remove_field(self, resource: str, name: str) -> None:
        """Take a field away from every row of a resource."""
        self._mutations.remove_field(resource, name)

    def script(
        self,
        name: str,
        *,
        resource: str | None = None,
        page: int | None = None,
        times: int | None = None,
        after: int = 0,
        **parameters: Any,
    ) -> None:
        """Script the fault `name` for matching requests: `times` of them (None: for ever), after the first `after`.

        `parameters` are those of `FaultParameters`: seconds, retry_after, code, location.

        Raises:
            ValueError: There is no fault of that name.
        """
        self._scripts.add(name, resource=resource, page=page, times=times, after=after, **parameters)

    def clear_faults(self) -> int:
        """Forget every scripted fault; how many more requests those for some `times` would have struck."""
        return self._scripts.clear()

    @property
    def consent(self) -> Consent:
        """What is registered of the client, and whether the user consents when the browser asks."""
        return self._accounts.consent

    def create_grant_code(self, scopes: tuple[str, ...] | None = None) -> str:
        """Return a new grant code, as a self client shows it: single use, good for ten minutes."""
        return self._accounts.create_grant_code(scopes)

    def revoke_access_tokens(self) -> None:
        """Make every access token dead at once."""
        self._accounts.revoke_access_tokens()

    def revoke_refresh_token(self) -> None:
        """Make the refresh token dead."""
        self._accounts.revoke_refresh_token()

    def rotate_refresh_tokens(self, is_on: bool = True) -> None:
        """Let every refresh return a new refresh token, and the old one die, as RFC 6749 allows."""
        self._accounts.rotates_refresh_tokens = is_on


@lru_cache(maxsize=WORLDS_KEPT)
def build_world(seed: int, counts: tuple[tuple[str, int], ...], history: tuple[date, date], zone: ZoneInfo) -> World:
    """Return the world of these figures; the same one again for the same figures, since nothing ever changes it."""
    return World(seed=seed, counts=dict(counts), history=history, zone=zone)


def build_store(endpoints: tuple[Endpoint, ...], world: World) -> Store:
    """Return a store that holds every endpoint's rows: its records, and as many generated ones as the world counts."""
    store = Store(endpoints, expected_rows=sum(world.counts.values()))
    for endpoint in endpoints:
        store.append(endpoint, ((str(record[endpoint.key]), encode(record)) for record in endpoint.records))
        if endpoint.generate is not None:
            read = keep_rows if sum(world.counts.values()) <= ROWS_IN_MEMORY else generate_rows
            store.append(endpoint, read(endpoint.name, endpoint.generate, world))
    return store


def generate_rows(resource: str, generate: RowGenerator, world: World) -> Iterator[tuple[str, str]]:
    """Yield the generated rows of one resource as (key, wire text)."""
    for index in range(world.counts.get(resource, 0)):
        yield world.key(resource, index), generate(world, index)


@lru_cache(maxsize=WORLDS_KEPT * len(ENDPOINTS))
def keep_rows(resource: str, generate: RowGenerator, world: World) -> tuple[tuple[str, str], ...]:
    """Return the same as a tuple, remembered: a test suite opens many small sandboxes with the same rows."""
    return tuple(generate_rows(resource, generate, world))


def build_application(backend: Backend) -> ConnectionAware:
    """Return the whole HTTP side as one ASGI application."""
    routes = [
        Route(TOKEN_PATH, TokenUrl(backend)),
        Route(AUTHORIZATION_PATH, AuthorizationPage(backend)),
        *build_admin_routes(backend),
        Route("/{path:path}", InvoiceApi(backend)),
    ]
    return ConnectionAware(Starlette(routes=routes))


def _row_counts(rows: int | Mapping[str, int]) -> dict[str, int]:
    names = [endpoint.name for endpoint in ENDPOINTS]
    if isinstance(rows, int):
        return dict.fromkeys(names, rows)
    if unknown := rows.keys() - set(names):
        raise ValueError(f"no resource is called {', '.join(sorted(unknown))}; there are {', '.join(names)}")
    return {name: rows.get(name, 0) for name in names}


def _served_endpoints(
    endpoints: tuple[Endpoint, ...], organization_ids: tuple[str, ...], time_zone: str
) -> dict[str, Endpoint]:
    """Return the endpoints by name, the list of organisations among them."""
    organizations = build_organizations_endpoint(_organization_records(organization_ids, time_zone))
    return {endpoint.name: endpoint for endpoint in (*endpoints, organizations)}


def _organization_records(organization_ids: tuple[str, ...], time_zone: str) -> tuple[dict[str, Any], ...]:
    return tuple(
        {
            "organization_id": organization_id,
            "name": f"Sandbox Company {number + 1}",
            "is_default_org": number == 0,
            "time_zone": time_zone,
            "currency_code": CURRENCIES[0].code,
            "price_precision": 2,
            "plan_name": "PREMIUM",
            "is_org_active": True,
        }
        for number, organization_id in enumerate(organization_ids)
    )
