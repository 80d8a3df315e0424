"""The admin paths, /_sandbox/...: what a test in another process, or a person with curl, does to the sandbox.

They need no token and are not in the ledger. They do what `Sandbox` in `server.py` does from Python.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from decimal import Decimal
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from invoice_assets_tests.sandbox.application import Backend
from invoice_assets_tests.sandbox.responses import json_response
from invoice_assets_tests.sandbox.wire import encode

ADMIN_PREFIX = "/_sandbox"
Order = dict[str, Any]
Handler = Callable[[Request], Awaitable[Response]]


def build_admin_routes(backend: Backend) -> list[Route]:
    """Return the routes under /_sandbox; their bodies are JSON objects whose numbers keep their digits."""
    return [
        Route(f"{ADMIN_PREFIX}/health", _read(lambda: {"status": "ok"}), methods=["GET"]),
        Route(f"{ADMIN_PREFIX}/ledger", _read(lambda: _ledger(backend)), methods=["GET"]),
        Route(f"{ADMIN_PREFIX}/ledger", _obey(lambda _: backend.ledger.clear()), methods=["DELETE"]),
        Route(f"{ADMIN_PREFIX}/counts", _read(lambda: _counts(backend)), methods=["GET"]),
        Route(f"{ADMIN_PREFIX}/faults", _read(backend.scripts.describe), methods=["GET"]),
        Route(f"{ADMIN_PREFIX}/faults", _obey(lambda order: backend.scripts.add(**order)), methods=["POST"]),
        Route(f"{ADMIN_PREFIX}/faults", _obey(lambda _: backend.scripts.clear()), methods=["DELETE"]),
        Route(f"{ADMIN_PREFIX}/mutate", _obey(lambda order: _mutate(backend, order)), methods=["POST"]),
        Route(
            f"{ADMIN_PREFIX}/grant_code",
            _obey(lambda order: backend.accounts.create_grant_code(**order)),
            methods=["POST"],
        ),
        Route(f"{ADMIN_PREFIX}/revoke", _obey(lambda order: _revoke(backend, order)), methods=["POST"]),
    ]


def _read(produce: Callable[[], Any]) -> Handler:
    """Return a handler that answers with a JSON value."""

    async def handle(_request: Request) -> Response:
        return json_response(encode(produce()))

    return handle


def _obey(act: Callable[[Order], Any]) -> Handler:
    """Return a handler that carries out an order; one that cannot be carried out is HTTP 400 with the reason."""

    async def handle(request: Request) -> Response:
        try:
            order = json.loads(await request.body() or b"{}", parse_float=Decimal)
            return json_response(encode({"result": act(order)}))
        except (KeyError, TypeError, ValueError) as error:
            return json_response(encode({"error": f"{type(error).__name__}: {error}"}), status=400)

    return handle


def _ledger(backend: Backend) -> list[dict[str, Any]]:
    return [asdict(entry) for entry in backend.ledger.entries]


def _counts(backend: Backend) -> dict[str, int]:
    return {name: backend.mutations.count(name) for name in backend.endpoints}


def _mutate(backend: Backend, order: Order) -> Any:
    """Carry out {"action": ..., "resource": ..., "key": ..., "changes": {...}}, or "name" and "value" for add_field."""
    mutations, resource = backend.mutations, order["resource"]
    actions: dict[str, Callable[[], Any]] = {
        "insert": lambda: mutations.insert(resource, order.get("changes", {})),
        "edit": lambda: mutations.edit(resource, order["key"], order["changes"]),
        "set_silently": lambda: mutations.set_silently(resource, order["key"], order["changes"]),
        "delete": lambda: mutations.delete(resource, order["key"]),
        "add_field": lambda: mutations.add_field(resource, order["name"], order["value"]),
    }
    return actions[order["action"]]()


def _revoke(backend: Backend, order: Order) -> None:
    """Carry out {"what": "access_tokens"} or {"what": "refresh_token"}."""
    actions = {
        "access_tokens": backend.accounts.revoke_access_tokens,
        "refresh_token": backend.accounts.revoke_refresh_token,
    }
    actions[order["what"]]()
