"""The imagined company behind the data: its calendar, its ids, its currencies and its names.

Everything is a function of (seed, resource, index), so rows stream out in any order and agree with one another without
being held in memory. Which invoice a payment pays is in `receivables.py`; how a row looks is in the `rows_*` modules.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

MASK = (1 << 64) - 1
WORKDAY_SECONDS = 13 * 3600
"""Documents are made from 07:00 to 20:00 local time, clear of the hours in which a zone changes its offset."""
WORKDAY_START = 7 * 3600
DAYS_BEFORE_HISTORY = 1300
"""How far before the history a back-dated document may lie."""
DAYS_AFTER_HISTORY = 800
CONTACTS_PER_GROUP = 9
VENDOR_IN_GROUP = 4
"""Every ninth contact is a vendor, which the contacts list hides unless it is asked for all."""
CUSTOMERS_WHEN_THERE_ARE_NONE = 50

RESOURCE_CODES = {
    "items": 44,
    "users": 2,
    "contacts": 51,
    "invoices": 62,
    "recurring_invoices": 63,
    "customer_payments": 71,
    "credit_notes": 73,
    "expenses": 81,
    "taxes": 4,
}

FIRST_NAMES = ("Ana", "Björn", "Chloé", "Dmitri", "Efe", "Fátima", "Grace", "Håkon", "Ines", "Jörg", "Kavya", "Łukasz")
LAST_NAMES = ("Almeida", "Brontë", "Çelik", "D'Arcy", "Eriksson", "Fernández", "Gupta", "Hopper", "Ibsen", "Jokić")
COMPANY_NAMES = (
    "Acme Supplies",
    "Zoë & Sons",
    'The "Quoted" Company',
    "日本商事株式会社",
    "O'Neill Pipes",
    "Smørrebrød ApS",
    "Back\\slash Labs",
    "Ελληνικά Ελαιόλαδα",
    "Nguyễn Trading",
    "Comma, Inc.",
    "Dépôt 100%",
)


@dataclass(frozen=True)
class Currency:
    """A currency; the rate to the organisation's own is exact, as `rate_numerator` / 10**`rate_digits`."""

    code: str
    symbol: str
    currency_id: str
    rate_numerator: int
    rate_digits: int

    @property
    def rate_text(self) -> str:
        """The exchange rate as it stands on the wire."""
        whole, fraction = divmod(self.rate_numerator, 10**self.rate_digits)
        return f"{whole}.{fraction:0{self.rate_digits}d}"

    def to_base_cents(self, cents: int) -> int:
        """Return cents of this currency in the organisation's currency, rounded half up."""
        scale: int = 10**self.rate_digits
        return (cents * self.rate_numerator * 2 + scale) // (2 * scale)


CURRENCIES = (
    Currency("USD", "$", "4815000000000000097", 100, 2),
    Currency("EUR", "€", "4815000000000000099", 10834725, 7),
    Currency("GBP", "£", "4815000000000000101", 1271905, 6),
    Currency("INR", "₹", "4815000000000000103", 119873456, 10),
)


