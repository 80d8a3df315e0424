"""Does a value in the warehouse say the same as the value on the wire? An oracle of its own, which reads no catalog."""

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

TIMESTAMP = "%Y-%m-%dT%H:%M:%S%z"


def find_differences(stored: dict[str, Any], wire: dict[str, Any]) -> dict[str, tuple[object, object]]:
    """The fields in which a stored row and its wire row differ, with both values; fields may be absent on the wire."""
    fields = stored.keys() | wire.keys()
    return {
        name: (stored.get(name), wire.get(name))
        for name in fields
        if not says_the_same(stored.get(name), wire.get(name))
    }


def says_the_same(stored: object, wire: object) -> bool:
    """Whether the stored value is exactly what the wire value means; a missing one is NULL, or the text that it is."""
    match stored:
        case None:
            return wire is None or wire == ""
        case bool():
            return stored is wire
        case Decimal() | int():
            return isinstance(wire, int | Decimal) and not isinstance(wire, bool) and stored == Decimal(wire)
        case datetime():
            return isinstance(wire, str) and stored.astimezone(UTC) == datetime.strptime(wire, TIMESTAMP)
        case date():
            return stored.isoformat() == wire
        case str() if isinstance(wire, str):
            return stored == wire
        case str():
            return wire is not None and json.loads(stored, parse_float=Decimal) == wire
        case _:
            return False
