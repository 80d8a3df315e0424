"""Receivables by age as a picture: for each currency its ages as bars, in proportion to the largest of them.

Written as SVG by hand, in tones that can be read on white and on dark pages alike: no library draws for it.
https://developer.mozilla.org/docs/Web/SVG
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from xml.sax.saxutils import escape

AGES = ("current", "1-30", "31-60", "61-90", "90+")
TONES = ("#2f81f7", "#d4a72c", "#e0823d", "#e5534b", "#c93c37")
"""From what is not yet due to what is long overdue."""
WIDTH, ROW_HEIGHT, BAR_HEIGHT, HEADING_HEIGHT, MARGIN = 720, 26, 16, 40, 12
BARS_FROM, BARS_TO, FIGURES_AT = 90, 540, 708
TEXT = "#768390"


def draw_receivables(balances: Mapping[str, Mapping[str, Decimal]]) -> str:
    """The picture of the open balances, by currency and age; currencies are never set against each other."""
    parts, top = [], MARGIN
    for currency, by_age in balances.items():
        parts += _draw_currency(currency, by_age, top)
        top += HEADING_HEIGHT + ROW_HEIGHT * len(AGES)
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{top + MARGIN}" '
            f'viewBox="0 0 {WIDTH} {top + MARGIN}" font-family="Helvetica, Arial, sans-serif" font-size="13" '
            f'fill="{TEXT}">',
            "<title>Receivables by days overdue</title>",
            *parts,
            "</svg>",
        ]
    )


def _draw_currency(currency: str, by_age: Mapping[str, Decimal], top: int) -> list[str]:
    largest = max((abs(balance) for balance in by_age.values()), default=Decimal())
    parts = [
        f'<text x="{MARGIN}" y="{top + 16}" font-weight="bold">{escape(currency)}</text>',
        f'<text x="{FIGURES_AT}" y="{top + 16}" text-anchor="end" font-weight="bold">'
        f"{write_amount(sum(by_age.values(), Decimal()))}</text>",
    ]
    for number, (age, tone) in enumerate(zip(AGES, TONES, strict=True)):
        balance = by_age.get(age, Decimal())
        parts += _draw_bar(
            age,
            balance,
            tone,
            share=balance / largest if largest else Decimal(),
            top=top + HEADING_HEIGHT - 12 + ROW_HEIGHT * number,
        )
    return parts


def _draw_bar(age: str, balance: Decimal, tone: str, *, share: Decimal, top: int) -> Sequence[str]:
    width = round(float(max(share, Decimal())) * (BARS_TO - BARS_FROM), 1)
    return (
        f'<text x="{MARGIN}" y="{top + 13}">{age}</text>',
        f'<rect x="{BARS_FROM}" y="{top}" width="{width}" height="{BAR_HEIGHT}" rx="2" fill="{tone}"/>',
        f'<text x="{FIGURES_AT}" y="{top + 13}" text-anchor="end">{write_amount(balance)}</text>',
    )


def write_amount(amount: Decimal) -> str:
    """The amount with all digits that say something, two at least: 1,234.50."""
    places = max(2, -int(amount.normalize().as_tuple().exponent)) if amount else 2
    return f"{amount:,.{places}f}"
