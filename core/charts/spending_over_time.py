"""How spending went: a bar for each day, week or month, with its moving average."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal

from core.charts.dates import range_text, short_day, short_month
from core.charts.labels import width_of
from core.charts.money_text import money_text, nice_ticks, tick_texts
from core.charts.picture import (
    MARGIN,
    SMALL_SIZE,
    TITLE_Y,
    Layer,
    Sheet,
    Spec,
    amount_scale,
    empty_picture,
    inline,
    picture,
    rules,
    signed_bars,
    texts,
)
from core.charts.theme import LIGHT, Theme
from core.rules.money import divide_half_up
from core.rules.periods import Period

Interval = Literal["day", "week", "month"]

AVERAGED: dict[Interval, int] = {"day": 7, "week": 4, "month": 3}
"""Bars in the moving average: a week, so that its weekdays level out; a month; a quarter."""
AVERAGED_DAYS = 30
"""Over more than MANY_DAYS, where the average of a week would be as restless as the bars."""
MANY_DAYS = 92

MAX_BARS = 400
"""Each day of a year, at a pixel and a half. Of more the latest are drawn, and the chart says so."""

MAX_FITTING_DAYS = 62
"""Two months day by day, and so a little more than a year by weeks."""

HEIGHT = 240
STEPS = 5
DATES_HEIGHT, YEARS_HEIGHT = 16, 17
GAP = 8
INNER, OUTER = 0.3, 0.15
"""Free between two bars and at the edges, as a part of the step from one bar to the next."""
MANY_BARS = 100
"""More than these stand side by side without gaps and round corners, which would only flicker."""
MAX_BAR_WIDTH = 64
MIN_DATE_WIDTH = 56
"""Between the middles of two dates along the axis."""
LEGEND_LINE = 20


@dataclass(frozen=True, slots=True)
class IntervalAmount:
    """A day, a week or a month by its first day; below zero where refunds prevail."""

    start: date
    amount_minor: int


def spending_over_time(
    amounts: Sequence[IntervalAmount],
    *,
    currency: str,
    interval: Interval,
    period: Period,
    theme: Theme = LIGHT,
    note: str = "",
) -> Spec:
    """The specification of the chart.

    Args:
        amounts: in order of time, in minor units of the currency, also those without spending.
        period: the days that the amounts belong to.
        note: a line below the chart, such as what could not be converted.

    Raises:
        AmountError: unknown currency.
    """
    title = f"Spending by {interval}"
    subtitle = range_text(period)
    drawn = amounts[-MAX_BARS:]
    if not any(one.amount_minor for one in drawn):
        return empty_picture(Sheet(theme, title, subtitle, note), "No spending in this time")
    if len(drawn) < len(amounts):
        subtitle = f"The last {len(drawn)} {interval}s of {subtitle}"
    total = sum(one.amount_minor for one in drawn)
    told = f"{money_text(total, currency)} in total"
    if len(drawn) > 1:
        told += f", {money_text(divide_half_up(total, len(drawn)), currency)} a {interval} on average"
    values = [one.amount_minor for one in drawn]
    ticks = nice_ticks(min(0, *values), max(0, *values), steps=STEPS)
    words = tick_texts(ticks, currency)
    sheet = Sheet(
        theme,
        title,
        f"{subtitle} · {told}",
        note,
        left=MARGIN + max(width_of(word, SMALL_SIZE) for word in words) + GAP,
        bottom=MARGIN + DATES_HEIGHT + (YEARS_HEIGHT if _has_years(drawn) else 0),
    )
    height = amount_scale("amount", ticks[0], ticks[-1])
    layers = [
        *_axis(ticks, words, sheet, height),
        *_columns(drawn, sheet, height),
        *_peaks(drawn, currency, sheet, height),
        *_average(drawn, interval, sheet, height),
        *_dates(drawn, interval, sheet),
    ]
    most = max(drawn, key=lambda one: one.amount_minor)
    said = f"the most {money_text(most.amount_minor, currency)} in the {interval} of {most.start}"
    return picture(sheet, height=HEIGHT, layers=layers, description=f"{title}, {sheet.subtitle}; {said}.")


def moving_average(values: Sequence[int], over: int) -> list[float | None]:
    """The mean of each value and those before it, as soon as there are enough; for drawing only."""
    return [
        sum(values[end - over : end]) / over if end >= over else None for end in range(1, len(values) + 1)
    ]


def _step(count: int, width: int) -> float:
    """From the middle of a bar to the next."""
    return width / (count - INNER + 2 * OUTER)


def _time_scale(drawn: Sequence[IntervalAmount]) -> Spec:
    scale: dict[str, Any] = {
        "domain": [str(one.start) for one in drawn],
        "paddingInner": INNER if len(drawn) <= MANY_BARS else 0,
        "paddingOuter": OUTER,
    }
    return {"field": "start", "type": "ordinal", "axis": None, "scale": scale}


def _axis(ticks: Sequence[int], words: Sequence[str], sheet: Sheet, height: Spec) -> list[Layer]:
    rows = [{"amount": tick, "text": word} for tick, word in zip(ticks, words, strict=True)]
    return [
        rules([row for row in rows if row["amount"]], y=height, color=sheet.theme.grid),
        texts(rows, x={"value": -GAP}, y=height, color=sheet.theme.muted, size=SMALL_SIZE, align="right"),
    ]


def _columns(drawn: Sequence[IntervalAmount], sheet: Sheet, height: Spec) -> list[Layer]:
    theme = sheet.theme
    rows = [
        {
            "start": str(one.start),
            "amount": one.amount_minor,
            "color": theme.bar if one.amount_minor > 0 else theme.refund,
        }
        for one in drawn
        if one.amount_minor
    ]
    radius = 2 if len(drawn) <= MANY_BARS else 0
    is_slab = _step(len(drawn), sheet.width) * (1 - INNER) > MAX_BAR_WIDTH
    width = {"width": MAX_BAR_WIDTH} if is_slab else {}
    return signed_bars(rows, x=_time_scale(drawn), y=height, is_upright=True, radius=radius, **width)


def _peaks(drawn: Sequence[IntervalAmount], currency: str, sheet: Sheet, height: Spec) -> list[Layer]:
    """Every bar's amount above it where all have room, else none: the axis tells enough."""
    rows = [
        {
            "start": str(one.start),
            "amount": max(one.amount_minor, 0),
            "text": money_text(one.amount_minor, currency),
        }
        for one in drawn
        if one.amount_minor
    ]
    room = _step(len(drawn), sheet.width) - 4
    if any(width_of(str(row["text"]), SMALL_SIZE) > room for row in rows):
        return []
    x = _time_scale(drawn)
    return [texts(rows, x=x, y=height, color=sheet.theme.text, size=SMALL_SIZE, dy=-GAP, align="center")]


