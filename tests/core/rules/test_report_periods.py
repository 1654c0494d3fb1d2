"""Months and years of reports, and what each stands beside."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.rules.periods import MAX_DAY, MIN_DAY, Period
from core.rules.report_periods import (
    REPORT_KINDS,
    ReportKind,
    ReportPeriodError,
    compared_days,
    parse_report_period,
    report_period_text,
)

DAYS = st.dates(MIN_DAY, MAX_DAY)
KINDS = st.sampled_from(REPORT_KINDS)


def start_of_period(kind: ReportKind, day: date) -> date:
    return day.replace(day=1) if kind == "monthly" else day.replace(month=1, day=1)


@given(KINDS, DAYS)
def test_every_supported_day_is_in_the_period_that_its_text_names(kind: ReportKind, day: date) -> None:
    text = report_period_text(kind, start_of_period(kind, day))
    period = parse_report_period(kind, text)
    assert day in period
    assert report_period_text(kind, period.start) == text


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("monthly", "2026"),
        ("monthly", "2026-13"),
        ("monthly", "2026-00"),
        ("monthly", "2026-1"),
        ("monthly", "2026-10-01"),
        ("monthly", " 2026-10"),
        ("monthly", "2026-10\n"),
        ("monthly", "\u0662\u0660\u0662\u0666-\u0661\u0660"),
        ("monthly", "1899-12"),
        ("monthly", "2201-01"),
        ("yearly", "2026-10"),
        ("yearly", "26"),
        ("yearly", "1899"),
        ("yearly", "9999"),
        ("yearly", ""),
    ],
)
def test_what_is_no_period_is_refused(kind: ReportKind, text: str) -> None:
    with pytest.raises(ReportPeriodError):
        parse_report_period(kind, text)


def shown(kind: ReportKind, text: str, today: str) -> list[tuple[str, str, str, str]]:
    days = compared_days(kind, parse_report_period(kind, text), date.fromisoformat(today))
    return [(one.name, str(one.first_day), str(one.last_day), str(one.own_last_day)) for one in days]


def test_a_month_that_is_over_stands_beside_the_one_before_and_that_of_a_year_before() -> None:
    assert shown("monthly", "2026-03", "2026-05-01") == [
        ("period_before", "2026-02-01", "2026-02-28", "2026-03-31"),
        ("year_before", "2025-03-01", "2025-03-31", "2026-03-31"),
    ]


def test_a_month_that_is_running_is_compared_as_far_as_it_has_come() -> None:
    assert shown("monthly", "2026-03", "2026-03-30") == [
        ("period_before", "2026-02-01", "2026-02-28", "2026-03-30"),
        ("year_before", "2025-03-01", "2025-03-30", "2026-03-30"),
    ]


def test_a_year_stands_beside_the_one_before() -> None:
    assert shown("yearly", "2024", "2024-02-29") == [
        ("period_before", "2023-01-01", "2023-02-28", "2024-02-29")
    ]
    assert shown("yearly", "2024", "2026-01-01") == [
        ("period_before", "2023-01-01", "2023-12-31", "2024-12-31")
    ]


def test_nothing_is_compared_with_what_lies_before_the_supported_days() -> None:
    assert shown("yearly", "1900", "2026-01-01") == []
    assert [one[0] for one in shown("monthly", "1900-02", "2026-01-01")] == ["period_before"]


@given(KINDS, DAYS, st.integers(-40, 800))
def test_what_is_compared_is_as_long_as_the_calendar_lets_it(
    kind: ReportKind, day: date, until_today: int
) -> None:
    period = parse_report_period(kind, report_period_text(kind, start_of_period(kind, day)))
    today = period.start + timedelta(days=until_today)
    for one in compared_days(kind, period, today):
        then = Period(one.first_day, one.last_day + timedelta(days=1))
        own = Period(period.start, one.own_last_day + timedelta(days=1))
        assert then.end <= period.start
        assert abs(then.days - own.days) <= 3
        assert own.days == (period.days if today not in period else until_today + 1)
