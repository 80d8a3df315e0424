"""The API of one organisation, asked as loads ask it: by at most eleven requests.

One for a token, where the deployment shares none that lives; one for the organisations; one for each resource. Nothing
is tried twice. How requests are sent lives in `api/`.
"""

import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from dagster import build_resources

from invoice_assets.api.envelope import PAGE_SIZE, read_page
from invoice_assets.api.errors import PermissionDeniedError, QuotaExceededError
from invoice_assets.api.reachability import reach
from invoice_assets.defs.resources import InvoiceApiResource
from invoice_assets.doctor.findings import Finding, State, collect, describe_error, fine, not_examined
from invoice_assets.errors import InvoicingError
from invoice_assets.ingest.windows import OVERLAP
from invoice_assets.resource_spec import ResourceSpec
from invoice_assets.settings import Settings

if TYPE_CHECKING:
    import requests

    from invoice_assets.api.session import ApiSession
    from invoice_assets.api.token_store import AccessToken

MOST_REQUESTS = 11
TOKEN, ORGANIZATION, CLOCK, QUOTA = "token", "organisation", "clock", "quota"
SKEW_WORTH_TELLING_S = 30.0
"""Half of a token's leeway; the Date header itself is a second exact."""

REQUESTS_OF_A_DAY = 100
"""Fewer are told: a day of hourly loads without changes takes about as many."""


def examine_api(settings: Settings, catalog: Mapping[str, ResourceSpec]) -> Iterator[Finding]:
    """What can be said of the organisation's API, in the order in which a load would meet it."""
    reached = list(_examine_hosts(settings))
    yield from reached
    if any(finding.state is State.FAILING for finding in reached):
        yield not_examined(TOKEN, "a host that cannot be reached cannot be asked")
        return
    api = InvoiceApiResource.from_settings(replace(settings, max_retries=0))
    with (
        build_resources({"invoice_api": api}) as resources,
        resources.invoice_api.open_session(renews_token=False) as session,
    ):
        yield from _Examination(session, settings=settings).run(catalog)


def _examine_hosts(settings: Settings) -> Iterator[Finding]:
    hosts = {
        "accounts server": ("INVOICE_API_TOKEN_URL", settings.token_url),
        "API": ("INVOICE_API_BASE_URL", settings.base_url),
    }
    for name, (variable, address) in hosts.items():
        yield from collect(name, lambda: [fine(name, f"reached {reach(address, variable=variable)}")])  # noqa: B023


