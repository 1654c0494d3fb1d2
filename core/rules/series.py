"""Stretches of days: the weeks, months and years of a series, the time before a range, moving averages."""

from calendar import monthrange
from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from typing import Literal, get_args

from dateutil.relativedelta import relativedelta

from core.rules.money import divide_half_up
from core.rules.periods import MIN_DAY

Interval = Literal["day", "week", "month", "quarter", "year"]
INTERVALS: tuple[Interval, ...] = get_args(Interval)

_DAY = timedelta(days=1)
_MONTHS: dict[Interval, int] = {"month": 1, "quarter": 3, "year": 12}


def start_of(day: date, interval: Interval) -> date:
    """The first day of the interval that the day is in; weeks begin on Mondays."""
    match interval:
        case "day":
            return day
        case "week":
            return day - timedelta(days=day.weekday())
        case "month":
            return day.replace(day=1)
        case "quarter":
            return day.replace(month=(day.month - 1) // 3 * 3 + 1, day=1)
        case "year":
            return day.replace(month=1, day=1)


def shifted(start: date, interval: Interval, count: int) -> date:
    """The start of the interval that many later, or earlier when negative."""
    if interval in _MONTHS:
        moved: date = start + relativedelta(months=_MONTHS[interval] * count)
        return moved
    return start + timedelta(days=count * (7 if interval == "week" else 1))


def starts_between(first: date, last: date, interval: Interval) -> Iterator[date]:
    """The starts of all intervals with a day in [first, last]."""
    start = start_of(first, interval)
    while start <= last:
        yield start
        start = shifted(start, interval, 1)


def range_before(first: date, last: date) -> tuple[date, date] | None:
    """What a range of days is compared with; both ends are inclusive. None before the supported days.

    Whole months compare with as many months before, the beginning of a month with the same days of the month
    before, anything else with as many days just before.
    """
    if first < MIN_DAY:
        return None
    is_months_end = last.day == monthrange(last.year, last.month)[1]
    if first.day == 1 and is_months_end:
        months = (last.year - first.year) * 12 + last.month - first.month + 1
        # Three centuries are the most that lies before; the calendar must not run out.
        before = (first - relativedelta(months=min(months, 3_600)), first - _DAY)
    elif first.day == 1 and (first.year, first.month) == (last.year, last.month):
        before = (first - relativedelta(months=1), last - relativedelta(months=1))
    elif first - MIN_DAY <= last - first:
        return None
    else:
        before = (first - (last - first) - _DAY, first - _DAY)
    return before if before[0] >= MIN_DAY else None


def moving_averages(values: Sequence[int], window: int) -> list[int | None]:
    """For each value the mean of the window that ends with it, rounded; None until the window is full."""
    return [
        divide_half_up(sum(values[end - window : end]), window) if end >= window else None
        for end in range(1, len(values) + 1)
    ]


def share_tenths(part: int, whole: int) -> int | None:
    """The part in tenths of a per cent of the whole, rounded; None of a whole that is not positive."""
    return divide_half_up(part * 1000, whole) if whole > 0 else None
