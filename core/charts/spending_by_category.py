"""Where the money went: a bar for each category, the largest first, with its amount and its percentage."""

from collections.abc import Sequence
from dataclasses import dataclass

from core.charts.dates import range_text
from core.charts.labels import clean, fit, width_of
from core.charts.money_text import money_text
from core.charts.picture import (
    MARGIN,
    SMALL_SIZE,
    TEXT_SIZE,
    Layer,
    Sheet,
    Spec,
    amount_scale,
    empty_picture,
    picture,
    row_scale,
    rules,
    signed_bars,
    texts,
)
from core.charts.theme import LIGHT, Theme
from core.rules.money import divide_half_up
from core.rules.periods import Period

TOP = 10
"""Categories with a bar of their own; what is more goes into one for the others, which nobody compares."""

NAME_WIDTH = 156
ROW_HEIGHT, BAR_HEIGHT = 30, 18
PERCENT_WIDTH = 46
GAP = 8


@dataclass(frozen=True, slots=True)
class CategoryAmount:
    """Below zero where refunds prevail."""

    name: str
    amount_minor: int


@dataclass(frozen=True, slots=True)
class _Bar:
    name: str
    amount_minor: int
    color: str


def spending_by_category(
    amounts: Sequence[CategoryAmount],
    *,
    currency: str,
    period: Period,
    theme: Theme = LIGHT,
    top: int = TOP,
    note: str = "",
) -> Spec:
    """The specification of the chart.

    Args:
        amounts: in any order, in minor units of the currency; those of zero are left out.
        top: how many categories get a bar of their own (at least one).
        note: a line below the chart, such as what could not be converted.

    Raises:
        AmountError: unknown currency.
    """
    total = sum(one.amount_minor for one in amounts)
    drawn = _bars(amounts, theme, max(top, 1))
    subtitle = range_text(period)
    if not drawn:
        return empty_picture(Sheet(theme, "Spending by category", subtitle, note), "No spending in this time")
    has_percent = total > 0 and all(one.amount_minor > 0 for one in amounts if one.amount_minor)
    sheet = Sheet(
        theme,
        "Spending by category",
        f"{subtitle} · {money_text(total, currency)} in total",
        note,
        left=MARGIN + NAME_WIDTH + GAP,
        right=MARGIN + (PERCENT_WIDTH if has_percent else 0),
    )
    layers = _layers(drawn, currency, sheet)
    if has_percent:
        layers.append(_percentages(drawn, total, sheet))
    said = "; ".join(f"{clean(bar.name)} {money_text(bar.amount_minor, currency)}" for bar in drawn)
    return picture(
        sheet,
        height=len(drawn) * ROW_HEIGHT,
        layers=layers,
        description=f"{sheet.title}, {sheet.subtitle}: {said}.",
    )


def _bars(amounts: Sequence[CategoryAmount], theme: Theme, top: int) -> list[_Bar]:
    """The largest of either sign in order, then one for all others."""
    by_weight = sorted(
        (one for one in amounts if one.amount_minor), key=lambda one: (-abs(one.amount_minor), one.name)
    )
    # One that would stand alone for "the others" can as well have its own name.
    top = top if len(by_weight) > top + 1 else top + 1
    drawn = [
        _Bar(one.name, one.amount_minor, theme.bar if one.amount_minor > 0 else theme.refund)
        for one in sorted(by_weight[:top], key=lambda one: (-one.amount_minor, one.name))
    ]
    others = by_weight[top:]
    if others:
        drawn.append(
            _Bar(f"Other ({len(others)})", sum(one.amount_minor for one in others), theme.other),
        )
    return drawn


def _layers(drawn: Sequence[_Bar], currency: str, sheet: Sheet) -> list[Layer]:
    theme = sheet.theme
    rows = row_scale(len(drawn))
    amounts = [bar.amount_minor for bar in drawn]
    words = [money_text(amount, currency) for amount in amounts]
    lowest, highest = min(0, *amounts), max(0, *amounts)
    # The scale ends so far beyond the longest bar that every amount has room at the end of its own.
    room = max(width_of(word, TEXT_SIZE) for word in words) + 2 * GAP
    reach = (highest - lowest) * sheet.width / (sheet.width - room)
    length = amount_scale("amount", lowest, lowest + reach)
    named = [{"row": row, "text": fit(bar.name, NAME_WIDTH, TEXT_SIZE)} for row, bar in enumerate(drawn)]
    lengths = [{"row": row, "amount": bar.amount_minor, "color": bar.color} for row, bar in enumerate(drawn)]
    labelled = [
        # Beside the zero line where the bar goes the other way: the room there is free.
        {"row": row, "amount": max(amount, 0), "text": word}
        for row, (amount, word) in enumerate(zip(amounts, words, strict=True))
    ]
    return [
        texts(named, x={"value": -GAP}, y=rows, color=theme.text, align="right", limit=NAME_WIDTH + GAP),
        *signed_bars(lengths, x=length, y=rows, is_upright=False, radius=3, height=BAR_HEIGHT),
        rules([{"amount": 0}], x=length, color=theme.muted, strokeOpacity=0.6),
        texts(labelled, x=length, y=rows, color=theme.text, align="left", dx=GAP),
    ]


def _percentages(drawn: Sequence[_Bar], total: int, sheet: Sheet) -> Layer:
    rows = [
        {"row": row, "text": f"{percent}%" if percent else "<1%"}
        for row, bar in enumerate(drawn)
        for percent in [divide_half_up(bar.amount_minor * 100, total)]
    ]
    return texts(
        rows,
        x={"value": sheet.width + PERCENT_WIDTH},
        y=row_scale(len(drawn)),
        color=sheet.theme.muted,
        size=SMALL_SIZE,
        align="right",
    )
