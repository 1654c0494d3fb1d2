"""How far each budget is used: a bar on a track that ends at the limit, those most used first."""

from collections.abc import Sequence
from dataclasses import dataclass

from core.charts.labels import clean, fit, width_of
from core.charts.money_text import money_text
from core.charts.picture import (
    MARGIN,
    SMALL_SIZE,
    TEXT_SIZE,
    WIDTH,
    Layer,
    Row,
    Sheet,
    Spec,
    amount_scale,
    bars,
    empty_picture,
    inline,
    picture,
    row_scale,
    texts,
)
from core.charts.theme import LIGHT, Theme
from core.rules.thresholds import BudgetStatus, percent_tenths

MAX_BUDGETS = 20
"""In one picture; of more those most used are drawn, and a line below says how many are not."""

FULL = 1000
"""Tenths of a per cent, as everywhere: the limit."""
MOST = 1500
"""A bar goes no further beyond its limit, or one budget gone wild would flatten all the others."""

ROW_HEIGHT, BAR_HEIGHT, LINE = 70, 12, 20
MARK = 8
"""The mark of the limit stands out by half of the rest on either side of the bar."""
GAP = 12


@dataclass(frozen=True, slots=True)
class BudgetFigures:
    """A budget in its period. The limit includes what rolled over, so it may be zero or negative."""

    name: str
    currency: str
    spent_minor: int
    limit_minor: int
    status: BudgetStatus

    @property
    def used(self) -> int | None:
        """Tenths of a per cent of the limit, if there is any."""
        return percent_tenths(self.spent_minor, self.limit_minor)


def budget_progress(
    budgets: Sequence[BudgetFigures], *, subtitle: str = "", theme: Theme = LIGHT, note: str = ""
) -> Spec:
    """The specification of the chart; each budget is shown in its own currency.

    Args:
        subtitle: the line below the title, such as the day that the figures are of.
        note: a line below the chart.

    Raises:
        AmountError: unknown currency.
    """
    if not budgets:
        return empty_picture(Sheet(theme, "Budgets", subtitle, note), "No budgets in this time")
    drawn = sorted(budgets, key=_urgency)[:MAX_BUDGETS]
    left_out = len(budgets) - len(drawn)
    if left_out:
        note = f"{left_out} more that are less used. {note}"
    over = sum(one.status == "exceeded" for one in budgets)
    state = f"{over} of {len(budgets)} over the limit" if over else f"{len(budgets)} within the limit"
    sheet = Sheet(
        theme, "Budgets", " · ".join(part for part in (subtitle, state) if part), note, bottom=MARGIN - 8
    )
    said = "; ".join(f"{clean(one.name)}: {_amounts(one)}, {_used(one)}, {_left(one)}" for one in drawn)
    return picture(
        sheet,
        height=len(drawn) * ROW_HEIGHT,
        layers=[*_bars(drawn, sheet), *_words(drawn, sheet)],
        description=f"{sheet.title}, {sheet.subtitle}: {said}.",
    )


def _urgency(budget: BudgetFigures) -> tuple[bool, int, str]:
    """Those without a positive limit first if they are overspent, the others as far as they are used."""
    used = budget.used
    if used is None:
        return budget.status != "exceeded", 0, budget.name
    return False, -used, budget.name


def _length(budget: BudgetFigures) -> int:
    used = budget.used
    if used is None:
        return FULL if budget.status == "exceeded" else 0
    return min(max(used, 0), MOST)


def _bars(drawn: Sequence[BudgetFigures], sheet: Sheet) -> list[Layer]:
    theme = sheet.theme
    colors: dict[BudgetStatus, str] = {"ok": theme.bar, "warning": theme.warning, "exceeded": theme.over}
    rows = row_scale(len(drawn))
    length = amount_scale("used", 0, max(FULL, *map(_length, drawn)))
    tracks = [{"row": row, "used": FULL, "color": theme.track} for row in range(len(drawn))]
    lengths = [
        {"row": row, "used": _length(one), "color": colors[one.status]}
        for row, one in enumerate(drawn)
        if _length(one)
    ]
    beyond = [
        {"row": row, "used": MOST, "text": "»"}
        for row, one in enumerate(drawn)
        if one.used is not None and one.used > MOST
    ]
    marks = [{"row": row, "used": FULL} for row in range(len(drawn))]
    return [
        bars(tracks, x=length, y=rows, height=BAR_HEIGHT, cornerRadius=3),
        bars(lengths, x=length, y=rows, height=BAR_HEIGHT, cornerRadius=3, minBandSize=1),
        {
            "data": inline(marks),
            "mark": {
                "type": "tick",
                "color": theme.text,
                "thickness": 2,
                "opacity": 1,
                "height": BAR_HEIGHT + MARK,
            },
            "encoding": {"x": length, "y": rows},
        },
        texts(beyond, x=length, y=rows, color=theme.background, align="right", dx=-4, fontWeight="bold"),
    ]


def _words(drawn: Sequence[BudgetFigures], sheet: Sheet) -> list[Layer]:
    """Name and amounts above the bar, what that means below it."""
    theme = sheet.theme
    rows = row_scale(len(drawn))
    left, right = {"value": 0}, {"value": sheet.width}
    named, spent, used = list[Row](), list[Row](), list[Row]()
    remaining, over = list[Row](), list[Row]()
    for row, one in enumerate(drawn):
        room = WIDTH - 2 * MARGIN - width_of(_amounts(one), TEXT_SIZE) - GAP
        named.append({"row": row, "text": fit(one.name, room, TEXT_SIZE + 1)})
        spent.append({"row": row, "text": _amounts(one)})
        used.append({"row": row, "text": _used(one)})
        (over if one.status == "exceeded" else remaining).append({"row": row, "text": _left(one)})
    above, below = {"dy": -LINE}, {"dy": LINE, "size": SMALL_SIZE}
    return [
        texts(named, x=left, y=rows, color=theme.text, align="left", fontWeight="bold", **above),
        texts(spent, x=right, y=rows, color=theme.text, align="right", **above),
        texts(used, x=left, y=rows, color=theme.muted, align="left", **below),
        texts(remaining, x=right, y=rows, color=theme.muted, align="right", **below),
        texts(over, x=right, y=rows, color=theme.over, align="right", fontWeight="bold", **below),
    ]


def _amounts(budget: BudgetFigures) -> str:
    spent = money_text(budget.spent_minor, budget.currency)
    return f"{spent} of {money_text(budget.limit_minor, budget.currency)}"


def _used(budget: BudgetFigures) -> str:
    used = budget.used
    if used is None:
        return "No limit left"
    if used < 0:
        return "Refunds prevail"
    return f"{used // 10:,}% used" + (" · warning" if budget.status == "warning" else "")


def _left(budget: BudgetFigures) -> str:
    left = budget.limit_minor - budget.spent_minor
    return f"{money_text(abs(left), budget.currency)} {'over' if left < 0 else 'left'}"
