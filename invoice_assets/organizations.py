"""The organisations of a deployment: the file that names them, and the settings of each.

One organisation needs no file: it is configured by the environment alone. What a resource is, whoever's it is, lives in
`catalog.py`; what the environment says, in `settings.py`. The format is described in docs/organizations.md.
"""

import re
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from dataclasses import dataclass, replace
from datetime import date
from itertools import count
from pathlib import Path
from types import MappingProxyType
from typing import Any

from invoice_assets.settings import Settings, with_trailing_slash
from invoice_assets.variables import SettingsError, zone_key

DATA_CENTERS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        center: (f"https://www.zohoapis.{center}/invoice/v3/", f"https://accounts.zoho.{center}/oauth/v2/token")
        for center in ("com", "eu", "in", "com.au", "jp", "com.cn", "sa")
    }
    | {"ca": ("https://www.zohoapis.ca/invoice/v3/", "https://accounts.zohocloud.ca/oauth/v2/token")}
)
"""Base URL and token URL of each data centre (docs/api.md, "Hosts and organisation")."""

_OF_ITS_OWN = ("time_zone", "start_date", "requests_per_minute", "daily_reserve", "credentials")
ALL_ORGANIZATIONS = "all"
"""In the place of a slug: the views over all organisations."""

_MAY_BE_SECRET = ("credentials", "base_url", "token_url")
"""What somebody may have put a secret into by mistake: not shown where it cannot be used."""

SLUG = re.compile(r"[a-z][a-z0-9_]{0,29}")
CREDENTIALS = re.compile(r"(env|dlt):[A-Za-z_][A-Za-z0-9_.]*")


@dataclass(frozen=True, kw_only=True)
class Problem:
    """Something that the file says and that cannot be used."""

    line: int
    key: str
    says: str


def split_by_organization(settings: Settings) -> tuple[Settings, ...]:
    """The settings of each organisation; those given where `INVOICE_ORGANIZATIONS` names no file.

    Raises:
        SettingsError: The file cannot be used; the message has each problem with its line and key.
    """
    if not settings.organizations_file:
        return (settings,)
    path = Path(settings.organizations_file)
    try:
        source = path.read_text(encoding="utf-8")
        tables = tomllib.loads(source)
    except OSError as error:
        raise SettingsError(f"INVOICE_ORGANIZATIONS is {path}, which cannot be read ({error.strerror}).") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} is no TOML: {error}.") from None
    problems = list(_find_problems(tables, source))
    if problems:
        told = "\n".join(f"{path}:{problem.line}: {problem.key} {problem.says}" for problem in problems)
        raise SettingsError(f"The organisations cannot be used; mend these and load again:\n{told}")
    return tuple(_apply(settings, slug, table) for slug, table in tables.items())


def draft_file(listed: Iterable[tuple[str, str, str]], *, base_url: str, token_url: str) -> str:
    """A first draft of the file for organisations given as id, name and time zone, all with the same credentials."""
    center = next((name for name, (known, _) in DATA_CENTERS.items() if known == base_url), None)
    where = f'data_center = "{center}"' if center else f'base_url = "{base_url}"\ntoken_url = "{token_url}"'
    taken: set[str] = set()
    tables = []
    for organization_id, name, time_zone in listed:
        slug = _choose_slug(name, taken)
        taken.add(slug)
        zone = f'time_zone = "{time_zone}"\n' if _is_zone(time_zone) else ""
        shown = " ".join(name.split())
        tables.append(f'# {shown}\n[{slug}]\norganization_id = "{organization_id}"\n{where}\n{zone}')
    return "\n".join(tables)


def _choose_slug(name: str, taken: Set[str]) -> str:
    """A slug that is like the name, and nobody else's."""
    plain = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")
    slug = (plain if plain[:1].isalpha() else f"organization_{plain}").strip("_")[:26].strip("_")
    return next(chosen for number in count(1) if (chosen := slug if number == 1 else f"{slug}_{number}") not in taken)


def _apply(settings: Settings, slug: str, table: Mapping[str, Any]) -> Settings:
    """The settings with what the organisation has of its own."""
    base_url, token_url = DATA_CENTERS.get(table.get("data_center", ""), (settings.base_url, settings.token_url))
    own = {name: table[name] for name in _OF_ITS_OWN if name in table}
    return replace(
        settings,
        slug=slug,
        organization_id=str(table["organization_id"]),
        base_url=with_trailing_slash(table.get("base_url", base_url)),
        token_url=table.get("token_url", token_url),
        **own,
    )


