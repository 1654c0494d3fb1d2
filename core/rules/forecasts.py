"""What a month will have cost at its end: what is spent, what is due, and everyday spending at its pace."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from math import isqrt

from core.rules.money import divide_half_up
from core.rules.periods import Period

HISTORY_DAYS = 84
"""Twelve weeks: enough of each weekday, and recent enough to be how somebody lives now."""

MIN_HISTORY_DAYS = 14
"""Two of each weekday; with less the month's own pace is all that there is."""

PRIOR_DAYS = 14
"""The month's own pace weighs as many days as have passed, the usual one this many."""

Z_TEN_THOUSANDTHS = 12_816
"""Of the normal distribution for 80 %: one month in ten may cost more than the interval, one in ten less."""

_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Forecast:
    """Minor units at the month's end. In four months of five it ends between `low_minor` and `high_minor`.

    `everyday_minor` is what is still expected beside `due_minor`; both are part of `expected_minor`.
    """

    spent_minor: int
    due_minor: int
    everyday_minor: int
    expected_minor: int
    low_minor: int
    high_minor: int


def forecast_month(
    month: Period, today: date, *, spent_minor: int, due_minor: int, everyday: Mapping[date, int]
) -> Forecast:
    """The forecast on a day of the month.

    `spent_minor` is all of the month's spending, also what is dated ahead; `everyday` is spending by day that
    does not recur, up to today: of the month, and of `HISTORY_DAYS` before it.
    """
    ahead = [today + _DAY * number for number in range(1, (month.end - today).days)]
    usual = _usual_days(month.start, everyday)
    if usual is None:
        days = (today - month.start).days + 1
        to_date = sum(minor for day, minor in everyday.items() if month.start <= day <= today)
        rest = divide_half_up(to_date * len(ahead), days)
        deviation = _deviation([everyday.get(month.start + _DAY * n, 0) for n in range(days)], len(ahead))
    else:
        means, by_weekday = usual
        pace = _pace(month.start, today, everyday, means)
        rest = divide_half_up(sum(means[day.weekday()] for day in ahead) * pace, 1000 * 1000)
        residuals = [
            minor * 1000 - means[weekday] for weekday, minors in by_weekday.items() for minor in minors
        ]
        deviation = divide_half_up(_deviation(residuals, len(ahead)) * pace, 1000 * 1000)
    rest = max(rest, 0)
    expected = spent_minor + due_minor + rest
    margin = divide_half_up(deviation * Z_TEN_THOUSANDTHS, 10_000)
    return Forecast(
        spent_minor=spent_minor,
        due_minor=due_minor,
        everyday_minor=rest,
        expected_minor=expected,
        # What is spent already is spent: only refunds could take it back.
        low_minor=max(expected - margin, min(spent_minor, expected)),
        high_minor=expected + margin,
    )


def _usual_days(
    month_start: date, everyday: Mapping[date, int]
) -> tuple[dict[int, int], dict[int, list[int]]] | None:
    """The mean of each weekday before the month, in thousandths, and the days behind it; None of too few."""
    first = min((day for day in everyday if day < month_start), default=month_start)
    first = max(first, month_start - _DAY * HISTORY_DAYS)
    days = [first + _DAY * number for number in range((month_start - first).days)]
    if len(days) < MIN_HISTORY_DAYS:
        return None
    by_weekday: dict[int, list[int]] = {weekday: [] for weekday in range(7)}
    for day in days:
        by_weekday[day.weekday()].append(everyday.get(day, 0))
    means = {weekday: divide_half_up(sum(of) * 1000, len(of)) for weekday, of in by_weekday.items()}
    return means, by_weekday


def _pace(start: date, today: date, everyday: Mapping[date, int], means: Mapping[int, int]) -> int:
    """This month against the usual, in thousandths; `PRIOR_DAYS` keep its first day from ruling all of it."""
    days = [start + _DAY * number for number in range((today - start).days + 1)]
    actual = sum(everyday.get(day, 0) for day in days) * 1000
    usual = sum(means[day.weekday()] for day in days)
    prior = PRIOR_DAYS * divide_half_up(sum(means.values()), 7)
    if usual + prior <= 0:
        return 1000
    return max(divide_half_up((actual + prior) * 1000, usual + prior), 0)


def _deviation(values: list[int], days: int) -> int:
    """The standard deviation of the sum of as many further days, with that of the mean that it is told by."""
    count = len(values)
    if count < 2:
        return 0
    squares = count * sum(value * value for value in values) - sum(values) ** 2
    variance = divide_half_up(squares, count * (count - 1))
    return isqrt(variance * days * (count + days) // count)
