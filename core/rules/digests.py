"""When digests are due, and of which days they tell."""

from calendar import monthrange
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Literal
from uuid import UUID

from dateutil.relativedelta import relativedelta

from core.rules.periods import Period, first_instant

Frequency = Literal["daily", "weekly", "monthly"]

MAX_CATCH_UP = 3
"""Digests that are made up for after days off, the newest: nobody reads a month of daily ones at once."""

JITTER_S = 300
"""Digests of one hour are spread over so long: a thousand people have theirs on Mondays at eight."""

_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class DigestPlan:
    """When digests are due on the user's clock: weekly ones on the weekday (ISO's, 1: Monday), monthly ones
    on the day of the month, or its last.
    """

    frequency: Frequency
    hour: int
    weekday: int
    day: int

    def is_due_on(self, day: date) -> bool:
        match self.frequency:
            case "daily":
                return True
            case "weekly":
                return day.isoweekday() == self.weekday
            case "monthly":
                return day.day == min(self.day, monthrange(day.year, day.month)[1])


def due_instant(plan: DigestPlan, day: date, timezone: str, *, user_id: UUID) -> datetime:
    """When the digest of that day goes out: at the hour in the user's time zone, and a little later."""
    local = datetime.combine(day, time(plan.hour))
    return first_instant(local, timezone) + timedelta(seconds=user_id.int % JITTER_S)


def due_days(plan: DigestPlan, first: date) -> Iterator[date]:
    """Every day from this one on on which a digest is due."""
    day = first
    while True:
        if plan.is_due_on(day):
            yield day
        day += _DAY


def next_due_day(plan: DigestPlan, after: datetime, timezone: str, *, user_id: UUID, today: date) -> date:
    """The first day whose digest goes out after the instant; `today` is the user's day then."""
    # The zone may have left out the day before, whose digest is due at the end of the gap.
    days = due_days(plan, today - 2 * _DAY)
    return next(day for day in days if due_instant(plan, day, timezone, user_id=user_id) > after)


def told_period(plan: DigestPlan, day: date) -> Period:
    """The days of which the digest of a day tells: those since the one before it, or the last seven."""
    match plan.frequency:
        case "daily":
            return Period(day - _DAY, day)
        case "weekly":
            return Period(day - 7 * _DAY, day)
        case "monthly":
            last = day.replace(day=min(plan.day, monthrange(day.year, day.month)[1]))
            if last >= day:
                before = day.replace(day=1) - _DAY
                last = before.replace(day=min(plan.day, before.day))
            return Period(last, day)


def period_before(frequency: Frequency, period: Period) -> Period:
    """What a digest compares its days with: the day, the seven days or the month before them."""
    match frequency:
        case "daily" | "weekly":
            return Period(period.start - period.days * _DAY, period.start)
        case "monthly":
            return Period(period.start - relativedelta(months=1), period.start)


def period_ahead(frequency: Frequency, period: Period) -> Period:
    """The days whose recurring expenses a digest announces: until the next one, a week at least."""
    days = {"daily": 7, "weekly": 7, "monthly": 31}[frequency]
    return Period(period.end, period.end + days * _DAY)
