"""`invoice-assets authorize`: from an account of the API to a `.env` that the loads can live on.

The conversation alone. How a code is exchanged lives in `api/authorization_code.py`, how the browser comes back in
`api/loopback_redirect.py`, how the file is written in `env_file.py`. Nothing here prints a secret.
"""

import webbrowser
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlsplit

import typer
from rich.console import Console
from rich.markup import escape

from invoice_assets.cli.terminal import FAILING, ask, build_table, choose, confirm, read_secret, say
from invoice_assets.env_file import ENV_FILE, read_variables, require_writable, set_variables
from invoice_assets.organizations import DATA_CENTERS
from invoice_assets.settings import Settings, read_variable, with_trailing_slash
from invoice_assets.variables import CLIENT_ID, CLIENT_SECRET, REFRESH_TOKEN, SettingsError

if TYPE_CHECKING:
    from invoice_assets.api.authorization_code import AuthorizationCodeGrant, Granted
    from invoice_assets.api.loopback_redirect import Redirect
    from invoice_assets.api.organizations import ListedOrganization

BASE_URL, TOKEN_URL = "INVOICE_API_BASE_URL", "INVOICE_API_TOKEN_URL"
ORGANIZATION_ID = "INVOICE_API_ORGANIZATION_ID"
TIME_ZONE = "INVOICE_TIMEZONE"

REDIRECT_PORT = 8766
PATIENCE_S = 300.0
"""How long the browser may take: to log in, with a second factor, and to read what is asked for."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where the account is."""

    base_url: str
    token_url: str

    @property
    def console(self) -> str:
        """Where clients are made: the vendor's page, whose address follows from that of the accounts server."""
        kind, _, domain = urlsplit(self.token_url).netloc.partition(".")
        return f"https://api-console.{domain}/" if kind == "accounts" else "the vendor's API console"


@dataclass(frozen=True, kw_only=True)
class Client:
    """The OAuth client. Its repr shows no secret."""

    id: str = field(repr=False)
    secret: str = field(repr=False)


def authorize(
    data_center: Annotated[
        str,
        typer.Option(
            help=f"Where your account is: {', '.join(DATA_CENTERS)}.", autocompletion=lambda: list(DATA_CENTERS)
        ),
    ] = "",
    base_url: Annotated[str, typer.Option(help="Address of an API elsewhere, such as that of the sandbox.")] = "",
    token_url: Annotated[str, typer.Option(help="Address that grants its tokens.")] = "",
    client_id: Annotated[str, typer.Option(help="Client id; else INVOICE_API_CLIENT_ID, else it is asked for.")] = "",
    client_secret_file: Annotated[
        Path | None, typer.Option(help="File with the client secret, - for standard input.")
    ] = None,
    grant_code_file: Annotated[
        Path | None, typer.Option(help="File with the grant code of a self client, - for standard input.")
    ] = None,
    redirect: Annotated[bool, typer.Option("--redirect", help="Log in with the browser; no self client.")] = False,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Only print the address to log in at.")] = False,
    redirect_port: Annotated[
        int, typer.Option(help="Port at which the browser comes back.", min=0, max=65535)
    ] = REDIRECT_PORT,
    organization_id: Annotated[str, typer.Option(help="The organisation to read, where there are several.")] = "",
    replace: Annotated[bool, typer.Option("--replace", help="Replace the credentials in .env without asking.")] = False,
    env_file: Annotated[Path, typer.Option(help="The file to write.")] = ENV_FILE,
) -> None:
    """Obtain a refresh token and write .env, with nothing secret on the screen.

    Example: invoice-assets authorize --data-center eu
    """
    logs_in = redirect or no_browser
    if logs_in and grant_code_file:
        raise SettingsError(
            "A login gives a code of its own: leave out --grant-code-file, or --redirect and --no-browser."
        )
    known = read_variables(env_file)
    place = _choose_place(known, data_center=data_center, base_url=base_url, token_url=token_url)
    _require_consent_to_replace(known, env_file, is_given=replace)
    require_writable(env_file)
    client = _ask_for_client(client_id, client_secret_file)
    if logs_in:
        grant = _log_in(place, client, port=redirect_port, opens_browser=not no_browser)
    else:
        grant = _take_grant_code(place, client, grant_code_file)
    values = _finish(place, grant, env_file, known, organization_id=organization_id)
    _warn_of_what_wins_over(known, values)
    say("Look at the whole chain next: invoice-assets doctor")


