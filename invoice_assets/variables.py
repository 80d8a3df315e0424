"""How a variable of the environment is read: the kinds of value, and what is said of one that cannot be used.

Which variables there are lives in `settings.py`, but for those that hold secrets, which are only named here: nobody
reads them before a run does. What reads a variable is given all that is set, its name and its default.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import field
from datetime import date
from enum import StrEnum
from typing import TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

CREDENTIALS = CLIENT_ID, CLIENT_SECRET, REFRESH_TOKEN = (
    "INVOICE_API_CLIENT_ID",
    "INVOICE_API_CLIENT_SECRET",
    "INVOICE_API_REFRESH_TOKEN",
)
PERSONAL_DATA_KEY = "INVOICE_PERSONAL_DATA_KEY"
ALERT_URLS = "INVOICE_ALERT_URLS"
CELERY_BROKER, CELERY_BACKEND = "INVOICE_CELERY_BROKER", "INVOICE_CELERY_BACKEND"
SECRETS = (*CREDENTIALS, PERSONAL_DATA_KEY, ALERT_URLS, CELERY_BROKER, CELERY_BACKEND)

Value = TypeVar("Value")
Choice = TypeVar("Choice", bound=StrEnum)


class SettingsError(ValueError):
    """A variable of the environment cannot be used; the message begins with it, and has its value and the mend."""

    @property
    def variable(self) -> str:
        """The variable that cannot be used."""
        return str(self).partition(" ")[0]


def setting(variable: str, default: Value, read: Callable[[Mapping[str, str], str, Value], Value]) -> Value:
    """A field that a variable of the environment fills: `read` is given all that is set, its name and the default."""
    return field(default=default, metadata={"variable": variable, "read": read})


def read_text(given: Mapping[str, str], name: str, default: str) -> str:
    """Any text."""
    return given.get(name, default)


def read_address(given: Mapping[str, str], name: str, default: str) -> str:
    """An address that is shown; whether secrets may be sent there is judged before they are."""
    address = given.get(name, default)
    if any(mark in address for mark in "@?#"):
        raise SettingsError(f"{name} is shown in the UI: give it without a user, a query and a fragment.")
    return address


def read_folder(given: Mapping[str, str], name: str, default: str) -> str:
    """The path of a folder; an address in its place is a secret, and not read."""
    value = given.get(name, default)
    if "://" in value:
        return ""
    if "@" in value:
        raise SettingsError(f"{name} is no path, and no address either: set it to a folder, or to postgresql://….")
    return value


def read_identifier(given: Mapping[str, str], name: str, default: str) -> str:
    """A name in the warehouse, of those that dlt's naming convention `snake_case` leaves as they are.

    https://dlthub.com/docs/general-usage/naming-convention
    """
    value = given.get(name, default)
    if not re.fullmatch(r"_?[a-z][a-z0-9]*(_[a-z0-9]+)*", value):
        raise SettingsError(
            f"{name} is {value!r}: set it to a-z, 0-9 and single _ between them, a letter first, such as invoicing_eu."
        )
    return value


def zone_key(name: str) -> str:
    """The name of a time zone that exists. Raises `ValueError` for any other."""
    try:
        return ZoneInfo(name).key
    except (ZoneInfoNotFoundError, IsADirectoryError) as error:
        raise ValueError(name) from error


def read_time_zone(given: Mapping[str, str], name: str, default: str) -> str:
    """A time zone that exists."""
    zone = given.get(name, default)
    try:
        return zone_key(zone)
    except ValueError:
        raise SettingsError(f"{name} is {zone!r}: set it to a name such as America/New_York.") from None


def read_day(given: Mapping[str, str], name: str, default: date) -> date:
    """A day in ISO 8601."""
    try:
        return date.fromisoformat(given.get(name, default.isoformat()))
    except ValueError:
        raise SettingsError(f"{name} is {given[name]!r}: set it to a day such as 2024-01-31.") from None


def read_switch(given: Mapping[str, str], name: str, default: bool) -> bool:
    """Whether it is on."""
    value = given.get(name, "on" if default else "off")
    if value not in ("on", "off"):
        raise SettingsError(f"{name} is {value!r}: set it to on or off.")
    return value == "on"


def read_choice(given: Mapping[str, str], name: str, default: Choice) -> Choice:
    """One of the words of an enumeration, that of the default."""
    choices = type(default)
    value = given.get(name, default)
    if value not in [*choices]:
        *others, last = choices
        raise SettingsError(f"{name} is {value!r}: set it to {', '.join(others)} or {last}.")
    return choices(value)


def read_whole_number(given: Mapping[str, str], name: str, default: int) -> int:
    """A whole number, 0 or more."""
    number = read_number(given, name, default)
    if number != int(number):
        raise SettingsError(f"{name} is {given[name]!r}: set it to a whole number, or leave it out for {default}.")
    return int(number)


def read_count(given: Mapping[str, str], name: str, default: int) -> int:
    """A whole number, 1 or more."""
    number = read_whole_number(given, name, default)
    if number == 0:
        raise SettingsError(f"{name} is {given[name]!r}: set it to 1 or more, or leave it out for {default}.")
    return number


def read_hours(given: Mapping[str, str], name: str, default: float) -> float:
    """Hours, more than 0."""
    hours = read_number(given, name, default)
    if hours == 0:
        raise SettingsError(f"{name} is {given[name]!r}: set it to more than 0 hours, or leave it out for {default}.")
    return hours


def read_share(given: Mapping[str, str], name: str, default: float) -> float:
    """A share from 0 to 1."""
    share = read_number(given, name, default)
    if share > 1:
        raise SettingsError(f"{name} is {given[name]!r}: set it to a share from 0 to 1, such as 0.2 for 20 %.")
    return share


def read_number(given: Mapping[str, str], name: str, default: float) -> float:
    """A number, 0 or more."""
    try:
        number = float(given.get(name, default))
    except ValueError:
        raise SettingsError(f"{name} is {given[name]!r}: set it to a number, or leave it out for {default}.") from None
    if not 0 <= number < 1e9:
        raise SettingsError(f"{name} is {given[name]!r}: set it to 0 or more, or leave it out for {default}.")
    return number
