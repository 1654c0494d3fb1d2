"""Budgets become alerts: each crossing once, taken back when spending falls back, then told anew."""

from collections.abc import Iterator
from datetime import date

import pytest

from core import clock
from core.database import Database
from core.ids import new_id
from core.services.evaluation import Occasion, evaluate_budgets
from tests.core.services.spender import Spender, at

MARCH = date(2026, 3, 1)


@pytest.fixture
def me(database: Database) -> Iterator[Spender]:
    """A spender on 15 March 2026."""
    with at("2026-03-15T12:00:00"):
        yield Spender(database)


def test_an_alert_opens_once_when_spending_reaches_a_threshold(me: Spender) -> None:
    budget = me.budget("100.00")
    for amount, expected in [
        ("79.99", set()),
        ("0.01", {(MARCH, 80)}),
        ("19.99", {(MARCH, 80)}),
        ("0.01", {(MARCH, 80), (MARCH, 100)}),
        ("500.00", {(MARCH, 80), (MARCH, 100)}),
    ]:
        me.spend(amount)
        me.settle()
        assert me.open(budget) == expected
    assert me.told() == ["threshold 80", "threshold 100"]


def test_one_expense_may_cross_several_thresholds_told_in_ascending_order(me: Spender) -> None:
    me.budget("10.00", thresholds=[1000, 50, 100, 50])
    me.spend("100.00")
    me.settle()
    assert me.told() == ["threshold 50", "threshold 100", "threshold 1000"]


def test_the_message_and_the_alert_tell_the_figures_of_the_crossing(me: Spender) -> None:
    budget = me.budget("30.00", name="Food", thresholds=[90])
    me.spend("29.99")
    me.settle()
    me.spend("1.00")
    me.settle()
    assert me.messages() == [
        (
            "budget.threshold",
            {
                "budget_id": str(budget),
                "budget_name": "Food",
                "threshold": 90,
                "percent": 99.9,
                "spent": "29.99",
                "limit": "30.00",
                "currency": "EUR",
                "period_start": "2026-03-01",
                "period_end": "2026-04-01",
            },
        )
    ]
    (alert,) = me.alerts(budget)
    assert (alert.period_start, alert.period_end) == (MARCH, date(2026, 4, 1))
    assert (alert.spent_minor, alert.limit_minor, alert.currency) == (2999, 3000, "EUR")
    assert alert.resolved_at is None


def test_a_new_budget_alerts_of_what_is_spent_already(me: Spender) -> None:
    me.spend("85.00", "2026-03-02")
    me.settle()
    me.budget("100.00")
    me.settle()
    assert me.told() == ["threshold 80"]


def test_what_is_crossed_and_taken_back_before_anybody_looks_is_not_told(me: Spender) -> None:
    me.budget("100.00")
    me.delete(me.spend("100.00"))
    me.settle()
    assert (me.told(), me.alerts()) == ([], [])


@pytest.mark.parametrize("way", ["deleted", "smaller", "refunded", "other month", "other category", "lines"])
def test_an_alert_is_resolved_told_and_armed_again_when_spending_falls_back(me: Spender, way: str) -> None:
    budget = me.budget("100.00", categories=["food"], thresholds=[100])
    expense = me.spend("100.00", category="groceries")
    me.settle()
    match way:
        case "deleted":
            me.delete(expense)
        case "smaller":
            me.revise(expense, amount="99.99")
        case "refunded":
            me.spend("-0.01", category="food")
        case "other month":
            me.revise(expense, spent_on="2026-02-28")
        case "other category":
            me.revise(expense, category="travel")
        case "lines":
            me.delete(expense)
            me.spend("100.00", lines=[("groceries", "99.99"), ("travel", "0.01")])
    me.settle()
    assert (me.open(budget), me.told()) == (set(), ["threshold 100", "recovered 100"])
    assert [alert.resolved_at is not None for alert in me.alerts()] == [True]
    me.spend("100.00", category="dining")
    me.settle()
    assert (me.open(budget), me.told()[2:]) == ({(MARCH, 100)}, ["threshold 100"])
    assert len(me.alerts()) == 2


def test_a_restored_expense_alerts_again(me: Spender) -> None:
    me.budget("100.00", thresholds=[100])
    expense = me.spend("100.00")
    me.settle()
    me.delete(expense)
    me.settle()
    me.restore(expense)
    me.settle()
    assert me.told() == ["threshold 100", "recovered 100", "threshold 100"]


def test_only_what_falls_below_is_resolved(me: Spender) -> None:
    budget = me.budget("100.00")
    expense = me.spend("120.00")
    me.settle()
    me.revise(expense, amount="90.00")
    me.settle()
    assert me.open(budget) == {(MARCH, 80)}
    assert me.told() == ["threshold 80", "threshold 100", "recovered 100"]


def test_a_budget_counts_its_categories_with_their_children_and_nothing_else(me: Spender) -> None:
    food = me.budget("100.00", categories=["food"])
    groceries = me.budget("100.00", categories=["groceries"])
    everything = me.budget("100.00")
    me.spend("10.00", category="food")
    me.spend("20.00", category="groceries")
    me.spend("30.00", category="travel")
    me.spend("40.00")
    spent = [me.current(budget).spent_minor for budget in (food, groceries, everything)]
    assert spent == [3000, 2000, 10000]


def test_a_parent_and_its_child_in_one_budget_count_once(me: Spender) -> None:
    budget = me.budget("100.00", categories=["groceries", "food", "groceries"])
    me.spend("50.00", category="groceries")
    assert me.current(budget).spent_minor == 5000


