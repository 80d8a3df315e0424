"""`api/loopback_redirect.py`: the browser that comes back, the one that does not, and whatever else connects.

Whole logins are in `cli/test_authorize.py`.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest
import requests

from invoice_assets.api.loopback_redirect import Redirect, RedirectError, RedirectListener, open_listener

TIMEOUT_S = 10.0


@pytest.fixture
def listener() -> Iterator[RedirectListener]:
    """A listener on a port of its own."""
    with open_listener(0) as opened:
        yield opened


@pytest.fixture
def waiting(listener: RedirectListener) -> Iterator[Future[Redirect]]:
    """What the listener makes of the first redirect, for the state `ours`."""
    with ThreadPoolExecutor(max_workers=1) as pool:
        yield pool.submit(listener.wait, state="ours", patience_s=TIMEOUT_S)


def come_back(listener: RedirectListener, query: str, path: str = "") -> requests.Response:
    return requests.get(f"{listener.uri.removesuffix('/callback')}{path or '/callback'}?{query}", timeout=TIMEOUT_S)


def test_what_a_browser_asks_for_beside_the_redirect_is_not_there(
    listener: RedirectListener, waiting: Future[Redirect]
) -> None:
    assert come_back(listener, "state=ours&code=x", path="/favicon.ico").status_code == 404
    assert not waiting.done()
    come_back(listener, "state=ours&code=1000.code&accounts-server=https://accounts.zoho.eu")

    redirect = waiting.result(TIMEOUT_S)

    assert (redirect.code, redirect.accounts_server) == ("1000.code", "https://accounts.zoho.eu")
    assert "1000.code" not in repr(redirect)


def test_a_connection_that_says_nothing_does_not_keep_the_redirect_waiting(
    listener: RedirectListener, waiting: Future[Redirect]
) -> None:
    port = int(listener.uri.rpartition(":")[2].partition("/")[0])
    with socket.create_connection(("127.0.0.1", port)):
        pass
    come_back(listener, "state=ours&code=x")

    assert waiting.result(TIMEOUT_S).code == "x"


@pytest.mark.parametrize(
    ("query", "says"),
    [
        pytest.param("state=forged&code=x", "the answer to another request", id="forged"),
        pytest.param("code=x", "the answer to another request", id="no-state"),
        pytest.param("state=ours&error=invalid_scope", "does not know one of the scopes", id="scope"),
        pytest.param("state=ours&error=<script>", "refused ('<script>')", id="unknown-error"),
        pytest.param("state=ours", "without a code", id="no-code"),
    ],
)
def test_a_redirect_without_a_code_of_ours_is_told(
    listener: RedirectListener, waiting: Future[Redirect], query: str, says: str
) -> None:
    page = come_back(listener, query)

    assert "Access was not granted" in page.text
    assert "<script>" not in page.text
    with pytest.raises(RedirectError) as refused:
        waiting.result(TIMEOUT_S)
    assert says in str(refused.value)


def test_a_browser_that_does_not_come_back_is_told_with_the_redirect_uri(listener: RedirectListener) -> None:
    with pytest.raises(RedirectError, match="did not come back within 0 minutes") as late:
        listener.wait(state="ours", patience_s=0.0)

    assert f"register {listener.uri}" in str(late.value)


def test_a_port_that_is_taken_is_told(listener: RedirectListener) -> None:
    port = int(listener.uri.rpartition(":")[2].partition("/")[0])

    with pytest.raises(RedirectError, match="--redirect-port"), open_listener(port):
        pass


def test_nobody_but_this_machine_can_connect(listener: RedirectListener) -> None:
    assert listener.uri.startswith("http://127.0.0.1:")
