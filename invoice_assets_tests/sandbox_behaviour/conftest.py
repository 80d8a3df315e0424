"""Fixtures of the sandbox's own tests: a sandbox with rows of everything, and a client that holds a token."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from invoice_assets_tests.sandbox.server import Sandbox
from invoice_assets_tests.sandbox_behaviour.client import Client

OpenSandbox = Callable[..., Client]


@pytest.fixture
def open_sandbox() -> Iterator[OpenSandbox]:
    """Return a function that starts a sandbox and gives back a client of it."""
    with ExitStack() as stack:

        def open_one(rows: Any = 10, **options: Any) -> Client:
            sandbox = stack.enter_context(Sandbox(rows, **options))
            return stack.enter_context(Client(sandbox))

        yield open_one


@pytest.fixture(scope="module")
def reader() -> Iterator[Client]:
    """Return a client of a sandbox with 450 rows of everything, which no test may change."""
    with Sandbox(450) as sandbox, Client(sandbox) as client:
        yield client
