"""The months and years that reports are about, and the time before with which each is compared."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Literal, get_args

from dateutil.relativedelta import relativedelta

from core.rules.periods import MAX_DAY, MIN_DAY, Period

ReportKind = Literal["monthly", "yearly"]
REPORT_KINDS: tuple[ReportKind, ...] = get_args(ReportKind)

ComparisonName = Literal["period_before", "year_before"]

# No sign, and not \d, which also matches the digits of other scripts.
_PATTERNS: dict[ReportKind, re.Pattern[str]] = {
    "monthly": re.compile(r"([0-9]{4})-(0[1-9]|1[0-2])"),
    "yearly": re.compile(r"([0-9]{4})"),
}
_EXAMPLES: dict[ReportKind, str] = {"monthly": "2026-10", "yearly": "2026"}
_LENGTHS: dict[ReportKind, relativedelta] = {
    "monthly": relativedelta(months=1),
    "yearly": relativedelta(years=1),
}
_YEAR = relativedelta(years=1)


class ReportPeriodError(ValueError):
    """The text is no period of a report; the message is meant for the user."""


@dataclass(frozen=True, slots=True)
class Compared:
    """Days of an earlier time, and the last day of the report's own period that they stand beside."""

    name: ComparisonName
    first_day: date
    last_day: date
    own_last_day: date


def parse_report_period(kind: ReportKind, text: str) -> Period:
    """The month of a text such as "2026-10", or the year of one such as "2026".

    Raises:
        ReportPeriodError: no such text, or not within the supported days.
    """
    match = _PATTERNS[kind].fullmatch(text)
    if match is None:
        raise ReportPeriodError(f'must be written as "{_EXAMPLES[kind]}"')
    year, month = int(match[1]), int(match[2]) if kind == "monthly" else 1
    if not MIN_DAY.year <= year <= MAX_DAY.year:
        raise ReportPeriodError(f"must be between {MIN_DAY.year} and {MAX_DAY.year}")
    return report_period(kind, date(year, month, 1))


def report_period(kind: ReportKind, start: date) -> Period:
    """The period of a report that begins on that day."""
    end: date = start + _LENGTHS[kind]
    return Period(start, end)


def report_period_text(kind: ReportKind, start: date) -> str:
    return start.isoformat()[:7] if kind == "monthly" else f"{start.year:04d}"


def compared_days(kind: ReportKind, period: Period, today: date) -> Iterator[Compared]:
    """What a report stands beside: the period before and, for a month, the same month a year before.

    A period that is still running is compared as far as it has come with the same days of then. What begins
    before the supported days is left out.
    """
    steps: dict[ComparisonName, relativedelta] = {"period_before": _LENGTHS[kind]}
    if kind == "monthly":
        steps["year_before"] = _YEAR
    is_running = today in period
    own_last_day = today if is_running else period.last_day
    for name, step in steps.items():
        earlier = report_period(kind, period.start - step)
        if earlier.start >= MIN_DAY:
            # A longer month's last days have none of their own in a shorter one.
            last: date = today - step if is_running else earlier.last_day
            yield Compared(name, earlier.start, last, own_last_day)
