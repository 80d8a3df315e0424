"""All pages of all resources, one after another, by `requests` alone: what `limit.py` reads and `latency.py` times.

As a process of its own it reads them and keeps nothing.
"""

import sys
from collections.abc import Iterator

import msgspec
import requests

from benchmarks.peers.access import Access
from benchmarks.peers.endpoints import ENDPOINTS, PAGE_SIZE, Endpoint
from benchmarks.peers.readiness import announced_load

TIMEOUT_S = 60


def open_session(access: Access) -> requests.Session:
    """A session with an access token.

    Raises:
        KeyError: The server gave none.
    """
    session = requests.Session()
    answer = session.post(access.token_url, data=access.refresh_grant(), timeout=TIMEOUT_S).json()
    session.headers["Authorization"] = f"Zoho-oauthtoken {answer['access_token']}"
    return session


def read_pages(endpoint: Endpoint, *, session: requests.Session, access: Access) -> Iterator[dict[str, msgspec.Raw]]:
    """The list's pages, one after another, each as its fields undecoded."""
    decoder = msgspec.json.Decoder(dict[str, msgspec.Raw])
    parameters = endpoint.parameters(access.organization_id) | {"per_page": str(PAGE_SIZE)}
    page, has_more = 1, True
    while has_more:
        answer = session.get(
            access.base_url + endpoint.path, params=parameters | {"page": str(page)}, timeout=TIMEOUT_S
        )
        envelope = decoder.decode(answer.content)
        has_more = msgspec.json.decode(envelope["page_context"])["has_more_page"]
        page += 1
        yield envelope


def main() -> int:
    """Read all pages once."""
    access = Access.from_env()
    with announced_load(), open_session(access) as session:
        for endpoint in ENDPOINTS:
            for _ in read_pages(endpoint, session=session, access=access):
                pass
    return 0


if __name__ == "__main__":
    sys.exit(main())
