"""What a budget allows in each period: its amount then, and what earlier periods rolled over."""

from collections.abc import Callable, Sequence
from datetime import date
from itertools import takewhile

from core.rules.periods import Period, PeriodRule, periods_between
from core.rules.thresholds import RolloverMode, carry_over

Amounts = Sequence[tuple[date, int]]
"""`(effective_on, amount_minor)` in ascending order: the amount of the periods that start then or later."""


def amount_on(amounts: Amounts, start: date) -> int:
    """The amount of a period that starts on that day; the first one also holds for what was before it."""
    effective = [amount for _, amount in takewhile(lambda entry: entry[0] <= start, amounts)]
    return effective[-1] if effective else amounts[0][1]


def limit_of(
    period: Period,
    *,
    rule: PeriodRule,
    amounts: Amounts,
    rollover: RolloverMode,
    starts_on: date,
    spent: Callable[[Period], int],
) -> int:
    """The period's limit in minor units: its amount plus what the periods since `starts_on` carry over."""
    carried = 0
    if rollover != "none":
        for earlier in periods_between(rule, starts_on, period.start):
            if earlier.start >= period.start:
                break
            limit = amount_on(amounts, earlier.start) + carried
            carried = carry_over(rollover, limit, spent(earlier))
    return amount_on(amounts, period.start) + carried


def first_counted_day(period: Period, *, rule: PeriodRule, rollover: RolloverMode, starts_on: date) -> date:
    """The earliest day whose spending bears on the period's figures."""
    if rollover == "none":
        return period.start
    first = next(periods_between(rule, starts_on, period.start), period)
    return min(first.start, period.start)
