"""The periods over which budgets count, as ranges of local dates, and the instants at which days begin."""

from calendar import monthrange
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Literal, get_args
from zoneinfo import ZoneInfo

PeriodKind = Literal["daily", "weekly", "monthly", "quarterly", "yearly", "once"]
PERIOD_KINDS: tuple[PeriodKind, ...] = get_args(PeriodKind)

MAX_EVERY = 366
"""A year of days: nobody means a longer cycle, and a bound keeps every period within the calendar."""

MIN_DAY = date(1900, 1, 1)
MAX_DAY = date(2200, 12, 31)
"""Supported days, both inclusive, for expenses, anchors and ends.

What lies outside is a slip of the keyboard (0026 for 2026). The range also stays further than MAX_EVERY
years from both ends of Python's calendar (the years 1 and 9999), so no period can overflow it.
"""

_DAY = timedelta(days=1)
_DAYS: dict[PeriodKind, int] = {"daily": 1, "weekly": 7}
_MONTHS: dict[PeriodKind, int] = {"monthly": 1, "quarterly": 3, "yearly": 12}


class PeriodError(ValueError):
    """A rule that makes no sense: `field` is the wrong attribute, `detail` says why to the user."""

    def __init__(self, field: str, detail: str) -> None:
        super().__init__(f"{field}: {detail}")
        self.field = field
        self.detail = detail


@dataclass(frozen=True, slots=True)
class PeriodRule:
    """How a budget's time is cut up. A period starts at the anchor and each `every` units from there.

    The anchor is only the phase: the grid goes on to both sides of it. `ends_on` is the inclusive last
    day, where the last period is cut short. For "once" the only period is anchor to `ends_on`.

    Raises:
        PeriodError: `every` is not within 1 to MAX_EVERY, a date is not supported, or "once" lacks its end,
            ends before it starts or repeats.
    """

    kind: PeriodKind
    every: int
    anchor: date
    ends_on: date | None = None

    def __post_init__(self) -> None:
        if self.kind not in PERIOD_KINDS:
            raise PeriodError("kind", f"must be one of {', '.join(PERIOD_KINDS)}")
        if not 1 <= self.every <= MAX_EVERY:
            raise PeriodError("every", f"must be between 1 and {MAX_EVERY}")
        if not is_supported(self.anchor):
            raise PeriodError("anchor", f"must be between {MIN_DAY} and {MAX_DAY}")
        if self.ends_on is not None and not is_supported(self.ends_on):
            raise PeriodError("ends_on", f"must be between {MIN_DAY} and {MAX_DAY}")
        if self.kind == "once":
            self._check_once()

    def _check_once(self) -> None:
        if self.every != 1:
            raise PeriodError("every", "must be 1, as this period does not repeat")
        if self.ends_on is None:
            raise PeriodError("ends_on", "is needed, as this period does not repeat")
        if self.ends_on < self.anchor:
            raise PeriodError("ends_on", "must not be before the anchor")


@dataclass(frozen=True, slots=True)
class Period:
    """The days from `start` up to but without `end`; at least one."""

    start: date
    end: date

    def __post_init__(self) -> None:
        if self.start >= self.end:
            raise ValueError(f"a period from {self.start} to {self.end} has no day")

    @property
    def days(self) -> int:
        return (self.end - self.start).days

    @property
    def last_day(self) -> date:
        return self.end - _DAY

    def __contains__(self, day: date) -> bool:
        return self.start <= day < self.end


def is_supported(day: date) -> bool:
    """Whether the day is within MIN_DAY and MAX_DAY."""
    return MIN_DAY <= day <= MAX_DAY


def period_of(rule: PeriodRule, day: date) -> Period | None:
    """The period that covers the day; None after `ends_on`, outside of "once" or of the supported days.

    A period that covers a supported day may itself reach beyond MIN_DAY or MAX_DAY.
    """
    if not is_supported(day) or (rule.ends_on is not None and day > rule.ends_on):
        return None
    if rule.kind == "once":
        return _once(rule, day)
    index = _index(rule, day)
    start, end = _start(rule, index), _start(rule, index + 1)
    if rule.ends_on is not None:
        end = min(end, rule.ends_on + _DAY)
    return Period(start, end)


