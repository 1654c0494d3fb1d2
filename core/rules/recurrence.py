"""The days on which something comes back: a subset of the rules of RFC 5545, with days that are clamped.

Monthly on the 31st falls on the last day of shorter months, and yearly on 29 February on the 28th of common
years, where the RFC would leave them out; whoever pays rent on the 31st pays it in February too. So do those
of a list: the 15th and the 31st.

All is reckoned from the period (day, week, month, year) that a day lies in, never from the start on: so the
next day costs the same after a hundred years, and a rule that never occurs is found out within the supported
days. `dateutil.rrule` would go on to the year 9999. The tests hold what the two have in common against it.
"""

from calendar import monthrange
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import islice
from typing import Literal, get_args

from core.rules.periods import MAX_DAY, MAX_EVERY, MIN_DAY, is_supported

Frequency = Literal["daily", "weekly", "monthly", "yearly"]
FREQUENCIES: tuple[Frequency, ...] = get_args(Frequency)

MAX_COUNT = 10_000
"""Occurrences of a rule that counts them: a day's for 27 years. They are counted when the rule is set up."""

SHORTEST_MONTH = 28
"""Days that every month has: later ones are clamped."""

MONTHS = range(1, 13)

_DAY = timedelta(days=1)
_WEEK = timedelta(days=7)

NthWeekday = tuple[int, int]
"""Monday is 0; and which of its kind in the month or year: 2 the second, -1 the last, 0 each."""


class RecurrenceError(ValueError):
    """A rule that makes no sense: `field` is what is wrong, `detail` says why to the user."""

    def __init__(self, field: str, detail: str) -> None:
        super().__init__(f"{field}: {detail}")
        self.field = field
        self.detail = detail


@dataclass(frozen=True, slots=True, kw_only=True)
class Pattern:
    """What the text of a rule says, but for its end. `week_start` and weekdays count from Monday, 0."""

    frequency: Frequency
    interval: int = 1
    by_day: tuple[NthWeekday, ...] = ()
    by_month_day: tuple[int, ...] = ()
    by_month: tuple[int, ...] = ()
    by_set_pos: tuple[int, ...] = ()
    week_start: int = 0

    @property
    def is_plain(self) -> bool:
        """Whether there is no more to it than "every so many days, weeks, months or years"."""
        return not (self.by_day or self.by_month_day or self.by_month or self.by_set_pos)


@dataclass(frozen=True, slots=True, kw_only=True)
class RecurrenceRule:
    """A pattern from a day on, which gives its phase. `last_on` is the last day that it may fall on.

    Raises:
        RecurrenceError: a day is not supported.
    """

    pattern: Pattern
    starts_on: date
    last_on: date | None = None

    def __post_init__(self) -> None:
        for name, day in (("starts_on", self.starts_on), ("ends_on", self.last_on)):
            if day is not None and not is_supported(day):
                raise RecurrenceError(name, f"must be between {MIN_DAY} and {MAX_DAY}")
        if not 1 <= self.pattern.interval <= MAX_EVERY:
            raise RecurrenceError("every", f"must be between 1 and {MAX_EVERY}")


def occurrences_from(rule: RecurrenceRule, first: date, last: date = MAX_DAY) -> Iterator[date]:
    """The days in [first, last], in order; who gives the last one has it not looked for beyond."""
    first = max(first, rule.starts_on)
    last = last if rule.last_on is None else min(last, rule.last_on)
    for start in _period_starts(rule, first):
        if start > last:
            return
        for day in _days_of_period(rule, start):
            if day > last:
                return
            if day >= first:
                yield day


def next_occurrence(rule: RecurrenceRule, *, after: date) -> date | None:
    """The first day behind `after`; None if there is none."""
    return next(occurrences_from(rule, after + _DAY), None) if after < MAX_DAY else None


def occurrences_between(rule: RecurrenceRule, first: date, last: date) -> list[date]:
    """The days in [first, last], in order."""
    return list(occurrences_from(rule, first, last))


def day_of_count(rule: RecurrenceRule, count: int) -> date | None:
    """The day of so many occurrences from the start on; None if there are not as many.

    Raises:
        RecurrenceError: they are not within 1 to MAX_COUNT.
    """
    if not 1 <= count <= MAX_COUNT:
        raise RecurrenceError("count", f"must be between 1 and {MAX_COUNT:,}")
    return next(islice(occurrences_from(rule, rule.starts_on), count - 1, None), None)


def later_start(rule: RecurrenceRule, first: date) -> date | None:
    """A start, as late as may be, from which the rule would have the same days from `first` on.

    That is the first of these days, unless it was clamped: who starts on the 28th never comes to a 31st. None
    if there is no such day.
    """
    following = next(occurrences_from(rule, first), None)
    if following is None or following.day == rule.starts_on.day or not _has_day_of_start(rule.pattern):
        return following
    earlier = occurrences_from(rule, rule.starts_on, following)
    return max((day for day in earlier if day.day == rule.starts_on.day), default=rule.starts_on)


def _has_day_of_start(pattern: Pattern) -> bool:
    """Whether its days have the number in the month that the start has."""
    return pattern.frequency in ("monthly", "yearly") and not (pattern.by_day or pattern.by_month_day)