def _finish(
    place: Place, grant: "AuthorizationCodeGrant", env_file: Path, known: dict[str, str], *, organization_id: str
) -> dict[str, str]:
    """Exchange the code, choose the organisation, write the file; what was written."""
    from invoice_assets.api.authorization_code import GrantRefusedError, redeem_code

    granted = redeem_code(grant, scopes=_scopes())
    values = {
        BASE_URL: place.base_url,
        TOKEN_URL: place.token_url,
        CLIENT_ID: grant.client_id,
        CLIENT_SECRET: grant.client_secret,
        REFRESH_TOKEN: granted.refresh_token,
    }
    try:
        organization = _choose_organization(_list_organizations(place, grant, granted), organization_id)
    except GrantRefusedError:
        raise
    except BaseException:
        # The code is used up: what it gave must not be lost, by Ctrl+C neither.
        _write(env_file, values)
        say(f"{env_file} has the credentials, but no organisation yet: set {ORGANIZATION_ID} there.")
        raise
    values[ORGANIZATION_ID] = organization.organization_id
    if not known and organization.time_zone:
        values[TIME_ZONE] = organization.time_zone
    _write(env_file, values)
    say(f"It reads {organization.name!r}.")
    own = (known | values).get(TIME_ZONE, Settings.time_zone)
    if organization.time_zone not in ("", own):
        say(f"Its time zone is {organization.time_zone} and {TIME_ZONE} is {own}: set it, unless other days are meant.")
    return values


def _choose_place(known: dict[str, str], *, data_center: str, base_url: str, token_url: str) -> Place:
    from invoice_assets.api.reachability import reach
    from invoice_assets.api.transport import require_protected_transport

    if bool(base_url) != bool(token_url) or (base_url and data_center):
        raise SettingsError("Give --data-center, or both of --base-url and --token-url.")
    if data_center and data_center not in DATA_CENTERS:
        raise SettingsError(f"--data-center is {data_center!r}: give one of {', '.join(DATA_CENTERS)}.")
    set_before = (known.get(BASE_URL, ""), known.get(TOKEN_URL, ""))
    named_by = "--data-center or --token-url"
    if not (base_url or data_center) and all(set_before) and set_before not in DATA_CENTERS.values():
        base_url, token_url = set_before
        named_by = f"{TOKEN_URL}, which was set before (or give --data-center)"
    if not base_url:
        default = next((name for name, addresses in DATA_CENTERS.items() if addresses == set_before), "")
        if not data_center:
            say("Your data centre is the ending of the address at which you log in: accounts.zoho.<data centre>.")
        center = data_center or choose("Data centre", list(DATA_CENTERS), option="--data-center", default=default)
        base_url, token_url = DATA_CENTERS[center]
    require_protected_transport(base_url, variable="--base-url")
    require_protected_transport(token_url, variable="--token-url")
    say(f"Accounts server: {urlsplit(token_url).netloc}")
    reach(token_url, variable=named_by)
    return Place(base_url=with_trailing_slash(base_url), token_url=token_url)


def _require_consent_to_replace(known: dict[str, str], env_file: Path, *, is_given: bool) -> None:
    """Before a code is used up, which works once."""
    if is_given or not {CLIENT_SECRET, REFRESH_TOKEN} & known.keys():
        return
    if not confirm(f"{env_file} has credentials already. Replace them?", option="--replace"):
        say("Nothing was changed.")
        raise typer.Exit(FAILING)


def _ask_for_client(client_id: str, secret_file: Path | None) -> Client:
    id_set, secret_set = read_variable(CLIENT_ID), read_variable(CLIENT_SECRET)
    found = client_id or ask("Client id", option=f"--client-id or {CLIENT_ID}", default=id_set, is_secret=True)
    if secret_file:
        return Client(id=found, secret=read_secret(secret_file))
    default = secret_set if found == id_set or not id_set else ""
    option = f"--client-secret-file or {CLIENT_SECRET}"
    return Client(id=found, secret=ask("Client secret", option=option, default=default, is_secret=True))


def _take_grant_code(place: Place, client: Client, code_file: Path | None) -> "AuthorizationCodeGrant":
    from invoice_assets.api.authorization_code import AuthorizationCodeGrant

    if code_file:
        code = read_secret(code_file)
    else:
        say(f"At {place.console} open your self client and, under Generate Code, enter this scope:")
        say(f"\n{','.join(_scopes())}\n")
        say("Choose ten minutes and your organisation. (Without a self client: --redirect.)")
        code = ask("Grant code", option="--grant-code-file", is_secret=True)
    return AuthorizationCodeGrant(
        token_url=place.token_url, client_id=client.id, client_secret=client.secret, code=code
    )


