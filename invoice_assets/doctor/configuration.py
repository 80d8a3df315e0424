"""What can be judged without asking anybody: variables, addresses, who may read `.env`.

What a variable means lives in `settings.py`.
"""

from collections.abc import Iterator, Sequence

from invoice_assets.api.transport import require_protected_transport
from invoice_assets.doctor.findings import Finding, State, describe_error, fine
from invoice_assets.env_file import ENV_FILE, find_broken_lines, is_for_the_owner_alone
from invoice_assets.errors import InvoicingError
from invoice_assets.organizations import DATA_CENTERS
from invoice_assets.settings import Settings, find_unknown_variables
from invoice_assets.variables import SettingsError

NAME, ADDRESSES = "settings", "addresses"


def examine_settings(problems: Sequence[SettingsError]) -> Iterator[Finding]:
    """A finding for each variable that cannot be used; one where all can."""
    for problem in problems:
        yield describe_error(NAME, problem)
    if not problems:
        yield fine(NAME, "every variable that is set can be used")


def examine_names(settings: Settings) -> Iterator[Finding]:
    """A warning for each variable that looks like this project's and is read by nobody, such as a misspelt one."""
    for name, similar in find_unknown_variables(settings).items():
        yield Finding(
            name=NAME,
            state=State.WARNING,
            what=f"{name} is set, and there is no such setting",
            what_to_do=f"{f'Write {similar}' if similar else 'Take it out'}, unless another program reads it.",
        )


def examine_env_file() -> Iterator[Finding]:
    """Whether the secrets in the folder's .env are kept, and its lines can be read; nothing where there is no file."""
    if not ENV_FILE.exists():
        return
    if is_for_the_owner_alone(ENV_FILE):
        yield fine(str(ENV_FILE), "only its owner can read it")
    else:
        yield Finding(
            name=str(ENV_FILE),
            state=State.WARNING,
            what="other users of this machine can read it, and it holds secrets",
            what_to_do="chmod 600 .env",
        )
    if broken := find_broken_lines(ENV_FILE):
        yield Finding(
            name=str(ENV_FILE),
            state=State.WARNING,
            what=f"what begins on line {', '.join(map(str, broken))} is no NAME=value, and sets nothing",
            what_to_do="Write NAME=value there and close every quote, or begin the line with # to make it a comment.",
        )


def examine_addresses(settings: Settings) -> Iterator[Finding]:
    """Whether the two addresses can be used, and belong together."""
    addresses = {"INVOICE_API_BASE_URL": settings.base_url, "INVOICE_API_TOKEN_URL": settings.token_url}
    if unset := [variable for variable, address in addresses.items() if not address]:
        yield Finding(
            name=ADDRESSES,
            state=State.FAILING,
            what=f"{' and '.join(unset)} {'is' if len(unset) == 1 else 'are'} not set",
            what_to_do="Run `invoice-assets authorize`, which writes .env.",
        )
        return
    for variable, address in addresses.items():
        try:
            require_protected_transport(address, variable=variable)
        except InvoicingError as error:
            yield describe_error(ADDRESSES, error)
            return
    centers = [
        next((name for name, known in DATA_CENTERS.items() if address in known), None)
        for address in (settings.base_url, settings.token_url)
    ]
    if all(centers) and len(set(centers)) > 1:
        yield Finding(
            name=ADDRESSES,
            state=State.FAILING,
            what=f"the API is that of the data centre {centers[0]}, the accounts server that of {centers[1]}",
            what_to_do="Take both from one data centre: a token of one is worth nothing in another.",
        )
    else:
        yield fine(ADDRESSES, f"data centre {centers[0]}" if centers[0] else "of no data centre that is known")