def _average(drawn: Sequence[IntervalAmount], interval: Interval, sheet: Sheet, height: Spec) -> list[Layer]:
    """The line and its legend at the top right; nothing where it would have less than three points."""
    over = AVERAGED_DAYS if interval == "day" and len(drawn) > MANY_DAYS else AVERAGED[interval]
    if len(drawn) < over + 2:
        return []
    averages = moving_average([one.amount_minor for one in drawn], over)
    rows = [
        {"start": str(one.start), "amount": average}
        for one, average in zip(drawn, averages, strict=True)
        if average is not None
    ]
    theme = sheet.theme
    words = f"{over}-{interval} average"
    y = {"value": TITLE_Y}
    end = sheet.width - width_of(words, SMALL_SIZE) - GAP
    sample: list[Spec] = [{}]
    return [
        # Below the line a wider one in the background's colour, which sets it off from the bars.
        _line(rows, drawn, height, color=theme.background, strokeWidth=5, strokeOpacity=0.7),
        _line(rows, drawn, height, color=theme.average, strokeWidth=2.5),
        rules(
            sample,
            x={"value": end - LEGEND_LINE},
            x2={"value": end},
            y=y,
            color=theme.average,
            strokeWidth=2.5,
        ),
        texts(
            [{"text": words}], x={"value": end + GAP}, y=y, color=theme.muted, size=SMALL_SIZE, align="left"
        ),
    ]


def _line(rows: Sequence[Spec], drawn: Sequence[IntervalAmount], height: Spec, **mark: Any) -> Layer:
    return {
        "data": inline(rows),
        "mark": {
            "type": "line",
            "interpolate": "monotone",
            "strokeCap": "round",
            "strokeJoin": "round",
            **mark,
        },
        "encoding": {"x": _time_scale(drawn), "y": height},
    }


def _dates(drawn: Sequence[IntervalAmount], interval: Interval, sheet: Sheet) -> list[Layer]:
    """Some of the bars' dates below them, and years below these where they change."""
    shown = _dated(drawn, interval, sheet.width)
    scale = _time_scale(drawn)
    below: dict[str, Any] = {"align": "center", "size": SMALL_SIZE, "color": sheet.theme.muted}
    years = [
        {"start": str(one.start), "text": str(one.start.year)}
        for before, one in zip([None, *shown[:-1]], shown, strict=True)
        if _has_years(drawn) and (before is None or before.start.year != one.start.year)
    ]
    named = short_month if interval == "month" else short_day
    days = [{"start": str(one.start), "text": named(one.start)} for one in shown]
    return [
        rules([{"amount": 0}], y={"datum": 0}, color=sheet.theme.muted, strokeOpacity=0.6),
        texts(days, x=scale, y={"value": HEIGHT + 16}, **below),
        texts(years, x=scale, y={"value": HEIGHT + 33}, **below),
    ]


def _has_years(drawn: Sequence[IntervalAmount]) -> bool:
    """Whether the dates need their years: the line below the title says the only one."""
    return drawn[0].start.year != drawn[-1].start.year


def _dated(drawn: Sequence[IntervalAmount], interval: Interval, width: int) -> list[IntervalAmount]:
    """Those whose dates are written: all, or as many as fit, in steps that a calendar has."""
    fitting = max(width // MIN_DATE_WIDTH, 2)
    if len(drawn) <= fitting:
        return list(drawn)
    if interval == "day" and len(drawn) > fitting * 7:
        firsts = [one for one in drawn if one.start.day == 1]
        return firsts[:: -(-len(firsts) // fitting)] or [drawn[0]]
    steps = {"day": (2, 7), "week": (2, 4, 13, 26), "month": (2, 3, 6, 12, 24, 48, 120)}[interval]
    step = next((one for one in steps if one * fitting >= len(drawn)), -(-len(drawn) // fitting))
    return list(drawn[::step])


def fitting_interval(period: Period) -> Interval:
    """The one by which the period becomes neither a few slabs nor a hedge of hairlines."""
    if period.days <= MAX_FITTING_DAYS:
        return "day"
    return "week" if period.days <= MAX_FITTING_DAYS * 7 else "month"