def _period_starts(rule: RecurrenceRule, first: date) -> Iterator[date]:
    """First days of the periods in question, from that which `first` lies in or a later one."""
    start, interval = rule.starts_on, rule.pattern.interval
    match rule.pattern.frequency:
        case "daily":
            step = interval * _DAY
            return _dates(start + -(-(first - start).days // interval) * step, step)
        case "weekly":
            week = _start_of_week(start, rule.pattern.week_start)
            step = interval * _WEEK
            return _dates(week + (first - week) // step * step, step)
        case "monthly":
            month, wanted = _month_number(start), _month_number(first)
            return _month_starts(month + (wanted - month) // interval * interval, interval)
        case "yearly":
            year = start.year + (first.year - start.year) // interval * interval
            return _month_starts(year * 12, interval * 12)


def _dates(day: date, step: timedelta) -> Iterator[date]:
    while day <= MAX_DAY:
        yield day
        day += step


def _month_starts(number: int, step: int) -> Iterator[date]:
    for month in range(number, _month_number(MAX_DAY) + 1, step):
        yield date(month // 12, month % 12 + 1, 1)


def _month_number(day: date) -> int:
    return day.year * 12 + day.month - 1


def _start_of_week(day: date, week_start: int) -> date:
    return day - (day.weekday() - week_start) % 7 * _DAY


def _days_of_period(rule: RecurrenceRule, start: date) -> Sequence[date]:
    """The days within the period that begins then, in order; those before `starts_on` count for BYSETPOS."""
    pattern = rule.pattern
    match pattern.frequency:
        case "daily":
            return [start] if _is_day(pattern, start) else []
        case "weekly":
            days: Sequence[date] = _days_of_week(rule, start)
        case "monthly":
            days = _days_of_month(rule, start.year, start.month)
        case "yearly":
            days = _days_of_year(rule, start.year)
    if not pattern.by_set_pos:
        return days
    places = {place - 1 if place > 0 else len(days) + place for place in pattern.by_set_pos}
    return [days[place] for place in sorted(places) if 0 <= place < len(days)]


def _is_day(pattern: Pattern, day: date) -> bool:
    """Whether the day is none that a daily rule leaves out."""
    if pattern.by_month and day.month not in pattern.by_month:
        return False
    if pattern.by_month_day:
        last = monthrange(day.year, day.month)[1]
        if not {day.day, day.day - last - 1} & set(pattern.by_month_day):
            return False
    if pattern.by_day and (day.weekday(), 0) not in pattern.by_day:
        return False
    # The only day of its period is the first and the last.
    return not pattern.by_set_pos or bool({1, -1} & set(pattern.by_set_pos))


def _days_of_week(rule: RecurrenceRule, start: date) -> list[date]:
    months = rule.pattern.by_month
    weekdays = {weekday for weekday, _ in rule.pattern.by_day} or {rule.starts_on.weekday()}
    days = sorted(start + (weekday - start.weekday()) % 7 * _DAY for weekday in weekdays)
    return [day for day in days if not months or day.month in months]


def _days_of_month(rule: RecurrenceRule, year: int, month: int) -> list[date]:
    pattern = rule.pattern
    if pattern.by_month and month not in pattern.by_month:
        return []
    last = monthrange(year, month)[1]
    if not pattern.by_day:
        return _monthly_days(pattern.by_month_day or (rule.starts_on.day,), year, month, last)
    days = _weekdays(date(year, month, 1), date(year, month, last), pattern.by_day)
    if pattern.by_month_day:
        wanted = set(pattern.by_month_day)
        days = [day for day in days if {day.day, day.day - last - 1} & wanted]
    return days


def _monthly_days(numbers: Sequence[int], year: int, month: int, last: int) -> list[date]:
    """Days by their numbers, clamped to the month, each once; negative ones count from its end."""
    found = {min(number, last) if number > 0 else last + 1 + number for number in numbers}
    return [date(year, month, number) for number in sorted(found) if number >= 1]


def _days_of_year(rule: RecurrenceRule, year: int) -> list[date]:
    pattern = rule.pattern
    if pattern.by_month:
        return [day for month in sorted(pattern.by_month) for day in _days_of_month(rule, year, month)]
    if not pattern.by_day:
        months = MONTHS if pattern.by_month_day else (rule.starts_on.month,)
        return [day for month in months for day in _days_of_month(rule, year, month)]
    days = _weekdays(date(year, 1, 1), date(year, 12, 31), pattern.by_day)
    if pattern.by_month_day:
        wanted = set(pattern.by_month_day)
        days = [day for day in days if {day.day, day.day - monthrange(year, day.month)[1] - 1} & wanted]
    return days


def _weekdays(first: date, last: date, wanted: Sequence[NthWeekday]) -> list[date]:
    """The weekdays in [first, last], or the second, or the last one there."""
    found = set[date]()
    for weekday, nth in wanted:
        begin = first + (weekday - first.weekday()) % 7 * _DAY
        count = (last - begin).days // 7 + 1
        places = range(count) if nth == 0 else [nth - 1 if nth > 0 else count + nth]
        found.update(begin + place * _WEEK for place in places if 0 <= place < count)
    return sorted(found)
