"""What a budget allows in each period: its amount then, and what earlier periods rolled over."""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from itertools import accumulate
from operator import itemgetter

from core.rules.periods import Period, PeriodRule, periods_between
from core.rules.thresholds import RolloverMode, carry_over

Amounts = Sequence[tuple[date, int]]
"""`(effective_on, amount_minor)` in ascending order: the amount of the periods that start then or later."""


class RunningTotal:
    """Amounts by day, whose sum over any period takes two look-ups, however many days there are."""

    def __init__(self, by_day: Mapping[date, int]) -> None:
        self._days = sorted(by_day)
        self._totals = [0, *accumulate(by_day[day] for day in self._days)]

    def within(self, start: date, end: date) -> int:
        """The sum from `start` up to but without `end`."""
        return self._totals[bisect_left(self._days, end)] - self._totals[bisect_left(self._days, start)]


def amount_on(amounts: Amounts, start: date) -> int:
    """The amount of a period that starts on that day; the first one also holds for what was before it."""
    return amounts[max(bisect_right(amounts, start, key=itemgetter(0)) - 1, 0)][1]


def carried_amounts(
    last: Period,
    *,
    rule: PeriodRule,
    amounts: Amounts,
    rollover: RolloverMode,
    starts_on: date,
    spent: Callable[[Period], int],
) -> dict[date, int]:
    """What rolls over into each period, by its start, in minor units; a period that is missing gets nothing.

    The chain begins with the period that holds `starts_on`. It is walked once, up to `last`: a daily budget
    has a thousand periods after three years.
    """
    carried: dict[date, int] = {}
    if rollover == "none":
        return carried
    amount = 0
    for period in periods_between(rule, starts_on, last.start):
        carried[period.start] = amount
        amount = carry_over(rollover, amount_on(amounts, period.start) + amount, spent(period))
    return carried


def first_counted_day(period: Period, *, rule: PeriodRule, rollover: RolloverMode, starts_on: date) -> date:
    """The earliest day whose spending bears on the period's figures."""
    if rollover == "none":
        return period.start
    first = next(periods_between(rule, starts_on, period.start), period)
    return min(first.start, period.start)
