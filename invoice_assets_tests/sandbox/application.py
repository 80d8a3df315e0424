"""The HTTP side: authorisation page, token URL, list endpoints, and the order in which a request is examined.

A list request is checked for its path, its token, its scope, its organisation, the limits and its parameters; only then
can a scripted fault strike, or a page be read. The admin paths are in `admin.py`; the server itself in `server.py`.
https://www.starlette.io/routing/
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from email.utils import formatdate
from typing import Any, cast
from urllib.parse import parse_qsl

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from invoice_assets_tests.sandbox import errors
from invoice_assets_tests.sandbox.accounts import AccountsServer, grants
from invoice_assets_tests.sandbox.clock import SandboxClock
from invoice_assets_tests.sandbox.consent import RefusedConsentError
from invoice_assets_tests.sandbox.endpoints import Endpoint
from invoice_assets_tests.sandbox.errors import RefusedRequestError
from invoice_assets_tests.sandbox.fault_scripts import FaultScripts, ScriptedFault
from invoice_assets_tests.sandbox.faults import HANG_SECONDS
from invoice_assets_tests.sandbox.ledger import NO_ANSWER, Ledger, LedgerEntry
from invoice_assets_tests.sandbox.limits import RequestMeter
from invoice_assets_tests.sandbox.listing import MESSAGES, ListQuery, Page, parse_list_query, read_page
from invoice_assets_tests.sandbox.mutations import Mutations
from invoice_assets_tests.sandbox.responses import TRANSPORT_KEY, error_response, html_response, json_response
from invoice_assets_tests.sandbox.store import Store
from invoice_assets_tests.sandbox.wire import encode

API_PREFIX = "/invoice/v3/"
TOKEN_PATH = "/oauth/v2/token"
AUTHORIZATION_PATH = "/oauth/v2/auth"
ORGANIZATION_HEADER = "X-com-zoho-invoice-organizationid"
ORGANIZATION_PARAMETER = "organization_id"
AUTH_SCHEMES = frozenset({"zoho-oauthtoken", "bearer"})


@dataclass(frozen=True)
class ServedPage:
    """What a page hook is told: the page that is about to leave."""

    resource: str
    page: int
    row_count: int
    has_more_page: bool


PageHook = Callable[[ServedPage], object]


@dataclass(frozen=True, kw_only=True)
class Backend:
    """Everything that the HTTP side works on. `meters` has one entry per organisation of the login."""

    endpoints: Mapping[str, Endpoint]
    store: Store
    mutations: Mutations
    clock: SandboxClock
    accounts: AccountsServer
    meters: Mapping[str, RequestMeter]
    ledger: Ledger
    scripts: FaultScripts
    page_hook: PageHook | None
    latency_s: float


class InvoiceApi:
    """The list endpoints, as an ASGI application."""

    def __init__(self, backend: Backend) -> None:
        """Serve the backend's endpoints."""
        self._backend = backend
        self._by_path = {endpoint.path: endpoint for endpoint in backend.endpoints.values()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request and enter it in the ledger."""
        request = Request(scope, receive)
        endpoint = self._by_path.get(request.url.path.removeprefix(API_PREFIX))
        number = self._backend.ledger.record(_ledger_entry(request, endpoint, at=self._backend.clock.now()))
        with ExitStack() as in_flight:
            response = await self._respond(request, endpoint, in_flight)
            self._backend.ledger.settle(number, status=response.status_code)
            await response(scope, receive, send)

    async def _respond(self, request: Request, endpoint: Endpoint | None, in_flight: ExitStack) -> Response:
        headers: dict[str, str] = {}
        try:
            endpoint = _require_list(request, endpoint)
            self._check_token(request, endpoint)
            if endpoint.needs_organization:
                meter = self._backend.meters[self._organization(request)]
                in_flight.enter_context(meter.in_flight())
                headers = meter.headers()
                meter.admit()
                headers = meter.headers()
            response = await self._serve(request, parse_list_query(endpoint, request.query_params))
        except RefusedRequestError as refusal:
            response = error_response(refusal.error, headers=refusal.headers)
        date = formatdate(self._backend.clock.now(), usegmt=True)
        response.headers.update(headers | {"Date": date})
        return response

    def _check_token(self, request: Request, endpoint: Endpoint) -> None:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() not in AUTH_SCHEMES or not token.strip():
            raise RefusedRequestError(errors.UNAUTHORIZED)
        scopes = self._backend.accounts.scopes_of(token.strip())
        if scopes is None or not grants(scopes, endpoint.scope):
            raise RefusedRequestError(errors.NOT_AUTHORIZED)

    def _organization(self, request: Request) -> str:
        """Return the organisation a request is for; a header and a parameter that disagree are a wrong id (chosen)."""
        known = self._backend.meters
        named = [request.headers.get(ORGANIZATION_HEADER), request.query_params.get(ORGANIZATION_PARAMETER)]
        wanted = {name for name in named if name}
        if not wanted and len(known) > 1:
            raise RefusedRequestError(errors.MISSING_ORGANIZATION)
        if len(wanted) > 1 or not wanted <= known.keys():
            raise RefusedRequestError(errors.WRONG_ORGANIZATION)
        return next(iter(wanted or known))

    async def _serve(self, request: Request, query: ListQuery) -> Response:
        """Return the page that a good request asked for, or what a scripted fault makes of it."""
        script = self._backend.scripts.take(resource=query.endpoint.name, page=query.page)
        await asyncio.sleep(self._backend.latency_s)
        await _hang(script)
        if script is not None and script.fault.answer is not None:
            elsewhere = script.parameters.location or str(request.url.replace(hostname="localhost"))
            return script.fault.answer(replace(script.parameters, location=elsewhere))
        page = self._read(query, script)
        if self._backend.page_hook is not None:
            await run_in_threadpool(self._backend.page_hook, _served_page(query, page))
        if script is not None and script.fault.respond is not None:
            return script.fault.respond(page, script.parameters)
        return json_response(page.body())

    def _read(self, query: ListQuery, script: ScriptedFault | None) -> Page:
        def read(wanted: ListQuery) -> Page:
            return read_page(self._backend.store, wanted, message=MESSAGES[wanted.page % len(MESSAGES)])

        if script is not None and script.fault.read is not None:
            return script.fault.read(read, query)
        return read(query)


class TokenUrl:
    """The accounts server's token URL, as an ASGI application."""

    def __init__(self, backend: Backend) -> None:
        """Hand requests on to the backend's accounts server."""
        self._backend = backend

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one token request and enter it in the ledger."""
        request = Request(scope, receive)
        number = self._backend.ledger.record(_ledger_entry(request, None, at=self._backend.clock.now()))
        response = await self._respond(request)
        self._backend.ledger.settle(number, status=response.status_code)
        await response(scope, receive, send)

    async def _respond(self, request: Request) -> Response:
        if request.method != "POST":
            return error_response(errors.INVALID_URL)
        accounts = self._backend.accounts
        accounts.token_requests += 1
        form = dict(parse_qsl((await request.body()).decode("utf-8", "replace"), keep_blank_values=True))
        script = self._backend.scripts.take(is_for_tokens=True)
        await _hang(script)
        if script is not None and script.fault.answer is not None:
            return script.fault.answer(script.parameters)
        answer = accounts.answer({**request.query_params, **form})
        body = answer.body
        if script is not None and script.fault.change_token is not None and "access_token" in body:
            body = script.fault.change_token(body)
        return json_response(encode(body), status=answer.status)


class AuthorizationPage:
    """The accounts server's page on which a user gives consent, as an ASGI application; its user answers at once."""

    def __init__(self, backend: Backend) -> None:
        """Hand requests on to the backend's accounts server."""
        self._backend = backend

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the browser on, or show why not, and enter the request in the ledger."""
        request = Request(scope, receive)
        number = self._backend.ledger.record(_ledger_entry(request, None, at=self._backend.clock.now()))
        try:
            response: Response = RedirectResponse(self._backend.accounts.authorize(request.query_params), 302)
        except RefusedConsentError as refusal:
            response = html_response(str(refusal), status=400)
        self._backend.ledger.settle(number, status=response.status_code)
        await response(scope, receive, send)


class ConnectionAware:
    """Leaves the connection's transport in the scope, for the answers that break a connection."""

    def __init__(self, application: ASGIApp) -> None:
        """Wrap an application; this must be the outermost wrapper."""
        self._application = application

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand the request on."""
        # ASGI has no name for the transport; uvicorn's `send` is a method of the cycle that owns it.
        scope[TRANSPORT_KEY] = cast(Any, send).__self__.transport
        try:
            await self._application(scope, receive, send)
        except asyncio.CancelledError:
            if not scope[TRANSPORT_KEY].is_closing():
                raise


def _require_list(request: Request, endpoint: Endpoint | None) -> Endpoint:
    """Return the endpoint; a path that is none, and a method other than GET, are an invalid URL (the latter chosen)."""
    if endpoint is None or request.method != "GET":
        raise RefusedRequestError(errors.INVALID_URL)
    return endpoint


async def _hang(script: ScriptedFault | None) -> None:
    if script is not None and script.fault.waits:
        await asyncio.sleep(HANG_SECONDS if script.parameters.seconds is None else script.parameters.seconds)


def _ledger_entry(request: Request, endpoint: Endpoint | None, *, at: float) -> LedgerEntry:
    query = dict(request.query_params)
    page = query.get("page", "1")
    scheme = request.headers.get("Authorization", "").partition(" ")[0]
    return LedgerEntry(
        at=at,
        method=request.method,
        path=request.url.path,
        resource=endpoint.name if endpoint else None,
        query=query,
        status=NO_ANSWER,
        page=int(page) if endpoint and page.isdecimal() else None,
        authorization_scheme=scheme or None,
        organization_header=request.headers.get(ORGANIZATION_HEADER),
        organization_parameter=query.get(ORGANIZATION_PARAMETER),
    )


def _served_page(query: ListQuery, page: Page) -> ServedPage:
    has_more = bool((page.context or {}).get("has_more_page"))
    return ServedPage(query.endpoint.name, query.page, len(page.rows), has_more)
