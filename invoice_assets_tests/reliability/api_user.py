"""A process that uses the API as the processes of a deployment do, told by its standard input what to do.

`python -m invoice_assets_tests.reliability.api_user`, settings in its environment. Each line is a number of requests to
send; each is answered by a line: "done", or the error. What a test makes of many of them lives in the tests.
"""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from invoice_assets.api.oauth import AccessTokenProvider, RefreshTokenGrant
from invoice_assets.api.pacing import RequestPacer
from invoice_assets.api.retries import RetryPolicy
from invoice_assets.api.session import ApiAccount, ApiSession
from invoice_assets.api.shared_state import open_shared_state
from invoice_assets.errors import InvoicingError

DONE = "done"


class ApiUser:
    """Such a process, seen from the test that started it."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def begin(self, requests: int) -> None:
        """Let it send requests; returns at once."""
        assert self._process.stdin is not None
        print(requests, file=self._process.stdin, flush=True)

    def finish(self) -> str:
        """What has become of the requests: `DONE`, or the error."""
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()

    def kill(self) -> None:
        """End it as `kill -9` does."""
        self._process.kill()
        self._process.wait()


@contextmanager
def start_api_users(count: int, environment: Mapping[str, str]) -> Iterator[list[ApiUser]]:
    """So many processes, gone when the context closes."""
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", "invoice_assets_tests.reliability.api_user"],
            env=os.environ | environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(count)
    ]
    try:
        yield [ApiUser(process) for process in processes]
    finally:
        for process in processes:
            process.kill()
            process.communicate()


def wait_until(condition: Callable[[], object]) -> None:
    """Return as soon as the condition holds."""
    while not condition():
        os.sched_yield()


def open_session(environment: Mapping[str, str]) -> ApiSession:
    """A session as `InvoiceApiResource` opens it, without Dagster, whose import takes longer than all the rest."""
    account = ApiAccount(
        base_url=environment["INVOICE_API_BASE_URL"], organization_id=environment["INVOICE_API_ORGANIZATION_ID"]
    )
    grant = RefreshTokenGrant(
        token_url=environment["INVOICE_API_TOKEN_URL"],
        client_id=environment["INVOICE_API_CLIENT_ID"],
        client_secret=environment["INVOICE_API_CLIENT_SECRET"],
        refresh_token=environment["INVOICE_API_REFRESH_TOKEN"],
    )
    state = open_shared_state(environment["INVOICE_SHARED_STATE"])
    policy = RetryPolicy(backoff_factor_s=0.0)
    pacer = RequestPacer(
        requests_per_minute=int(environment["INVOICE_API_REQUESTS_PER_MINUTE"]),
        requests_in_flight=int(environment["INVOICE_API_REQUESTS_IN_FLIGHT"]),
        state=state,
        quota=account.quota,
    )
    tokens = AccessTokenProvider(grant, store=grant.open_store(state), policy=policy)
    return ApiSession(account, tokens=tokens, pacer=pacer, policy=policy)


def main(environment: Mapping[str, str]) -> None:
    """Do what standard input says, until it ends."""
    for line in sys.stdin:
        try:
            with open_session(environment) as session:
                for _ in range(int(line)):
                    session.get(f"{environment['INVOICE_API_BASE_URL']}items")
            said = DONE
        except InvoicingError as error:
            said = f"{type(error).__name__}: {error}"
        print(said, flush=True)


if __name__ == "__main__":
    main(os.environ)
