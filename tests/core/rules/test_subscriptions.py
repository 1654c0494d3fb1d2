"""Charges that come back are found among whatever else a payee sold."""

from datetime import date, timedelta

import pytest
from dateutil.relativedelta import relativedelta
from hypothesis import given
from hypothesis import strategies as st

from core.rules.subscriptions import RHYTHMS, Charge, find_recurrences

START = date(2024, 1, 31)
STEPS = {rhythm.cadence: rhythm.step for rhythm in RHYTHMS}


def charges(step: relativedelta, count: int, minor: int = 1299) -> list[Charge]:
    return [Charge(START + step * number, minor) for number in range(count)]


@pytest.mark.parametrize("rhythm", RHYTHMS, ids=lambda rhythm: rhythm.cadence)
def test_each_cadence_is_found_from_its_least_number_on(rhythm: object) -> None:
    step, least = rhythm.step, rhythm.min_charges  # type: ignore[attr-defined]
    enough = charges(step, least)
    (found,) = find_recurrences(enough, today=enough[-1].day)
    assert (found.cadence, found.count, found.amount_minor) == (rhythm.cadence, least, 1299)  # type: ignore[attr-defined]
    assert found.next_on == enough[-1].day + step
    assert not found.is_ended
    assert find_recurrences(enough[:-1], today=enough[-1].day) == []


def test_a_subscription_shows_among_purchases_of_the_same_shop() -> None:
    monthly = charges(STEPS["monthly"], 8, 899)
    purchases = [
        Charge(START + timedelta(days=number**2 * 3 % 240), 2000 + 137 * number**2) for number in range(30)
    ]
    found = find_recurrences([*monthly, *purchases], today=monthly[-1].day)
    assert [(one.cadence, one.amount_minor) for one in found] == [("monthly", 899)]


def test_a_rising_price_and_a_moved_booking_do_not_hide_it() -> None:
    days = [date(2026, 1, 2), date(2026, 2, 1), date(2026, 3, 3), date(2026, 4, 1), date(2026, 5, 4)]
    amounts = [1000, 1000, 1000, 1090, 1090]
    (found,) = find_recurrences([Charge(*one) for one in zip(days, amounts, strict=True)], today=days[-1])
    assert (found.cadence, found.amount_minor, found.yearly_minor) == ("monthly", 1090, 13080)


def test_what_did_not_come_again_has_ended_and_is_due_no_more() -> None:
    monthly = charges(STEPS["monthly"], 6)
    (found,) = find_recurrences(monthly, today=monthly[-1].day + timedelta(days=60))
    assert found.is_ended
    assert found.due_between(date.min, date.max) == []


def test_due_days_lie_within_the_range() -> None:
    weekly = charges(STEPS["weekly"], 5)
    (found,) = find_recurrences(weekly, today=weekly[-1].day)
    last = weekly[-1].day
    due = found.due_between(last + timedelta(days=8), last + timedelta(days=21))
    assert due == [last + timedelta(days=14), last + timedelta(days=21)]


@given(
    st.lists(
        st.builds(Charge, st.dates(date(2024, 1, 1), date(2026, 1, 1)), st.integers(-(10**14), 10**14)),
        max_size=60,
    )
)
def test_whatever_is_charged_each_charge_is_in_one_recurrence_at_most(given_charges: list[Charge]) -> None:
    found = find_recurrences(given_charges, today=date(2026, 1, 1))
    used = [charge for one in found for charge in one.charges]
    assert all(charge.amount_minor > 0 for charge in used)
    assert all(used.count(charge) <= given_charges.count(charge) for charge in used)


@given(st.lists(st.integers(1, 10**6), min_size=4, max_size=20, unique=True))
def test_irregular_days_are_no_recurrence(offsets: list[int]) -> None:
    days = sorted(offset % 5 for offset in offsets)
    found = find_recurrences([Charge(START + timedelta(days=day), 500) for day in days], today=START)
    assert found == []
