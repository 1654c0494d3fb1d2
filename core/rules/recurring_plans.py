"""When there is something to do for a recurring expense: its next occurrence, and the next reminder."""

from collections.abc import Set
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from core.rules.periods import MAX_DAY, MIN_DAY, start_instant
from core.rules.recurrence import RecurrenceRule, occurrences_from

MAX_REMIND_DAYS = 60
"""Two months ahead is enough to give notice of a contract."""

NOTHING_TAKEN: Set[date] = frozenset()

_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a recurring expense has come.

    Occurrences up to `handled_through`, and those `taken` ahead of their day, are done with. Nobody is
    reminded of those up to `reminded_through` any more.
    """

    handled_through: date
    reminded_through: date
    taken: Set[date] = NOTHING_TAKEN


def newest_day(now: datetime, timezone: str) -> date:
    """The newest day that has begun in the time zone.

    That is today, or tomorrow where the clock has been put back over midnight: its first instant is over.
    """
    day = now.astimezone(ZoneInfo(timezone)).date()
    while start_instant(day + _DAY, timezone) <= now:
        day += _DAY
    return day


@dataclass(frozen=True, slots=True)
class Plan:
    """The next occurrence, and the instant of the next thing to do, which may be a reminder before it."""

    next_on: date | None
    next_at: datetime | None


def plan(rule: RecurrenceRule, progress: Progress, *, remind_days: int | None, timezone: str) -> Plan:
    """What comes next. An occurrence is due when its day begins in the time zone."""
    next_on = _first_open(rule, progress, progress.handled_through)
    if next_on is None:
        return Plan(None, None)
    first_day = next_on
    if remind_days is not None:
        open_from = max(progress.handled_through, progress.reminded_through)
        reminded = next_on if next_on > open_from else _first_open(rule, progress, open_from)
        if reminded is not None:
            first_day = min(next_on, max(reminded - remind_days * _DAY, MIN_DAY))
    return Plan(next_on, start_instant(first_day, timezone))


def due_days(rule: RecurrenceRule, progress: Progress, *, today: date) -> list[date]:
    """The occurrences that wait to be handled, in order."""
    found = occurrences_from(rule, progress.handled_through + _DAY, today)
    return [day for day in found if day not in progress.taken]


def days_to_remind_of(
    rule: RecurrenceRule, progress: Progress, *, remind_days: int | None, today: date
) -> list[date]:
    """The occurrences ahead that are to be reminded of today, in order."""
    if remind_days is None:
        return []
    first = max(progress.handled_through, progress.reminded_through, today) + _DAY
    last = min(today + remind_days * _DAY, MAX_DAY)
    return [day for day in occurrences_from(rule, first, last) if day not in progress.taken]


def _first_open(rule: RecurrenceRule, progress: Progress, after: date) -> date | None:
    found = occurrences_from(rule, after + _DAY)
    return next((day for day in found if day not in progress.taken), None)
