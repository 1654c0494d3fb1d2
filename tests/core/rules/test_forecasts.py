"""The forecast of a month: exact where every week is alike, and honest about what it does not know."""

import random
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.rules.forecasts import HISTORY_DAYS, forecast_month
from core.rules.periods import Period

MARCH = Period(date(2026, 3, 1), date(2026, 4, 1))
HISTORY = [MARCH.start - timedelta(days=number) for number in range(1, HISTORY_DAYS + 1)]


def days_until(today: date) -> list[date]:
    return [MARCH.start + timedelta(days=number) for number in range((today - MARCH.start).days + 1)]


@given(
    weekly=st.lists(st.integers(0, 100_000), min_size=7, max_size=7),
    today=st.dates(MARCH.start, MARCH.last_day),
    due=st.integers(0, 10**6),
)
def test_where_every_week_is_alike_the_forecast_is_exact(weekly: list[int], today: date, due: int) -> None:
    everyday = {day: weekly[day.weekday()] for day in [*HISTORY, *days_until(today)]}
    spent = sum(everyday[day] for day in days_until(today))
    found = forecast_month(MARCH, today, spent_minor=spent, due_minor=due, everyday=everyday)
    whole = sum(weekly[(MARCH.start + timedelta(days=number)).weekday()] for number in range(31))
    assert abs(found.expected_minor - whole - due) <= 31
    assert found.high_minor - found.low_minor <= 62
    assert found.expected_minor == found.spent_minor + found.due_minor + found.everyday_minor


def test_a_month_that_costs_twice_as_much_so_far_is_expected_to_go_on_so_but_for_a_part() -> None:
    today = date(2026, 3, 14)
    everyday = dict.fromkeys(HISTORY, 1000) | dict.fromkeys(days_until(today), 2000)
    found = forecast_month(MARCH, today, spent_minor=28_000, due_minor=0, everyday=everyday)
    # Fourteen days of this month weigh as much as the usual fortnight: half as much again.
    assert found.everyday_minor == 17 * 1500


def test_without_history_only_the_pace_of_the_month_is_left() -> None:
    today = date(2026, 3, 10)
    found = forecast_month(
        MARCH, today, spent_minor=10_000, due_minor=0, everyday=dict.fromkeys(days_until(today), 1000)
    )
    assert (found.expected_minor, found.low_minor, found.high_minor) == (31_000, 31_000, 31_000)


@pytest.mark.parametrize("today", [MARCH.start, date(2026, 3, 15), MARCH.last_day])
def test_without_any_spending_nothing_is_expected(today: date) -> None:
    found = forecast_month(MARCH, today, spent_minor=0, due_minor=0, everyday={})
    assert (found.expected_minor, found.low_minor, found.high_minor) == (0, 0, 0)


@given(
    st.dictionaries(st.sampled_from([*HISTORY, *days_until(MARCH.last_day)]), st.integers(-(10**10), 10**10)),
    st.dates(MARCH.start, MARCH.last_day),
    st.integers(-(10**12), 10**12),
)
def test_the_forecast_lies_within_its_interval(everyday: dict[date, int], today: date, spent: int) -> None:
    known = {day: minor for day, minor in everyday.items() if day <= today}
    found = forecast_month(MARCH, today, spent_minor=spent, due_minor=0, everyday=known)
    assert found.low_minor <= found.expected_minor <= found.high_minor
    assert found.everyday_minor >= 0


def test_four_months_of_five_end_within_the_interval() -> None:
    draw = random.Random(4)
    within = 0
    for _ in range(400):
        amounts = {day: round(draw.lognormvariate(7, 1)) for day in [*HISTORY, *days_until(MARCH.last_day)]}
        today = date(2026, 3, 12)
        known = {day: minor for day, minor in amounts.items() if day <= today}
        spent = sum(known[day] for day in days_until(today))
        found = forecast_month(MARCH, today, spent_minor=spent, due_minor=0, everyday=known)
        actual = sum(amounts[day] for day in days_until(MARCH.last_day))
        within += found.low_minor <= actual <= found.high_minor
    assert 0.72 <= within / 400 <= 0.9
