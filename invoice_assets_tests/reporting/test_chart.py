"""The picture of receivables: whether it can be read, is to scale, and says the same as the table."""

from decimal import Decimal
from xml.etree import ElementTree

import pytest

from invoice_assets.reporting.chart import AGES, draw_receivables, write_amount

SVG = "{http://www.w3.org/2000/svg}"


def test_bars_are_in_proportion_to_the_largest_of_their_currency() -> None:
    picture = ElementTree.fromstring(
        draw_receivables({"EUR": {"current": Decimal(100), "90+": Decimal(25)}, "JPY": {"1-30": Decimal(1_000_000)}})
    )
    euros, yen = _widths(picture)[:5], _widths(picture)[5:]

    assert [width / max(euros) for width in euros] == [1, 0, 0, 0, 0.25]
    assert [width / max(yen) for width in yen] == [0, 1, 0, 0, 0]


def test_every_age_stands_beside_its_amount_and_each_currency_beside_its_sum() -> None:
    picture = ElementTree.fromstring(draw_receivables({"EUR": {"current": Decimal("1234.50"), "90+": Decimal("0.01")}}))
    texts = [text.text for text in picture.iter(f"{SVG}text")]

    assert texts[:2] == ["EUR", "1,234.51"]
    assert texts[2::2] == list(AGES)
    assert texts[3::2] == ["1,234.50", "0.00", "0.00", "0.00", "0.01"]


def test_a_credit_balance_has_no_bar() -> None:
    picture = ElementTree.fromstring(draw_receivables({"EUR": {"current": Decimal(-5), "1-30": Decimal(5)}}))

    assert [width > 0 for width in _widths(picture)] == [False, True, False, False, False]


def test_a_currency_cannot_break_the_picture() -> None:
    picture = ElementTree.fromstring(draw_receivables({"<&>": {"current": Decimal(1)}}))

    assert next(picture.iter(f"{SVG}text")).text == "<&>"


def test_nothing_owed_is_a_picture_too() -> None:
    assert _widths(ElementTree.fromstring(draw_receivables({}))) == []


@pytest.mark.parametrize(
    ("amount", "written"),
    [
        ("0", "0.00"),
        ("1234567.5", "1,234,567.50"),
        ("100.000000", "100.00"),
        ("0.001000", "0.001"),
        ("-12.34", "-12.34"),
        ("7E+3", "7,000.00"),
    ],
)
def test_an_amount_is_written_with_all_digits_that_say_something(amount: str, written: str) -> None:
    assert write_amount(Decimal(amount)) == written


def _widths(picture: ElementTree.Element) -> list[float]:
    return [float(bar.attrib["width"]) for bar in picture.iter(f"{SVG}rect")]