def _log_in(place: Place, client: Client, *, port: int, opens_browser: bool) -> "AuthorizationCodeGrant":
    from invoice_assets.api.authorization_code import AuthorizationCodeGrant, AuthorizationRequest
    from invoice_assets.api.loopback_redirect import open_listener

    with open_listener(port) as listener:
        request = AuthorizationRequest(
            token_url=place.token_url, client_id=client.id, redirect_uri=listener.uri, scopes=_scopes()
        )
        say(f"The client needs this redirect URI, to the letter: {listener.uri}")
        if opens_browser and webbrowser.open(request.url):
            say("Go on in the browser, which has just been opened.")
        else:
            say(f"Open this address in a browser of this machine:\n\n{request.url}\n")
        came = listener.wait(state=request.state, patience_s=PATIENCE_S)
    _require_home(came, place)
    return AuthorizationCodeGrant(
        token_url=place.token_url,
        client_id=client.id,
        client_secret=client.secret,
        code=came.code,
        redirect_uri=listener.uri,
        verifier=request.verifier,
    )


def _require_home(came: "Redirect", place: Place) -> None:
    """The browser says which data centre the user's account is in; a code is never sent there unasked."""
    host = urlsplit(came.accounts_server).netloc
    if host and host != urlsplit(place.token_url).netloc:
        centers = [name for name, (_, token_url) in DATA_CENTERS.items() if urlsplit(token_url).netloc == host]
        raise SettingsError(
            f"Your account is in another data centre ({host}). Make a client there, then run this again with "
            f"{f'--data-center {centers[0]}' if centers else '--base-url and --token-url of it'}."
        )


def _list_organizations(
    place: Place, grant: "AuthorizationCodeGrant", granted: "Granted"
) -> "list[ListedOrganization]":
    from invoice_assets.api.authorization_code import GrantRefusedError, open_granted_session
    from invoice_assets.api.errors import PermissionDeniedError
    from invoice_assets.api.organizations import list_organizations

    try:
        with open_granted_session(granted, grant, base_url=place.base_url) as session:
            return list_organizations(session)
    except PermissionDeniedError as error:
        raise GrantRefusedError(
            "The grant does not cover the list of organisations: a scope is missing. Generate a new code for all of "
            f"these: {','.join(_scopes())}"
        ) from error


def _choose_organization(listed: "Sequence[ListedOrganization]", wanted: str) -> "ListedOrganization":
    if not listed:
        raise SettingsError(
            "The API lists no organisation for this login. Run this again as a user who belongs to one."
        )
    by_id = {one.organization_id: one for one in listed}
    if not wanted and len(listed) == 1:
        return listed[0]
    table = build_table("number", "organisation", "id", "time zone", "")
    for number, one in enumerate(listed, 1):
        cells = (str(number), one.name, one.organization_id, one.time_zone, "" if one.is_active else "not active")
        table.add_row(*map(escape, cells))
    if wanted not in by_id:
        Console().print(table)
    if wanted and wanted not in by_id:
        raise SettingsError(f"--organization-id is {wanted}, and this login belongs to none such: choose one of those.")
    if wanted:
        return by_id[wanted]
    numbers = [str(number + 1) for number in range(len(listed))]
    return listed[int(choose("Number of the organisation to read", numbers, option="--organization-id")) - 1]


def _write(env_file: Path, values: dict[str, str]) -> None:
    set_variables(env_file, values)
    say(f"Wrote {env_file}, readable by you alone: {', '.join(values)}.")


def _warn_of_what_wins_over(known: dict[str, str], values: dict[str, str]) -> None:
    """A variable of the environment wins over the file's; what was read from this file, or from .env, is no such."""
    read = [known, values, read_variables(ENV_FILE)]
    foreign = [name for name in values if read_variable(name) not in ("", *(file.get(name) for file in read))]
    if foreign:
        say(f"The environment sets {', '.join(foreign)} too, which wins over the file: unset it.")


def _scopes() -> list[str]:
    """What the loads need, by the catalog."""
    from invoice_assets.catalog import RESOURCES

    return sorted({scope for spec in RESOURCES.values() for scope in spec.scopes})