def test_other_currencies_are_listed_and_never_added(me: Spender) -> None:
    budget = me.budget("100.00")
    me.spend("79.99")
    me.spend("500.00", currency="USD")
    me.spend("7000", currency="JPY")
    me.spend("-500.00", "2026-03-01", currency="CHF")
    me.spend("500.00", "2026-03-31", currency="CHF")
    me.settle()
    figures = me.current(budget)
    assert figures.spent_minor == 7999
    assert figures.unconverted == (("JPY", 7000), ("USD", 50000))
    assert me.told() == []


def test_a_budget_in_another_currency_than_the_users_counts_that_one(me: Spender) -> None:
    budget = me.budget("1000", currency="JPY", thresholds=[100])
    me.spend("999", currency="JPY")
    me.spend("1000.00")
    me.settle()
    assert me.open(budget) == set()
    me.spend("1", currency="JPY")
    me.settle()
    assert me.messages()[0][1]["spent"] == "1000"


def test_with_a_limit_of_zero_the_first_cent_crosses_every_threshold(me: Spender) -> None:
    budget = me.budget("0.00")
    me.settle()
    me.spend("-5.00")
    me.settle()
    assert me.told() == []
    me.spend("5.01")
    me.settle()
    assert me.open(budget) == {(MARCH, 80), (MARCH, 100)}
    assert me.messages()[0][1]["percent"] is None


def test_a_raised_limit_resolves_and_a_lowered_one_opens(me: Spender) -> None:
    budget = me.budget("100.00")
    me.spend("90.00")
    me.settle()
    me.change(budget, amount="112.51")
    me.settle()
    assert me.open(budget) == set()
    me.change(budget, amount="90.00")
    me.settle()
    assert me.open(budget) == {(MARCH, 80), (MARCH, 100)}
    assert me.told() == ["threshold 80", "recovered 80", "threshold 80", "threshold 100"]


def test_a_changed_amount_leaves_past_periods_and_their_alerts_alone(me: Spender) -> None:
    budget = me.budget("100.00")
    me.spend("85.00", "2026-03-15")
    me.settle()
    with at("2026-04-02T12:00:00"):
        me.spend("85.00", "2026-04-01")
        me.settle()
        me.change(budget, amount="200.00")
        me.settle()
        assert me.open(budget) == {(MARCH, 80)}
        assert me.told() == ["threshold 80", "threshold 80", "recovered 80"]
        assert me.current(budget).limit_minor == 20000
        assert [figures.limit_minor for figures in me.past(budget, 2)] == [10000, 10000]


def test_a_removed_threshold_is_resolved_in_silence_and_an_added_one_alerts(me: Spender) -> None:
    budget = me.budget("100.00")
    me.spend("100.00")
    me.settle()
    me.change(budget, thresholds=[100, 50])
    me.settle()
    assert me.open(budget) == {(MARCH, 50), (MARCH, 100)}
    assert me.told() == ["threshold 80", "threshold 100", "threshold 50"]
    me.change(budget, thresholds=[])
    me.settle()
    assert (me.open(budget), len(me.told())) == (set(), 3)


def test_other_categories_resolve_what_they_do_not_cross(me: Spender) -> None:
    budget = me.budget("100.00", thresholds=[100])
    me.spend("100.00", category="travel")
    me.settle()
    me.change(budget, category_ids=[me.categories["food"]])
    me.settle()
    assert me.told() == ["threshold 100", "recovered 100"]


def test_an_archived_budget_is_silent_until_it_is_back(me: Spender) -> None:
    budget = me.budget("100.00")
    me.spend("80.00")
    me.settle()
    me.archive(budget)
    me.settle()
    assert (me.open(budget), me.next_period_at(budget)) == (set(), None)
    me.spend("20.00")
    me.settle()
    assert me.told() == ["threshold 80"]
    me.archive(budget, is_archived=False)
    me.settle()
    assert me.open(budget) == {(MARCH, 80), (MARCH, 100)}
    assert me.told()[1:] == ["threshold 80", "threshold 100"]


def test_the_pace_is_told_once_a_period(me: Spender) -> None:
    me.budget("100.00", thresholds=[], has_pace_alert=True)
    me.spend("48.38")
    me.settle()
    assert me.told() == []
    expense = me.spend("0.02")  # 48.40 in 15 of 31 days
    me.settle()
    assert me.messages()[0][1]["projected"] == "100.03"
    me.delete(expense)
    me.settle()
    me.spend("50.00")
    me.settle()
    assert me.told() == ["projected"]
    with at("2026-04-02T12:00:00"):
        me.spend("10.00")
        me.settle()
        assert me.told() == ["projected", "projected"]


def test_the_pace_is_not_told_of_a_period_that_is_over(me: Spender) -> None:
    me.budget("100.00", thresholds=[], has_pace_alert=True)
    with at("2026-04-02T12:00:00"):
        me.spend("500.00", "2026-03-31")
        me.settle()
    assert me.told() == []


def test_what_is_dated_ahead_is_added_to_the_pace_as_it_is(me: Spender) -> None:
    budget = me.budget("100.00", has_pace_alert=True)
    me.spend("15.00", "2026-03-15")
    me.spend("60.00", "2026-03-16")
    me.settle()
    assert me.current(budget).projected_minor == 9100
    assert me.told() == []


def test_each_budget_is_judged_for_itself(me: Spender) -> None:
    small, large = me.budget("10.00", thresholds=[100]), me.budget("20.00", thresholds=[100])
    me.spend("10.00")
    me.settle()
    assert (me.open(small), me.open(large)) == ({(MARCH, 100)}, set())
    other = Spender(me.database)
    other_budget = other.budget("10.00")
    other.settle()
    assert other.open(other_budget) == set()


def test_the_evaluation_of_somebody_who_is_gone_does_nothing(me: Spender) -> None:
    with me.database.transaction() as session:
        evaluate_budgets(session, {new_id(): Occasion(touched_from=None, asked_at=clock.now())})