class _Examination:
    """One session's requests, and what they have told."""

    def __init__(self, session: "ApiSession", *, settings: Settings) -> None:
        self._session = session
        self._settings = settings
        self._clock_is_known = False

    def run(self, catalog: Mapping[str, ResourceSpec]) -> Iterator[Finding]:
        """The findings; what depends on something that fails is not asked for."""
        began = time.time()
        token = self._session.tokens.current()
        is_reused = token.expires_at - token.lifetime_s < began
        of_organization = list(self._examine_organization(token, is_reused=is_reused))
        yield from of_organization
        if any(finding.state is State.FAILING for finding in of_organization):
            yield not_examined("resources", "first mend what stands above")
            return
        yield from self._examine_resources(catalog)
        yield from self._examine_quota()

    def _examine_organization(self, token: "AccessToken", *, is_reused: bool) -> Iterator[Finding]:
        if not is_reused:
            yield fine(TOKEN, "a new one was granted")
        try:
            response = self._get("organizations", per_page=PAGE_SIZE)
        except InvoicingError as error:
            if is_reused and isinstance(error, PermissionDeniedError):
                # Asking for the organisations again would be the twelfth request.
                self._session.tokens.renew(token)
                yield fine(TOKEN, "the one that this deployment shares was dead, and has been replaced")
                yield not_examined(ORGANIZATION, "the request for it went to the dead token; the resources tell")
            else:
                yield describe_error(ORGANIZATION, error)
            return
        if is_reused:
            yield fine(TOKEN, "the one that this deployment shares is alive")
        yield from self._examine_clock(response)
        rows = read_page(response.json(), wrapper="organizations", request="GET organizations").rows
        yield self._judge_organization({str(row["organization_id"]): str(row.get("name") or "") for row in rows})

    def _judge_organization(self, names: Mapping[str, str]) -> Finding:
        wanted = self._settings.organization_id
        if wanted in names:
            return fine(ORGANIZATION, f"{wanted}, {names[wanted]!r}")
        listed = ", ".join(f"{identity} ({name})" for identity, name in names.items()) or "none"
        if not wanted and len(names) == 1:
            return Finding(
                name=ORGANIZATION,
                state=State.WARNING,
                what=f"none is named; the login has one: {listed}",
                what_to_do="Set INVOICE_API_ORGANIZATION_ID to it, before the login gets a second one.",
            )
        return Finding(
            name=ORGANIZATION,
            state=State.FAILING,
            what=f"{wanted or 'none'} is named; the login has: {listed}",
            what_to_do="Set INVOICE_API_ORGANIZATION_ID to one of these.",
        )

    def _examine_clock(self, response: "requests.Response") -> Iterator[Finding]:
        """How far this machine's clock is from the API's: by it tokens expire and windows begin."""
        date = response.headers.get("Date")
        if not date:
            yield not_examined(CLOCK, "the API's answer bears no date")
            return
        ahead_s = time.time() - parsedate_to_datetime(date).timestamp()
        if abs(ahead_s) < SKEW_WORTH_TELLING_S:
            yield fine(CLOCK, "agrees with the API's")
            return
        misses_rows = abs(ahead_s) >= OVERLAP.total_seconds()
        yield Finding(
            name=CLOCK,
            state=State.FAILING if misses_rows else State.WARNING,
            what=f"this machine is {abs(ahead_s):.0f} s {'ahead of' if ahead_s > 0 else 'behind'} the API"
            + (": rows that change at the edge of a window would be missed" if misses_rows else ""),
            what_to_do="Set the clock by NTP (timedatectl set-ntp true).",
        )

    def _examine_resources(self, catalog: Mapping[str, ResourceSpec]) -> Iterator[Finding]:
        is_refused = False
        for spec in catalog.values():
            name = f"resource {spec.name}"
            if is_refused:
                yield not_examined(name, "the API refuses requests for now")
                continue
            try:
                response = self._get(spec.path, per_page=1, **spec.parameters)
                read_page(response.json(), wrapper=spec.data_selector, request=f"GET {spec.path}")
                yield fine(name, f"readable by {', '.join(sorted(spec.scopes))}")
            except PermissionDeniedError:
                yield _tell_missing_scope(name, spec)
            except InvoicingError as error:
                is_refused = isinstance(error, QuotaExceededError)
                yield describe_error(name, error)

    def _examine_quota(self) -> Iterator[Finding]:
        left, reserve = self._session.usage.quota_remaining, self._settings.daily_reserve
        if left is None:
            yield not_examined(QUOTA, "the API has not told what is left of the day")
        elif left - reserve <= REQUESTS_OF_A_DAY:
            yield Finding(
                name=QUOTA,
                state=State.WARNING if left > reserve else State.FAILING,
                what=f"{left:,} requests are left of the day, {reserve:,} of them reserved",
                what_to_do="Look which application uses them, or lower INVOICE_API_DAILY_RESERVE; midnight brings new.",
            )
        else:
            yield fine(QUOTA, f"{left:,} requests are left of the day, {reserve:,} of them reserved")

    def _get(self, path: str, *, per_page: int, **parameters: str) -> "requests.Response":
        query = {"page": "1", "per_page": str(per_page), **parameters}
        return self._session.get(f"{self._session.account.base_url}{path}", params=query)


def _tell_missing_scope(name: str, spec: ResourceSpec) -> Finding:
    return Finding(
        name=name,
        state=State.FAILING,
        what=f"the scope {', '.join(sorted(spec.scopes))} is missing, or the user may not read {spec.name}",
        what_to_do="Give the user that permission, or obtain a grant with all scopes: invoice-assets authorize",
    )
