"""Who of a group gets money back and who owes it: bars to either side of zero."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from core.charts.labels import clean, fit, width_of
from core.charts.money_text import money_text
from core.charts.picture import (
    MARGIN,
    SMALL_SIZE,
    TEXT_SIZE,
    Layer,
    Row,
    Sheet,
    Spec,
    amount_scale,
    empty_picture,
    inline,
    picture,
    row_scale,
    rules,
    signed_bars,
    texts,
)
from core.charts.theme import LIGHT, Theme

MAX_MEMBERS = 30
"""With a bar of their own; a larger group's smaller balances are drawn as two sums."""

NAME_WIDTH = 140
ROW_HEIGHT, BAR_HEIGHT, HEADING = 32, 18, 24
GAP = 8
DOT_SIZE = 36
SETTLED = "settled"


@dataclass(frozen=True, slots=True)
class MemberBalance:
    """Above zero for who gets money back, below zero for who owes it."""

    name: str
    balance_minor: int


def group_balances(
    balances: Sequence[MemberBalance], *, currency: str, group_name: str, theme: Theme = LIGHT, note: str = ""
) -> Spec:
    """The specification of the chart, for one currency of the group.

    Args:
        balances: in any order, in minor units of the currency.
        note: a line below the chart.

    Raises:
        AmountError: unknown currency.
    """
    title = f"Balances in {clean(group_name)}"
    if not balances:
        return empty_picture(Sheet(theme, title, currency, note), "Nobody is in this group")
    if not any(one.balance_minor for one in balances):
        return empty_picture(Sheet(theme, title, currency, note), "Everybody is settled up")
    drawn = _drawn(balances)
    moved = sum(max(one.balance_minor, 0) for one in balances)
    subtitle = f"{money_text(moved, currency)} to settle"
    sheet = Sheet(theme, title, subtitle, note, left=MARGIN + NAME_WIDTH + GAP)
    said = "; ".join(f"{clean(one.name)} {_meaning(one, currency)}" for one in drawn)
    return picture(
        sheet,
        height=HEADING + len(drawn) * ROW_HEIGHT,
        layers=_layers(drawn, currency, sheet),
        description=f"{title}, {subtitle}: {said}.",
    )


def _drawn(balances: Sequence[MemberBalance]) -> list[MemberBalance]:
    """From who gets the most to who owes the most."""
    by_weight = sorted(balances, key=lambda one: (-abs(one.balance_minor), one.name))
    kept, others = by_weight, list[MemberBalance]()
    if len(by_weight) > MAX_MEMBERS:
        kept, others = by_weight[: MAX_MEMBERS - 2], by_weight[MAX_MEMBERS - 2 :]
    for part in (
        [one for one in others if one.balance_minor > 0],
        [one for one in others if one.balance_minor < 0],
    ):
        if part:
            kept.append(MemberBalance(f"{len(part)} others", sum(one.balance_minor for one in part)))
    return sorted(kept, key=lambda one: (-one.balance_minor, one.name))


def _layers(drawn: Sequence[MemberBalance], currency: str, sheet: Sheet) -> list[Layer]:
    theme = sheet.theme
    rows = row_scale(len(drawn))
    rows["scale"]["range"] = [HEADING, HEADING + len(drawn) * ROW_HEIGHT]
    lowest, highest = _reach(drawn, currency, sheet)
    length = amount_scale("amount", lowest, highest)
    named, lengths, dots = list[Row](), list[Row](), list[Row]()
    owed, owing = list[Row](), list[Row]()
    for row, one in enumerate(drawn):
        place: Row = {"row": row, "amount": one.balance_minor}
        named.append({"row": row, "text": fit(one.name, NAME_WIDTH, TEXT_SIZE)})
        if one.balance_minor:
            lengths.append({**place, "color": theme.bar if one.balance_minor > 0 else theme.owing})
        else:
            dots.append(place)
        (owing if one.balance_minor < 0 else owed).append({**place, "text": _amount(one, currency)})
    heading: dict[str, Any] = {"y": {"value": HEADING // 2 - 4}, "size": SMALL_SIZE, "color": theme.muted}
    zero = [{"amount": 0}]
    return [
        texts([{"amount": 0, "text": "owes"}], x=length, align="right", dx=-GAP, **heading),
        texts([{"amount": 0, "text": "gets back"}], x=length, align="left", dx=GAP, **heading),
        texts(
            named,
            x={"value": -NAME_WIDTH - GAP},
            y=rows,
            color=theme.text,
            align="left",
            limit=NAME_WIDTH + GAP,
        ),
        *signed_bars(lengths, x=length, y=rows, is_upright=False, radius=3, height=BAR_HEIGHT),
        rules(zero, x=length, color=theme.muted, strokeOpacity=0.6),
        {
            "data": inline(dots),
            "mark": {"type": "point", "filled": True, "size": DOT_SIZE, "color": theme.muted, "opacity": 1},
            "encoding": {"x": length, "y": rows},
        },
        texts(owed, x=length, y=rows, color=theme.text, align="left", dx=GAP),
        texts(owing, x=length, y=rows, color=theme.text, align="right", dx=-GAP),
    ]


def _reach(drawn: Sequence[MemberBalance], currency: str, sheet: Sheet) -> tuple[float, float]:
    """The amounts at the plot's two edges, so that the words beyond the bars have room on both sides."""
    lowest = min(0, *(one.balance_minor for one in drawn))
    highest = max(0, *(one.balance_minor for one in drawn))
    left = max(_room(one, currency) for one in drawn if one.balance_minor < 0) if lowest else _heading_room()
    right = max(_room(one, currency) for one in drawn if one.balance_minor >= 0) if highest else 0
    scale = (highest - lowest) / (sheet.width - left - right)
    return lowest - left * scale, highest + right * scale


def _room(one: MemberBalance, currency: str) -> int:
    return width_of(_amount(one, currency), TEXT_SIZE) + GAP + 2


def _heading_room() -> int:
    return width_of("owes", SMALL_SIZE) + GAP


def _amount(one: MemberBalance, currency: str) -> str:
    return money_text(one.balance_minor, currency, is_signed=True) if one.balance_minor else SETTLED


def _meaning(one: MemberBalance, currency: str) -> str:
    if not one.balance_minor:
        return f"is {SETTLED}"
    verb = "gets back" if one.balance_minor > 0 else "owes"
    return f"{verb} {money_text(abs(one.balance_minor), currency)}"
