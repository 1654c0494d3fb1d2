"""Since when somebody owes: a debt that was paid in between is a new one, one that has grown is not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.rules.debt_reminders import has_stood

AMOUNTS = st.integers(-50, 50)


@pytest.mark.parametrize(
    ("balance", "moved", "stood"),
    [
        (-10, [], True),
        (0, [], False),
        (10, [], False),
        (-10, [-10], False),  # even until just now
        (-10, [-9], True),  # grown
        (-10, [5], True),  # partly paid
        (-10, [-20], False),  # was owed before
        (-10, [-10, 10], False),  # paid in between
        (-10, [-9, 9], True),
        (-10, [0], True),  # split anew to the same
    ],
)
def test_a_debt_stands_from_the_moment_on_that_one_owes(balance: int, moved: list[int], stood: bool) -> None:
    assert has_stood(balance, moved) is stood


@given(start=AMOUNTS, moved=st.lists(AMOUNTS, max_size=8))
def test_it_is_the_same_as_going_forward_from_the_beginning(start: int, moved: list[int]) -> None:
    balances = [start]
    for amount in moved:
        balances.append(balances[-1] + amount)
    assert has_stood(balances[-1], reversed(moved)) is all(balance < 0 for balance in balances)
