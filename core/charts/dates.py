"""Days and ranges of days as they stand below a chart's title and along its axis, in English."""

from calendar import monthrange
from datetime import date, timedelta

from core.rules.periods import Period

# Not from strftime, which writes in whatever language the process was started with.
MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip


def range_text(period: Period) -> str:
    """The half-open range as its first and last day: "March 2026", "1\N{EN DASH}15 March 2026", "2026"."""
    first, last = period.start, max(period.start, period.end - timedelta(days=1))
    is_whole_months = first.day == 1 and last.day == monthrange(last.year, last.month)[1]
    if first == last:
        return _day(first)
    if is_whole_months and (first.year, first.month) == (last.year, last.month):
        return f"{_month(first)} {first.year}"
    if is_whole_months and (first.month, last.month) == (1, 12):
        return f"{first.year}" if first.year == last.year else f"{first.year}\N{EN DASH}{last.year}"
    if is_whole_months and first.year != last.year:
        return f"{_month(first)} {first.year} \N{EN DASH} {_month(last)} {last.year}"
    if first.year != last.year:
        return f"{_day(first)} \N{EN DASH} {_day(last)}"
    if is_whole_months:
        return f"{_month(first)}\N{EN DASH}{_month(last)} {last.year}"
    if first.month != last.month:
        return f"{first.day} {_month(first)} \N{EN DASH} {_day(last)}"
    return f"{first.day}\N{EN DASH}{_day(last)}"


def short_day(day: date) -> str:
    return f"{day.day} {_month(day)[:3]}"


def short_month(day: date) -> str:
    return _month(day)[:3]


def _day(day: date) -> str:
    return f"{day.day} {_month(day)} {day.year}"


def _month(day: date) -> str:
    return MONTHS[day.month - 1]
