"""`rules.py`: what each kind of rule says of a row, asked of an embedded DuckDB."""

from decimal import Decimal

import duckdb
import pytest

from invoice_assets.catalog import RESOURCES
from invoice_assets.rules import (
    Rule,
    currency_code,
    never_negative,
    not_before,
    one_of,
    part_of,
    percentage,
    positive,
)


def judge(rule: Rule, **values: object) -> bool | None:
    """What the predicate says of a row with these values; None where it says nothing."""
    columns = ", ".join(f"? AS {name}" for name in values)
    row = duckdb.execute(f"SELECT {rule.predicate} FROM (SELECT {columns})", list(values.values())).fetchone()
    assert row is not None
    verdict: bool | None = row[0]
    return verdict


@pytest.mark.parametrize(
    ("rule", "value", "holds"),
    [
        pytest.param(never_negative("value"), Decimal(0), True, id="nought is not negative"),
        pytest.param(never_negative("value"), Decimal("-0.01"), False, id="a cent below nought is"),
        pytest.param(positive("value"), Decimal("0.000001"), True, id="a little is positive"),
        pytest.param(positive("value"), Decimal(0), False, id="nought is not positive"),
        pytest.param(percentage("value"), Decimal(0), True, id="no per cent"),
        pytest.param(percentage("value"), Decimal(100), True, id="all of it"),
        pytest.param(percentage("value"), Decimal("100.01"), False, id="more than all of it"),
        pytest.param(percentage("value"), Decimal("-0.01"), False, id="less than nothing"),
        pytest.param(currency_code("value"), "EUR", True, id="three letters"),
        pytest.param(currency_code("value"), "EURO", False, id="four letters"),
        pytest.param(currency_code("value"), "", False, id="no letters"),
        pytest.param(one_of("value", ("open", "void")), "void", True, id="a known text"),
        pytest.param(one_of("value", ("open", "void")), "Void", False, id="another spelling"),
        pytest.param(one_of("value", ("open", "void")), "lost", False, id="an unknown text"),
    ],
)
def test_a_rule_about_a_value_holds_where_its_sentence_says_so(rule: Rule, value: object, holds: bool) -> None:
    assert judge(rule, value=value) is holds


@pytest.mark.parametrize(
    ("value", "other", "holds"),
    [
        pytest.param(Decimal(0), Decimal(9), True, id="nothing of it"),
        pytest.param(Decimal(9), Decimal(9), True, id="the whole"),
        pytest.param(Decimal("9.01"), Decimal(9), False, id="more than the whole"),
        pytest.param(Decimal("-0.01"), Decimal(9), False, id="less than nothing"),
    ],
)
def test_a_part_lies_between_zero_and_the_whole(value: Decimal, other: Decimal, holds: bool) -> None:
    assert judge(part_of("value", "other"), value=value, other=other) is holds


@pytest.mark.parametrize(
    ("later", "holds"),
    [("2026-03-09", True), ("2026-03-08", True), ("2026-03-07", False)],
    ids=["after", "the same day", "before"],
)
def test_a_day_may_be_the_other_day_but_not_lie_before_it(later: str, holds: bool) -> None:
    assert judge(not_before("due_date", "date"), due_date=later, date="2026-03-08") is holds


@pytest.mark.parametrize(
    "rule",
    [
        pytest.param(never_negative("value"), id="never_negative"),
        pytest.param(positive("value"), id="positive"),
        pytest.param(percentage("value"), id="percentage"),
        pytest.param(part_of("value", "other"), id="part_of"),
        pytest.param(part_of("other", "value"), id="part_of nothing"),
        pytest.param(not_before("value", "other"), id="not_before"),
        pytest.param(currency_code("value"), id="currency_code"),
        pytest.param(one_of("value", ("open",)), id="one_of"),
    ],
)
def test_a_missing_value_is_held_against_nobody(rule: Rule) -> None:
    assert judge(rule, value=None, other=1) is None


def test_an_empty_text_is_no_unknown_value() -> None:
    """The API writes "" for "no value"; whether there must be one is another claim's business."""
    assert judge(one_of("status", ("open",)), status="") is None


@pytest.mark.parametrize(
    ("column", "is_read"),
    [("due_date", True), ("date", True), ("due", False), ("late", False), ("due_dat.", False)],
    ids=["the first", "the second", "a part of a name", "another part", "a pattern"],
)
def test_a_rule_mentions_whole_names_only(column: str, is_read: bool) -> None:
    assert not_before("due_date", "date").mentions(column) is is_read


@pytest.mark.parametrize(
    ("rule", "name", "sentence"),
    [
        (never_negative("total"), "total_is_never_negative", "total is never below zero."),
        (positive("rate"), "rate_is_positive", "rate is above zero."),
        (percentage("tax"), "tax_is_a_percentage", "tax lies between 0 and 100."),
        (part_of("open", "total"), "open_is_part_of_total", "open lies between zero and total."),
        (not_before("due", "day"), "due_is_not_before_day", "due does not lie before day."),
        (currency_code("code"), "code_has_three_letters", "code is a code of three letters (ISO 4217)."),
        (one_of("kind", ("a", "b")), "kind_is_known", "kind is one of the values that the API documents: a, b."),
    ],
    ids=lambda value: value.name if isinstance(value, Rule) else "",
)
def test_a_rule_is_named_and_told_after_its_columns(rule: Rule, name: str, sentence: str) -> None:
    assert (rule.name, rule.sentence) == (name, sentence)


def test_no_two_rules_of_a_resource_share_a_name() -> None:
    """Counts are kept by the rule's name."""
    for spec in RESOURCES.values():
        names = [rule.name for rule in spec.plausibility_rules] + [column.name for column in spec.columns]
        assert len(names) == len(set(names))
