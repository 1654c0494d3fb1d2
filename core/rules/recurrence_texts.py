"""Rules as texts, such as `FREQ=MONTHLY;BYDAY=-1FR`: the part of RFC 5545, section 3.3.10, that has days.

A text is kept in one form, without its end: `COUNT` and `UNTIL` are the same as `count` and `ends_on`. Of an
`UNTIL` with a time, which calendars write, the date counts as it stands there, as occurrences have no time.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Literal, TypeVar, get_args

from core.rules.periods import MAX_EVERY
from core.rules.recurrence import (
    FREQUENCIES,
    NthWeekday,
    Pattern,
    RecurrenceError,
    RecurrenceRule,
    day_of_count,
    occurrences_from,
)

Unit = Literal["day", "week", "month", "year"]
UNITS: tuple[Unit, ...] = get_args(Unit)

MAX_TEXT_CHARS = 500
"""All days of a month by number, and all weekdays, fit twice."""

WEEKDAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")

MAX_WEEKS_OF_MONTH = 5
MAX_WEEKS_OF_YEAR = 53
MAX_MONTH_DAY = 31
MAX_SET_POS = 366
"""As in the RFC."""

PREFIX = "RRULE:"
DAY = re.compile(r"([+-]?[0-9]{1,2})?(MO|TU|WE|TH|FR|SA|SU)")
NUMBER = re.compile(r"[+-]?[0-9]{1,3}")
UNTIL = re.compile(r"([0-9]{4})([0-9]{2})([0-9]{2})(?:T(?:[01][0-9]|2[0-3])[0-5][0-9](?:[0-5][0-9]|60)Z?)?")

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class RuleText:
    """What was read: the pattern, and the end if the text has one."""

    pattern: Pattern
    count: int | None = None
    until: date | None = None


def every_so_often(every: int, unit: Unit) -> Pattern:
    """The pattern of "every two weeks"."""
    return Pattern(frequency=FREQUENCIES[UNITS.index(unit)], interval=every)


def unit_of(pattern: Pattern) -> Unit | None:
    """What the pattern counts, if there is no more to it."""
    return UNITS[FREQUENCIES.index(pattern.frequency)] if pattern.is_plain else None


def read_rule(text: str) -> RuleText:
    """Read a rule.

    Raises:
        RecurrenceError: of the field `rrule`; it is none, or has parts that are not supported.
    """
    if len(text) > MAX_TEXT_CHARS:
        raise _wrong(f"may have {MAX_TEXT_CHARS} characters")
    parts = _parts(text)
    if "COUNT" in parts and "UNTIL" in parts:
        raise _wrong("COUNT and UNTIL exclude each other")
    frequency = parts.get("FREQ", "").lower()
    if frequency not in FREQUENCIES:
        raise _wrong("FREQ must be one of DAILY, WEEKLY, MONTHLY, YEARLY")
    pattern = Pattern(
        frequency=FREQUENCIES[FREQUENCIES.index(frequency)],
        interval=_positive(parts.get("INTERVAL", "1"), "INTERVAL", MAX_EVERY),
        by_day=_list(parts, "BYDAY", _weekday),
        by_month_day=_list(parts, "BYMONTHDAY", _number(-MAX_MONTH_DAY, MAX_MONTH_DAY)),
        by_month=_list(parts, "BYMONTH", _number(1, 12)),
        by_set_pos=_list(parts, "BYSETPOS", _number(-MAX_SET_POS, MAX_SET_POS)),
        week_start=_week_start(parts.get("WKST", "MO")),
    )
    _check(pattern)
    count = None if "COUNT" not in parts else _positive(parts["COUNT"], "COUNT", 999_999)
    return RuleText(pattern, count, None if "UNTIL" not in parts else _until(parts["UNTIL"]))


def format_rule(pattern: Pattern) -> str:
    """The text of a pattern, always the same for the same one; `read_rule` gives it back."""
    parts = [f"FREQ={pattern.frequency.upper()}"]
    if pattern.interval != 1:
        parts.append(f"INTERVAL={pattern.interval}")
    days = [f"{nth or ''}{WEEKDAYS[weekday]}" for weekday, nth in pattern.by_day]
    for name, values in (
        ("BYMONTH", pattern.by_month),
        ("BYMONTHDAY", pattern.by_month_day),
        ("BYDAY", days),
        ("BYSETPOS", pattern.by_set_pos),
    ):
        if values:
            parts.append(f"{name}={','.join(map(str, values))}")
    if pattern.week_start:
        parts.append(f"WKST={WEEKDAYS[pattern.week_start]}")
    return ";".join(parts)


def complete_rule(
    pattern: Pattern, *, starts_on: date, ends_on: date | None, count: int | None
) -> RecurrenceRule:
    """The rule from a day on until its end; with a count the last occurrence is its end.

    Raises:
        RecurrenceError: it would never occur, or both ends are given.
    """
    if ends_on is not None and count is not None:
        raise RecurrenceError("count", "and ends_on exclude each other")
    if ends_on is not None and ends_on < starts_on:
        raise RecurrenceError("ends_on", "must not be before starts_on")
    rule = RecurrenceRule(pattern=pattern, starts_on=starts_on, last_on=ends_on)
    if next(occurrences_from(rule, starts_on), None) is None:
        if ends_on is not None and occurs(pattern, starts_on):
            raise RecurrenceError("ends_on", "is before the first occurrence")
        raise RecurrenceError("rrule", "never occurs")
    if count is None:
        return rule
    return RecurrenceRule(pattern=pattern, starts_on=starts_on, last_on=day_of_count(rule, count))


def occurs(pattern: Pattern, starts_on: date) -> bool:
    rule = RecurrenceRule(pattern=pattern, starts_on=starts_on)
    return next(occurrences_from(rule, starts_on), None) is not None


def _wrong(detail: str) -> RecurrenceError:
    return RecurrenceError("rrule", detail)


KNOWN = (
    "FREQ", "INTERVAL", "COUNT", "UNTIL", "BYDAY", "BYMONTHDAY", "BYMONTH", "BYSETPOS", "WKST",
)  # fmt: skip


def _parts(text: str) -> dict[str, str]:
    parts: dict[str, str] = {}
    for part in text.upper().removeprefix(PREFIX).split(";"):
        name, separator, value = part.partition("=")
        if name not in KNOWN:
            raise _wrong(f"has something other than {', '.join(KNOWN)}")
        if not separator or not value:
            raise _wrong(f"{name} has no value")
        if name in parts:
            raise _wrong(f"{name} stands there twice")
        parts[name] = value
    return parts


def _list(parts: Mapping[str, str], name: str, read: Callable[[str, str], T]) -> tuple[T, ...]:
    """The values of a part, each once."""
    if name not in parts:
        return ()
    return tuple(dict.fromkeys(read(value, name) for value in parts[name].split(",")))


def _number(lowest: int, highest: int) -> Callable[[str, str], int]:
    def read(value: str, name: str) -> int:
        number = int(value) if NUMBER.fullmatch(value) else 0
        if number == 0 or not lowest <= number <= highest:
            but_zero = " but not 0" if lowest < 0 else ""
            raise _wrong(f"{name} takes numbers from {lowest} to {highest}{but_zero}")
        return number

    return read


def _positive(value: str, name: str, highest: int) -> int:
    if not re.fullmatch(r"[0-9]{1,6}", value) or not 1 <= int(value) <= highest:
        raise _wrong(f"{name} must be between 1 and {highest:,}")
    return int(value)


def _weekday(value: str, _name: str) -> NthWeekday:
    found = DAY.fullmatch(value)
    if found is None or found[1] in ("0", "00", "+0", "-0", "+00", "-00"):
        raise _wrong(f"BYDAY takes {', '.join(WEEKDAYS)}, also as 2FR or -1FR")
    return WEEKDAYS.index(found[2]), int(found[1] or 0)


def _week_start(value: str) -> int:
    if value not in WEEKDAYS:
        raise _wrong(f"WKST must be one of {', '.join(WEEKDAYS)}")
    return WEEKDAYS.index(value)


def _until(value: str) -> date:
    found = UNTIL.fullmatch(value)
    try:
        if found is not None:
            return date(int(found[1]), int(found[2]), int(found[3]))
    except ValueError:
        pass  # no such day: the same as no date
    raise _wrong("UNTIL must be a date, such as 20261231, or one with a time, such as 20261231T235959Z")


def _check(pattern: Pattern) -> None:
    """What the RFC does not allow together."""
    frequency = pattern.frequency
    if frequency == "weekly" and pattern.by_month_day:
        raise _wrong("BYMONTHDAY does not go with FREQ=WEEKLY")
    if pattern.by_set_pos and not (pattern.by_day or pattern.by_month_day or pattern.by_month):
        raise _wrong("BYSETPOS chooses from the days of another BY…, and there is none")
    most = {"daily": 0, "weekly": 0, "monthly": MAX_WEEKS_OF_MONTH, "yearly": MAX_WEEKS_OF_YEAR}[frequency]
    if frequency == "yearly" and pattern.by_month:
        most = MAX_WEEKS_OF_MONTH
    if any(abs(nth) > most for _, nth in pattern.by_day):
        if most == 0:
            raise _wrong("BYDAY has numbers only with FREQ=MONTHLY and FREQ=YEARLY")
        raise _wrong(f"BYDAY counts weekdays up to {most} here")