class World:
    """The company's facts for one seed, one history and one number of rows per resource."""

    def __init__(self, *, seed: int, counts: Mapping[str, int], history: tuple[date, date], zone: ZoneInfo) -> None:
        """Prepare the calendar; `history` is the first and the last day on which anything was created or edited."""
        self.counts = dict(counts)
        self.first_day, self.last_day = history
        if self.last_day < self.first_day:
            raise ValueError(f"the history ends on {self.last_day}, before it starts on {self.first_day}")
        self.days = (self.last_day - self.first_day).days + 1
        self.end = self.days * WORKDAY_SECONDS - 1
        self._seed = (seed * 0xD6E8FEB86659FD93) & MASK
        self._offsets = [_offset_on(self.first_day + timedelta(days=day), zone) for day in range(self.days)]
        origin = self.first_day.toordinal() - DAYS_BEFORE_HISTORY
        span = DAYS_BEFORE_HISTORY + self.days + DAYS_AFTER_HISTORY
        self._dates = [date.fromordinal(ordinal).isoformat() for ordinal in range(origin, origin + span)]
        self.customers = self._count_customers()

    def draw(self, resource_code: int, index: int) -> int:
        """Return 64 well-mixed bits that belong to this row (splitmix64's finaliser)."""
        x = (index * 0x9E3779B97F4A7C15 + resource_code * 0xC2B2AE3D27D4EB4F + self._seed) & MASK
        x = ((x ^ x >> 30) * 0xBF58476D1CE4E5B9) & MASK
        x = ((x ^ x >> 27) * 0x94D049BB133111EB) & MASK
        return x ^ x >> 31

    def key(self, resource: str, index: int) -> str:
        """Return the primary key of a row: 15 digits for the oldest resources, 19 (beyond a float) for the others."""
        code = RESOURCE_CODES[resource]
        base = 982000000000000 if code < 10 else 4815000000000000000
        return str(base + code * 1_000_000_000 + 1001 + index * 3)

    def position(self, index: int, count: int) -> int:
        """Return when row `index` of `count` was created, in working seconds since the history began; it only grows."""
        return min(index * (self.end + 1) // max(count, 1), self.end)

    def modified_position(self, created: int, bits: int) -> int:
        """Return when a row was last edited: half never were, one in 16 in a bulk edit that gave many one stamp."""
        bulk_edit = (self.end + 1) * 3 // 4 // 3600 * 3600
        if bits & 15 == 0 and created <= bulk_edit:
            return bulk_edit
        if bits & 1:
            return created
        return min(created + (bits >> 4) % (40 * WORKDAY_SECONDS), self.end)

    def stamp(self, position: int) -> str:
        """Return a position of the history as a timestamp with the offset of that day."""
        day, second = divmod(position, WORKDAY_SECONDS)
        minutes, seconds = divmod(second + WORKDAY_START, 60)
        hours, minutes = divmod(minutes, 60)
        return f"{self._dates[day + DAYS_BEFORE_HISTORY]}T{hours:02d}:{minutes:02d}:{seconds:02d}{self._offsets[day]}"

    def day_of(self, position: int) -> int:
        """Return the number of the day, counted from the start of the history."""
        return position // WORKDAY_SECONDS

    def date_text(self, day: int) -> str:
        """Return day number `day` of the history as yyyy-mm-dd; negative days lie before it."""
        return self._dates[day + DAYS_BEFORE_HISTORY]

    def formatted_date(self, position: int) -> str:
        """Return a position's date as the API formats it for people: 09 Jun 2026."""
        return (self.first_day + timedelta(days=self.day_of(position))).strftime("%d %b %Y")

    def is_vendor(self, contact: int) -> bool:
        """Return whether the contact at this index is a vendor."""
        return contact % CONTACTS_PER_GROUP == VENDOR_IN_GROUP

    def contact_of_customer(self, rank: int) -> int:
        """Return the contact index of the customer with this rank (vendors are not counted)."""
        group, place = divmod(rank, CONTACTS_PER_GROUP - 1)
        return group * CONTACTS_PER_GROUP + place + (place >= VENDOR_IN_GROUP)

    def customer_rank(self, contact: int) -> int:
        """Return the rank of a contact among the customers."""
        group, place = divmod(contact, CONTACTS_PER_GROUP)
        return group * (CONTACTS_PER_GROUP - 1) + place - (place > VENDOR_IN_GROUP)

    def contact_name(self, contact: int) -> str:
        """Return the display name of a contact; it is unique."""
        if contact % 3:
            return f"{COMPANY_NAMES[contact % len(COMPANY_NAMES)]} {contact + 1}"
        first = FIRST_NAMES[contact % len(FIRST_NAMES)]
        return f"{first} {LAST_NAMES[contact % len(LAST_NAMES)]} {contact + 1}"

    def currency_of_contact(self, contact: int) -> Currency:
        """Return the currency in which a contact trades; most trade in the organisation's own."""
        return CURRENCIES[(0, 0, 1, 0, 0, 2, 0, 3, 0, 0)[contact % 10]]

    def _count_customers(self) -> int:
        """Return how many customers documents are spread over; with no contacts at all, their ids dangle."""
        contacts = self.counts.get("contacts", 0)
        vendors = (contacts + CONTACTS_PER_GROUP - 1 - VENDOR_IN_GROUP) // CONTACTS_PER_GROUP
        return contacts - vendors or CUSTOMERS_WHEN_THERE_ARE_NONE


def _offset_on(day: date, zone: ZoneInfo) -> str:
    return datetime(day.year, day.month, day.day, 12, tzinfo=zone).strftime("%z")


def utc_noon_after(day: date) -> datetime:
    """Return noon UTC of the following day: a moment at which the whole history lies in the past."""
    return datetime(day.year, day.month, day.day, 12, tzinfo=UTC) + timedelta(days=1)