def next_period(rule: PeriodRule, period: Period) -> Period | None:
    """The period that begins where this one ends, or None if there is none."""
    return period_of(rule, period.end)


def previous_period(rule: PeriodRule, period: Period) -> Period | None:
    """The period that ends where this one begins, or None if there is none."""
    return period_of(rule, period.start - _DAY)


def periods_between(rule: PeriodRule, first_day: date, last_day: date) -> Iterator[Period]:
    """Every period with a day in [first_day, last_day], oldest first; both days are inclusive."""
    first_day = max(first_day, MIN_DAY)
    if rule.kind == "once":
        first_day = max(first_day, rule.anchor)
    if first_day > last_day:
        return
    period = period_of(rule, first_day)
    while period is not None and period.start <= last_day:
        yield period
        period = next_period(rule, period)


def default_anchor(kind: PeriodKind, today: date) -> date:
    """The anchor where a client gives none: the start of the calendar's week (ISO 8601: Monday), month,
    quarter or year, and today itself for "daily" and "once".
    """
    match kind:
        case "daily" | "once":
            return today
        case "weekly":
            return today - today.weekday() * _DAY
        case "monthly":
            return today.replace(day=1)
        case "quarterly":
            return date(today.year, (today.month - 1) // 3 * 3 + 1, 1)
        case "yearly":
            return date(today.year, 1, 1)


def start_instant(day: date, timezone: str) -> datetime:
    """The first instant, in UTC, at which the local date in an IANA time zone is `day` or later.

    Raises:
        zoneinfo.ZoneInfoNotFoundError: unknown time zone.
    """
    return first_instant(datetime.combine(day, time()), timezone)


def first_instant(local: datetime, timezone: str) -> datetime:
    """The first instant, in UTC, at which clocks in an IANA time zone show `local` or later.

    That is the earlier one where the clock is put back over it. Where the clock jumps over it, as over
    midnight in São Paulo until 2018, in Cairo and Beirut, it is the instant of the jump, and so it is on a
    day that a zone left out (2011-12-30 in Apia).

    Raises:
        zoneinfo.ZoneInfoNotFoundError: unknown time zone.
    """
    zone = ZoneInfo(timezone)
    shown = local.replace(tzinfo=zone)
    # fold=0 is the earlier of two; within a jump it reads with the offset before it (PEP 495), which gives an
    # instant at or after the jump, as fold=1 gives one before it.
    instant = shown.astimezone(UTC)
    if _clock(instant, zone) == local:
        return instant
    before = shown.replace(fold=1).astimezone(UTC)
    # Offsets, and with them jumps, are whole seconds in the IANA files.
    low, high = 0, int((instant - before).total_seconds())
    while high - low > 1:
        middle = (low + high) // 2
        if _clock(before + timedelta(seconds=middle), zone) >= local:
            high = middle
        else:
            low = middle
    return before + timedelta(seconds=high)


def _clock(instant: datetime, zone: ZoneInfo) -> datetime:
    """What a clock in the zone shows."""
    return instant.astimezone(zone).replace(tzinfo=None)


def _once(rule: PeriodRule, day: date) -> Period | None:
    if rule.ends_on is None or day < rule.anchor:
        return None
    return Period(rule.anchor, rule.ends_on + _DAY)


def _index(rule: PeriodRule, day: date) -> int:
    """Number n of the last grid date at or before the day; the anchor is number 0."""
    if rule.kind in _DAYS:
        return (day - rule.anchor).days // (_DAYS[rule.kind] * rule.every)
    months = (day.year - rule.anchor.year) * 12 + day.month - rule.anchor.month
    index = months // (_MONTHS[rule.kind] * rule.every)
    # The grid date of that month can still lie ahead of the day.
    return index if _start(rule, index) <= day else index - 1


def _start(rule: PeriodRule, index: int) -> date:
    """Grid date number `index`, always reckoned from the anchor, so that its day is never forgotten."""
    if rule.kind in _DAYS:
        return rule.anchor + index * rule.every * _DAYS[rule.kind] * _DAY
    months = rule.anchor.year * 12 + rule.anchor.month - 1 + index * rule.every * _MONTHS[rule.kind]
    year, month = divmod(months, 12)
    month += 1
    return date(year, month, min(rule.anchor.day, monthrange(year, month)[1]))
