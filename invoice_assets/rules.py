"""What makes a row plausible: `Rule`, and the factories that name the kinds of rule.

Which resource has which rules is the catalog's business; `ingest/inspection.py` counts the rows that break them.
"""

import re
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Rule:
    """A statement that is true of every plausible row.

    `predicate` is portable SQL over the columns of the resource, named as in the catalog; where it is NULL, because a
    value is, the row is not held against it. `sentence` says the same to a person.
    """

    name: str
    predicate: str
    sentence: str

    def mentions(self, column: str) -> bool:
        """Whether the predicate reads the column."""
        return re.search(rf"\b{re.escape(column)}\b", self.predicate) is not None


def never_negative(column: str) -> Rule:
    """An amount that cannot be below zero."""
    return Rule(
        name=f"{column}_is_never_negative", predicate=f"{column} >= 0", sentence=f"{column} is never below zero."
    )


def positive(column: str) -> Rule:
    """A quantity or a rate that cannot be zero or less."""
    return Rule(name=f"{column}_is_positive", predicate=f"{column} > 0", sentence=f"{column} is above zero.")


def part_of(column: str, whole: str) -> Rule:
    """An amount between zero and another one."""
    return Rule(
        name=f"{column}_is_part_of_{whole}",
        predicate=f"{column} BETWEEN 0 AND {whole}",
        sentence=f"{column} lies between zero and {whole}.",
    )


def percentage(column: str) -> Rule:
    """A rate in percent, from 0 to 100."""
    return Rule(
        name=f"{column}_is_a_percentage",
        predicate=f"{column} BETWEEN 0 AND 100",
        sentence=f"{column} lies between 0 and 100.",
    )


def not_before(column: str, earlier: str) -> Rule:
    """A day that cannot lie before another one."""
    return Rule(
        name=f"{column}_is_not_before_{earlier}",
        predicate=f"{column} >= {earlier}",
        sentence=f"{column} does not lie before {earlier}.",
    )


def currency_code(column: str) -> Rule:
    """A code of three letters (ISO 4217)."""
    return Rule(
        name=f"{column}_has_three_letters",
        predicate=f"LENGTH({column}) = 3",
        sentence=f"{column} is a code of three letters (ISO 4217).",
    )


def one_of(column: str, values: tuple[str, ...]) -> Rule:
    """A text out of the set that the API documents."""
    listed = ", ".join(f"'{value}'" for value in values)
    return Rule(
        name=f"{column}_is_known",
        predicate=f"NULLIF(CAST({column} AS VARCHAR), '') IN ({listed})",
        sentence=f"{column} is one of the values that the API documents: {', '.join(values)}.",
    )
