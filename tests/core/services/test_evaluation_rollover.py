"""What earlier periods carry over, and what becomes of alerts when the periods themselves are changed."""

from datetime import date

import pytest
from sqlalchemy import func, select

from core.database import Database
from core.models import PaceAlert
from core.services.budgets import delete_budget
from tests.core.services.spender import Spender, at

JANUARY, FEBRUARY, MARCH = date(2026, 1, 1), date(2026, 2, 1), date(2026, 3, 1)


@pytest.fixture
def me(database: Database) -> Spender:
    return Spender(database)


@pytest.mark.parametrize(
    ("rollover", "limits"),
    [
        # By month: 40, 150 and then 130 are spent of 100.
        ("none", [100, 100, 100, 100]),
        ("surplus", [100, 160, 110, 100]),
        ("both", [100, 160, 110, 80]),
    ],
)
def test_limits_carry_what_the_rollover_says(me: Spender, rollover: str, limits: list[int]) -> None:
    with at("2026-01-15T12:00:00"):
        budget = me.budget("100.00", rollover=rollover)
    with at("2026-04-15T12:00:00"):
        for amount, day in (("40", "2026-01-31"), ("150", "2026-02-01"), ("130", "2026-03-01")):
            me.spend(f"{amount}.00", day)
        figures = [me.current(budget), *me.past(budget, 3)]
        assert [one.limit_minor // 100 for one in reversed(figures)] == limits


def test_the_chain_begins_with_the_period_in_which_the_budget_was_set(me: Spender) -> None:
    with at("2026-02-28T12:00:00"):
        me.spend("90.00", "2026-01-31")
        budget = me.budget("100.00", rollover="surplus")
        me.spend("30.00", "2026-02-01")
        assert me.current(budget).limit_minor == 10000
        assert [one.limit_minor for one in me.past(budget, 1)] == [10000]
    with at("2026-03-01T00:00:00"):
        assert me.current(budget).limit_minor == 17000


def test_a_backdated_change_moves_the_limits_of_all_later_periods(me: Spender) -> None:
    with at("2026-01-15T12:00:00"):
        budget = me.budget("100.00", rollover="both", thresholds=[100])
        me.settle()
    with at("2026-03-15T12:00:00"):
        me.spend("250.00", "2026-03-10")
        me.settle()
        assert me.open(budget) == set()
        january = me.spend("60.00", "2026-01-20")
        me.settle()
        assert me.open(budget) == {(MARCH, 100)}
        assert me.messages()[0][1]["limit"] == "240.00"
        me.revise(january, amount="40.00")
        me.settle()
        assert me.told() == ["threshold 100", "recovered 100"]


def test_a_limit_that_overspending_made_negative_is_crossed_by_the_first_cent(me: Spender) -> None:
    with at("2026-02-15T12:00:00"):
        budget = me.budget("100.00", rollover="both", thresholds=[1, 100])
        me.spend("300.00")
        me.settle()
    with at("2026-03-01T00:00:00"):
        me.tick()
        figures = me.current(budget)
        assert (figures.limit_minor, figures.spent_minor, figures.status) == (-10000, 0, "exceeded")
        assert me.open(budget) == {(FEBRUARY, 1), (FEBRUARY, 100)}
        me.spend("0.01")
        me.settle()
        assert me.open(budget) >= {(MARCH, 1), (MARCH, 100)}
        assert me.messages()[-1][1]["limit"] == "-100.00"
        assert me.messages()[-1][1]["percent"] is None


def test_each_period_rolls_over_the_amount_that_held_in_it(me: Spender) -> None:
    with at("2026-01-15T12:00:00"):
        budget = me.budget("100.00", rollover="surplus")
    with at("2026-02-15T12:00:00"):
        me.change(budget, amount="10.00")
        assert me.current(budget).limit_minor == 11000
    with at("2026-03-15T12:00:00"):
        assert me.current(budget).limit_minor == 12000


def test_a_daily_budget_carries_over_years(me: Spender) -> None:
    with at("2023-03-15T12:00:00"):
        budget = me.budget("1.00", kind="daily", rollover="both")
    with at("2026-03-15T12:00:00"):
        me.spend("96.00", "2024-02-29")
        assert me.current(budget).limit_minor == (3 * 365 + 1 + 1) * 100 - 9600


def test_alerts_of_periods_that_are_no_more_are_resolved_in_silence(me: Spender) -> None:
    with at("2026-03-02T12:00:00"):
        budget = me.budget("100.00", thresholds=[100])
        me.spend("100.00")
        me.settle()
    with at("2026-03-11T12:00:00"):
        me.change(budget, period={"kind": "weekly"})
        assert me.open(budget) == set()
        me.settle()
        # Last week ended within the days of grace, so its crossing is told.
        assert me.open(budget) == {(date(2026, 3, 2), 100)}
        assert me.told() == ["threshold 100", "threshold 100"]


def test_a_longer_period_that_begins_on_the_same_day_has_an_alert_of_its_own(me: Spender) -> None:
    with at("2026-01-20T12:00:00"):
        budget = me.budget("100.00", thresholds=[100], has_pace_alert=True)
        expense = me.spend("100.00")
        me.settle()
        assert me.told() == ["threshold 100", "projected"]
        me.change(budget, period={"kind": "yearly"})
        me.settle()
        assert me.open(budget) == {(JANUARY, 100)}
        assert me.told()[2:] == ["threshold 100", "projected"]
        assert [alert.period_end.year for alert in me.alerts(budget)] == [2026, 2027]
    with at("2026-06-15T12:00:00"):
        me.spend("-1.00")
        me.settle()
        assert (me.open(budget), me.told()[4:]) == (set(), ["recovered 100"])
        me.revise(expense, amount="101.00")
        me.settle()
        assert me.open(budget) == {(JANUARY, 100)}


def test_an_end_that_is_set_later_leaves_the_alerts_of_whole_periods_open(me: Spender) -> None:
    with at("2026-03-15T12:00:00"):
        budget = me.budget("100.00", thresholds=[100], has_pace_alert=True)
        me.spend("100.00")
        me.settle()
        me.change(budget, period={"ends_on": date(2026, 12, 31)})
        me.settle()
        assert me.open(budget) == {(MARCH, 100)}
        assert me.told() == ["threshold 100", "projected"]


def test_another_kind_of_period_keeps_the_amount_of_now(me: Spender) -> None:
    with at("2026-01-15T12:00:00"):
        budget = me.budget("100.00")
    with at("2026-03-15T12:00:00"):
        me.change(budget, amount="120.00")
        me.change(budget, period={"kind": "yearly"})
        assert me.current(budget).amount_minor == 12000
        me.change(budget, period={"kind": "monthly"})
        assert [figures.amount_minor for figures in (me.current(budget), *me.past(budget, 1))] == [12000] * 2


def test_a_budget_that_is_over_changes_in_its_last_period_only(me: Spender) -> None:
    with at("2026-01-15T12:00:00"):
        budget = me.budget("100.00", ends_on=date(2026, 3, 10))
    with at("2026-03-15T12:00:00"):
        me.change(budget, amount="120.00")
        assert [figures.limit_minor for figures in me.past(budget, 3)] == [12000, 10000, 10000]


def test_a_one_off_budget_may_move_and_be_changed(me: Spender) -> None:
    with at("2026-03-15T12:00:00"):
        budget = me.budget("100.00", kind="once", anchor=date(2026, 3, 10), ends_on=date(2026, 3, 20))
        me.spend("90.00", "2026-03-12")
        me.settle()
        me.change(budget, amount="120.00")
        record = me.change(budget, period={"anchor": date(2026, 3, 1)})
        assert (record.rule.anchor, record.rule.ends_on) == (date(2026, 3, 1), date(2026, 3, 20))
        assert me.current(budget).limit_minor == 12000
        me.settle()
        assert (me.open(budget), me.told()) == (set(), ["threshold 80"])


def test_a_deleted_budget_takes_its_alerts_along(me: Spender) -> None:
    with at("2026-03-15T12:00:00"):
        budget = me.budget("100.00", has_pace_alert=True)
        me.spend("100.00")
        me.settle()
        with me.database.transaction() as session:
            delete_budget(session, user_id=me.id, budget_id=budget)
        me.spend("100.00")
        me.settle()
    assert me.alerts() == []
    with me.database.reading() as session:
        assert session.scalar(select(func.count()).select_from(PaceAlert)) == 0