def _find_problems(tables: Mapping[str, Any], source: str) -> Iterator[Problem]:
    if not tables:
        yield Problem(line=1, key="the file", says="names no organisation: begin one with [its_slug]")
    seen: dict[str, str] = {}
    for slug, table in tables.items():
        if not SLUG.fullmatch(slug):
            yield Problem(line=_find_line(source, slug), key=slug, says="is no slug: a-z, 0-9 and _, 30 characters")
        if slug == ALL_ORGANIZATIONS:
            yield Problem(line=_find_line(source, slug), key=slug, says="is the name of all of them: choose another")
        if not isinstance(table, dict):
            yield Problem(line=_find_line(source, slug), key=slug, says="is no table: put it under [its_slug]")
            continue
        for key, says in _judge(table):
            yield Problem(line=_find_line(source, slug, key), key=f"{slug}.{key}", says=says)
        identity = str(table.get("organization_id"))
        if identity in seen:
            says = f"is that of {seen[identity]} too: an organisation stands in the file once"
            yield Problem(line=_find_line(source, slug, "organization_id"), key=f"{slug}.organization_id", says=says)
        seen.setdefault(identity, slug)


def _judge(table: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What is wrong with an organisation, by key."""
    for key in table.keys() - _CHECKS.keys():
        yield key, f"is not known; there are {', '.join(_CHECKS)}"
    for key, check in _CHECKS.items():
        if key in table and (wrong := check(table[key])):
            yield key, f"is not usable: {wrong}" if key in _MAY_BE_SECRET else f"is {table[key]!r}: {wrong}"
    if "organization_id" not in table:
        yield "organization_id", "is missing: `invoice-assets organizations` lists the ids"
    if "data_center" in table and {"base_url", "token_url"} & table.keys():
        yield "data_center", f"is {table['data_center']!r}, which gives both addresses: leave out those, or this"


def _require(is_good: Callable[[Any], object], advice: str) -> Callable[[Any], str]:
    def check(value: Any) -> str:
        return "" if is_good(value) else advice

    return check


def _is_zone(value: Any) -> bool:
    try:
        return bool(zone_key(value))
    except (TypeError, ValueError):
        return False


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_address(value: Any) -> bool:
    is_address = isinstance(value, str) and value.startswith(("https://", "http://"))
    return is_address and not any(mark in value for mark in "@?#")


_CHECKS: Mapping[str, Callable[[Any], str]] = MappingProxyType(
    {
        "organization_id": _require(
            lambda value: isinstance(value, str) and value.isdigit(), 'set it to the digits, in quotes: "10234695"'
        ),
        "data_center": _require(lambda value: value in DATA_CENTERS, f"set it to one of {', '.join(DATA_CENTERS)}"),
        "base_url": _require(_is_address, "set it to an address such as https://www.zohoapis.eu/invoice/v3/"),
        "token_url": _require(_is_address, "set it to an address such as https://accounts.zoho.eu/oauth/v2/token"),
        "time_zone": _require(_is_zone, "set it to a name such as America/New_York"),
        "start_date": _require(lambda value: type(value) is date, "set it to a day, without quotes: 2024-01-31"),
        "requests_per_minute": _require(_is_count, "set it to a whole number, 0 for no pacing"),
        "daily_reserve": _require(_is_count, "set it to a whole number of requests"),
        "credentials": _require(
            lambda value: isinstance(value, str) and CREDENTIALS.fullmatch(value),
            'set it to "env:ACME" for ACME_CLIENT_ID, ACME_CLIENT_SECRET and ACME_REFRESH_TOKEN, or to "dlt:acme" for '
            "that section of dlt's secrets",
        ),
    }
)


def _find_line(source: str, slug: str, key: str | None = None) -> int:
    """The line of an organisation's key, or of the organisation where the key is not there."""
    header = re.compile(rf'\s*(\[\s*"?{re.escape(slug)}"?\s*\]|"?{re.escape(slug)}"?\s*[.=])')
    entry = re.compile(rf'\s*("?{re.escape(slug)}"?\s*\.\s*)?"?{re.escape(key or "")}"?\s*=')
    lines = source.splitlines()
    begin = next((number for number, line in enumerate(lines) if header.match(line)), 0)
    if key:
        for number in range(begin, len(lines)):
            if number > begin and lines[number].lstrip().startswith("["):
                break
            if entry.match(lines[number]):
                return number + 1
    return begin + 1
