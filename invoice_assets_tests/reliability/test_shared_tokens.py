"""One token for all processes of a deployment: token requests are counted by the sandbox, one for each lifetime.

The store alone is tested in `api/test_token_store.py`, one process's tokens in `api/test_oauth.py`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from invoice_assets.api.errors import ConfigurationError, TokenRejectedError, TokenThrottledError
from invoice_assets.api.oauth import TOKENS_PER_LOCK_OUT, AccessTokenProvider, RefreshTokenGrant
from invoice_assets.api.retries import RetryPolicy
from invoice_assets.api.shared_state import FolderState, open_shared_state
from invoice_assets_tests.conftest import Answer, AnsweringServer
from invoice_assets_tests.postgres import Postgres
from invoice_assets_tests.reliability.api_user import DONE, ApiUser, start_api_users, wait_until
from invoice_assets_tests.sandbox.server import Sandbox

PROCESSES = 12
HOUR_S = 3600

OpenProvider = Callable[[], AccessTokenProvider]


class Clock:
    """Epoch seconds that a test moves, for all providers that share it."""

    now = 1_800_000_000.0


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def open_provider(grant: RefreshTokenGrant, policy: RetryPolicy, tmp_path: Path, clock: Clock) -> OpenProvider:
    """A function that opens what each process has: a provider of its own, on the one shared state."""
    return lambda: AccessTokenProvider(
        grant, store=grant.open_store(FolderState(tmp_path)), policy=policy, clock=lambda: clock.now
    )


def _environment(sandbox: Sandbox, shared_state: object) -> dict[str, str]:
    return sandbox.environment() | {
        "INVOICE_SHARED_STATE": str(shared_state),
        "INVOICE_API_REQUESTS_IN_FLIGHT": "5",
    }


def _all_finish(users: list[ApiUser], requests: int = 2) -> None:
    for user in users:
        user.begin(requests)
    assert [user.finish() for user in users] == [DONE] * len(users)


def test_twelve_processes_ask_for_one_token_in_each_of_its_lifetimes(sandbox: Sandbox, tmp_path: Path) -> None:
    with start_api_users(PROCESSES, _environment(sandbox, tmp_path)) as users:
        _all_finish(users)
        assert sandbox.token_requests == 1

        sandbox.clock.advance(HOUR_S)
        _all_finish(users)
        assert sandbox.token_requests == 2


def test_processes_on_a_cluster_share_a_token_through_postgresql(sandbox: Sandbox, postgres: Postgres) -> None:
    with start_api_users(4, _environment(sandbox, postgres.create_database())) as users:
        _all_finish(users)
        sandbox.clock.advance(HOUR_S)
        _all_finish(users)

    assert sandbox.token_requests == 2


@pytest.mark.parametrize("kind", ["folder", "postgresql"])
def test_a_process_that_is_killed_while_it_asks_holds_up_nobody(
    kind: str, sandbox: Sandbox, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    shared_state = tmp_path if kind == "folder" else request.getfixturevalue("postgres").create_database()
    sandbox.script("token_hang", times=1)
    with start_api_users(2, _environment(sandbox, shared_state)) as (asking, next_one):
        asking.begin(1)
        wait_until(lambda: sandbox.token_requests == 1)
        next_one.begin(1)
        asking.kill()

        assert next_one.finish() == DONE

    assert sandbox.token_requests == 2


def test_a_token_that_died_early_is_renewed_once_for_all(sandbox: Sandbox, open_provider: OpenProvider) -> None:
    providers = [open_provider() for _ in range(3)]
    dead = [provider.current() for provider in providers]
    sandbox.revoke_access_tokens()

    renewed = [provider.renew(token) for provider, token in zip(providers, dead, strict=True)]

    assert len({token.value for token in renewed}) == 1
    assert sandbox.token_requests == 2


def test_a_renewed_token_that_is_refused_as_well_is_renewed_by_no_process(
    sandbox: Sandbox, open_provider: OpenProvider
) -> None:
    """A scope is missing: every resource of every process would cost a token."""
    first, second = open_provider(), open_provider()
    renewed = first.renew(first.current())

    assert second.renew(second.current()) == renewed
    assert sandbox.token_requests == 2


@pytest.mark.parametrize("jump_s", [48 * HOUR_S, -48 * HOUR_S], ids=["forward", "back"])
def test_a_clock_that_jumps_costs_one_token_at_most(
    sandbox: Sandbox, open_provider: OpenProvider, clock: Clock, jump_s: int
) -> None:
    open_provider().current()
    clock.now += jump_s
    open_provider().current()
    clock.now -= jump_s

    assert open_provider().current().value in sandbox.issued_access_tokens
    assert sandbox.token_requests <= 2


def test_a_clock_that_was_ahead_does_not_keep_a_refusal_alive(
    sandbox: Sandbox, open_provider: OpenProvider, clock: Clock
) -> None:
    sandbox.script("token_throttled", times=1)
    clock.now += 48 * HOUR_S
    with pytest.raises(TokenThrottledError):
        open_provider().current()

    clock.now -= 48 * HOUR_S

    assert open_provider().current().value in sandbox.issued_access_tokens


def test_a_replaced_refresh_token_is_kept_for_the_next_process(
    sandbox: Sandbox, open_provider: OpenProvider, clock: Clock
) -> None:
    """RFC 6749, section 6: the configured one is dead from then on."""
    sandbox.rotate_refresh_tokens()
    open_provider().current()
    for _ in range(3):
        clock.now += HOUR_S
        assert open_provider().current().value == sandbox.issued_access_tokens[-1]

    assert sandbox.tokens_issued == sandbox.token_requests == 4


@pytest.mark.parametrize(
    ("fault", "error"),
    [("token_throttled", TokenThrottledError), ("token_invalid_code", TokenRejectedError)],
    ids=["throttled", "rejected"],
)
def test_a_refusal_is_told_to_the_other_processes_without_another_request(
    sandbox: Sandbox, open_provider: OpenProvider, clock: Clock, fault: str, error: type[Exception]
) -> None:
    """Asking again extends the lock-out."""
    sandbox.script(fault, times=1)
    for _ in range(3):
        with pytest.raises(error):
            open_provider().current()
    assert sandbox.token_requests == 1

    clock.now += 601

    assert open_provider().current().value in sandbox.issued_access_tokens


def test_the_tenth_token_in_ten_minutes_is_never_asked_for(
    sandbox: Sandbox, open_provider: OpenProvider, clock: Clock
) -> None:
    provider = open_provider()
    token = provider.current()
    for _ in range(TOKENS_PER_LOCK_OUT - 1):
        clock.now += 61
        token = provider.renew(token)
    clock.now += 61

    with pytest.raises(TokenThrottledError, match="died early") as refused:
        open_provider().renew(token)

    assert sandbox.token_requests == TOKENS_PER_LOCK_OUT
    assert refused.value.resume_at is not None
    assert refused.value.resume_at.timestamp() - clock.now == 600 - TOKENS_PER_LOCK_OUT * 61


def test_a_token_that_lives_for_less_than_the_leeway_is_not_asked_for_at_every_request(
    answering_server: AnsweringServer, grant: RefreshTokenGrant, clock: Clock
) -> None:
    answering_server.answers = [Answer(200, b'{"access_token": "1000.aa.bb", "expires_in": 60}')]
    provider = AccessTokenProvider(replace(grant, token_url=answering_server.url("/token")), clock=lambda: clock.now)
    provider.current()
    clock.now += 29

    provider.current()

    assert len(answering_server.received) == 1


def test_a_damaged_file_is_named_with_what_it_holds_and_what_to_do(grant: RefreshTokenGrant, tmp_path: Path) -> None:
    grant.open_store(FolderState(tmp_path))
    (file,) = tmp_path.glob("tokens-*.sqlite")
    file.write_bytes(b"no database at all, but long enough to be looked at as one" * 20)

    with pytest.raises(ConfigurationError, match=r"tokens-.*sqlite cannot keep .* \(file is not a database\).*deleted"):
        grant.open_store(FolderState(tmp_path))


@pytest.mark.parametrize(
    ("location", "said"),
    [
        ("mysql://loader:planted-password@localhost/state", "no folder and no postgresql:// address"),
        ("postgresql+nodriver://loader:planted-password@localhost/state", r"cannot be used \(NoSuchModuleError\)"),
    ],
    ids=["another-database", "no-such-driver"],
)
def test_an_address_that_cannot_be_used_is_refused_without_its_password(location: str, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said) as refused:
        open_shared_state(location)

    assert "planted" not in str(refused.value)


def test_a_lock_that_another_process_keeps_is_named(
    grant: RefreshTokenGrant, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, open_provider: OpenProvider
) -> None:
    monkeypatch.setattr("invoice_assets.api.shared_state.LOCK_PATIENCE_S", 0.05)
    provider = open_provider()
    (file,) = tmp_path.glob("tokens-*.sqlite")
    with sqlite3.connect(file) as other:
        other.execute("BEGIN IMMEDIATE")

        with pytest.raises(Exception, match=r"tokens-.*sqlite has been locked by another process for 0.05 s"):
            provider.current()
