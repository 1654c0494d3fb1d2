"""Which periods alert, and when: midnight, days of grace, dates ahead, every kind of period, zones."""

from datetime import UTC, date, datetime
from typing import Any

import pytest

from core.database import Database
from tests.core.services.spender import Spender, at


@pytest.fixture
def me(database: Database) -> Spender:
    return Spender(database)


def test_an_expense_of_the_last_second_alerts_although_it_is_evaluated_after_midnight(me: Spender) -> None:
    with at("2026-03-31T23:59:59"):
        budget = me.budget("100.00", kind="daily")
        me.spend("80.00")
    with at("2026-04-01T00:00:01"):
        me.settle()
        assert me.open(budget) == {(date(2026, 3, 31), 80)}


def test_however_late_the_evaluation_is_the_periods_of_then_alert(me: Spender) -> None:
    with at("2026-03-05T12:00:00"):
        budget = me.budget("100.00", kind="daily", thresholds=[100])
        me.settle()
        me.spend("100.00")
    with at("2026-04-25T12:00:00"):
        me.spend("100.00")
        me.settle()
        assert me.open(budget) == {(date(2026, 3, 5), 100), (date(2026, 4, 25), 100)}


@pytest.mark.parametrize(("day", "alerts"), [("2026-03-08", True), ("2026-03-07", False)])
def test_receipts_that_are_entered_up_to_a_week_late_still_alert(me: Spender, day: str, alerts: bool) -> None:
    with at("2026-03-01T12:00:00"):
        budget = me.budget("100.00", kind="daily", thresholds=[100])
        me.settle()
    with at("2026-03-15T12:00:00"):
        me.spend("100.00", day)
        me.settle()
        assert me.open(budget) == ({(date.fromisoformat(day), 100)} if alerts else set())


def test_an_alert_of_long_ago_is_still_resolved_but_not_opened_again(me: Spender) -> None:
    with at("2026-03-05T12:00:00"):
        budget = me.budget("100.00", kind="daily", thresholds=[100])
        expense = me.spend("100.00")
        me.settle()
    with at("2026-05-05T12:00:00"):
        me.delete(expense)
        me.settle()
        assert me.told() == ["threshold 100", "recovered 100"]
        me.restore(expense)
        me.settle()
        assert (me.open(budget), len(me.told())) == (set(), 2)


def test_periods_before_the_budget_was_set_do_not_alert(me: Spender) -> None:
    with at("2026-03-15T12:00:00"):
        me.spend("100.00", "2026-03-14")
        budget = me.budget("100.00", kind="daily", thresholds=[100])
        me.spend("100.00", "2026-03-13")
        me.settle()
        assert me.open(budget) == set()


def test_a_period_that_begins_with_expenses_dated_ahead_alerts_at_its_first_midnight(me: Spender) -> None:
    with at("2026-03-15T12:00:00"):
        budget = me.budget("100.00")
        me.spend("100.00", "2026-04-20")
        me.settle()
        assert me.open(budget) == set()
    with at("2026-03-31T23:59:59"):
        assert me.tick() == 0
    with at("2026-04-01T00:00:00"):
        assert me.tick() == 1
        assert me.open(budget) == {(date(2026, 4, 1), 80), (date(2026, 4, 1), 100)}
        assert me.tick() == 0
    with at("2026-05-01T00:00:00"):
        assert me.tick() == 1
        assert len(me.told()) == 2


def test_periods_whose_start_was_missed_alert_at_the_next_tick(me: Spender) -> None:
    with at("2026-03-15T12:00:00"):
        budget = me.budget("100.00", kind="daily", thresholds=[100])
        me.spend("100.00", "2026-03-16")
        me.spend("100.00", "2026-03-18")
        me.settle()
    with at("2026-03-20T12:00:00"):
        me.tick()
        assert me.open(budget) == {(date(2026, 3, 16), 100), (date(2026, 3, 18), 100)}


def test_a_user_may_have_any_number_of_periods_that_begin_at_once(me: Spender) -> None:
    with at("2026-03-15T12:00:00"):
        for _ in range(3):
            me.budget("100.00", thresholds=[100])
        me.spend("100.00", "2026-04-20")
        me.settle()
    with at("2026-04-01T00:00:00"):
        assert me.tick() == 3
        assert me.told() == ["threshold 100"] * 3


EVERY_KIND: list[tuple[dict[str, Any], str, str, str]] = [
    ({"kind": "daily"}, "2026-03-15", "2026-03-16", "2026-03-17"),
    ({"kind": "daily", "every": 10, "anchor": date(2026, 1, 1)}, "2026-03-12", "2026-03-22", "2026-04-01"),
    ({"kind": "weekly"}, "2026-03-09", "2026-03-16", "2026-03-23"),
    # Pay each second Friday.
    ({"kind": "weekly", "every": 2, "anchor": date(2026, 1, 2)}, "2026-03-13", "2026-03-27", "2026-04-10"),
    ({"kind": "monthly"}, "2026-03-01", "2026-04-01", "2026-05-01"),
    # Pay on the 25th.
    ({"kind": "monthly", "anchor": date(2025, 12, 25)}, "2026-02-25", "2026-03-25", "2026-04-25"),
    ({"kind": "monthly", "anchor": date(2026, 1, 31)}, "2026-02-28", "2026-03-31", "2026-04-30"),
    ({"kind": "monthly", "anchor": date(2030, 1, 15)}, "2026-03-15", "2026-04-15", "2026-05-15"),
    ({"kind": "quarterly"}, "2026-01-01", "2026-04-01", "2026-07-01"),
    ({"kind": "yearly", "anchor": date(2024, 2, 29)}, "2026-02-28", "2027-02-28", "2028-02-29"),
]


@pytest.mark.parametrize(("period", "start", "following", "end"), EVERY_KIND)
def test_every_kind_of_period_counts_its_days_and_no_others(
    me: Spender, period: dict[str, Any], start: str, following: str, end: str
) -> None:
    first, second, third = (date.fromisoformat(day) for day in (start, following, end))
    with at("2026-03-15T12:00:00"):
        budget = me.budget("100.00", thresholds=[100], **period)
        me.spend("1000.00", date.fromordinal(first.toordinal() - 1))
        me.spend("99.99", first)
        me.spend("100.00", second)
        me.spend("1000.00", third)
        me.settle()
        current = me.current(budget)
        assert (current.period.start, current.period.end) == (first, second)
        assert current.spent_minor == 9999
        assert me.open(budget) == set()
        me.spend("0.01", date.fromordinal(second.toordinal() - 1))
        me.settle()
        assert me.open(budget) == {(first, 100)}
        assert me.next_period_at(budget) == datetime(second.year, second.month, second.day, tzinfo=UTC)
    with at(f"{following}T00:00:00"):
        me.tick()
        assert me.open(budget) == {(first, 100), (second, 100)}
        assert [figures.period.end for figures in me.past(budget, 1)] == [second]


def test_a_one_off_budget_counts_from_its_anchor_to_its_last_day_and_then_ends(me: Spender) -> None:
    with at("2026-03-15T12:00:00"):
        budget = me.budget(
            kind="once", anchor=date(2026, 4, 10), ends_on=date(2026, 4, 12), thresholds=[100, 200]
        )
        me.spend("100.00", "2026-04-12")
        me.spend("100.00", "2026-04-13")
        me.settle()
        assert me.current(budget).spent_minor == me.current(budget).projected_minor == 10000
        assert (me.open(budget), me.past(budget)) == (set(), [])
        assert me.next_period_at(budget) == datetime(2026, 4, 10, tzinfo=UTC)
    with at("2026-04-10T00:00:00"):
        me.tick()
        assert me.open(budget) == {(date(2026, 4, 10), 100)}
        assert me.next_period_at(budget) is None
    with at("2026-04-19T12:00:00"):
        me.spend("100.00", "2026-04-10")
        me.settle()
        assert me.open(budget) == {(date(2026, 4, 10), 100), (date(2026, 4, 10), 200)}
        assert me.current(budget).period.end == date(2026, 4, 13)
        assert len(me.past(budget)) == 1


def test_a_budget_that_ends_has_a_short_last_period_and_no_alerts_after_it(me: Spender) -> None:
    with at("2026-03-15T12:00:00"):
        budget = me.budget(thresholds=[100], ends_on=date(2026, 3, 20))
        me.spend("100.00", "2026-03-21")
        me.settle()
        assert me.current(budget).period.end == date(2026, 3, 21)
        assert me.next_period_at(budget) is None
    with at("2026-03-25T12:00:00"):
        me.spend("500.00")
        me.settle()
        assert me.open(budget) == set()
        me.spend("100.00", "2026-03-20")
        me.settle()
        assert me.open(budget) == {(date(2026, 3, 1), 100)}
        assert me.current(budget).period.start == date(2026, 3, 1)


def test_periods_begin_at_the_users_midnight(database: Database) -> None:
    me = Spender(database, timezone="America/New_York")
    with at("2026-03-31T23:00:00"):
        budget = me.budget(thresholds=[100])
        me.spend("100.00", "2026-04-01")
        me.settle()
        assert me.next_period_at(budget) == datetime(2026, 4, 1, 4, tzinfo=UTC)
    with at("2026-04-01T03:59:59"):
        me.tick()
        assert (me.open(budget), me.current(budget).period.start) == (set(), date(2026, 3, 1))
    with at("2026-04-01T04:00:00"):
        me.tick()
        assert me.open(budget) == {(date(2026, 4, 1), 100)}


def test_in_a_zone_further_east_the_next_period_may_have_begun_already(me: Spender) -> None:
    with at("2026-03-31T20:00:00"):
        budget = me.budget(thresholds=[100])
        me.spend("100.00", "2026-04-01")
        me.settle()
        assert me.open(budget) == set()
        me.move_to("Asia/Tokyo")
        me.settle()
        assert me.open(budget) == {(date(2026, 4, 1), 100)}
        assert me.next_period_at(budget) == datetime(2026, 4, 30, 15, tzinfo=UTC)


def test_back_in_a_zone_further_west_the_alert_of_tomorrow_stays_and_is_told_once(database: Database) -> None:
    me = Spender(database, timezone="Pacific/Kiritimati")
    with at("2026-03-31T12:00:00"):  # 1 April there
        budget = me.budget(thresholds=[100])
        me.spend("100.00")
        me.settle()
        me.move_to("Pacific/Pago_Pago")
        me.settle()
        assert me.current(budget).period.start == date(2026, 3, 1)
        assert me.next_period_at(budget) == datetime(2026, 4, 1, 11, tzinfo=UTC)
    with at("2026-04-01T11:00:00"):
        me.tick()
        assert (me.open(budget), me.told()) == ({(date(2026, 4, 1), 100)}, ["threshold 100"])


def test_the_day_of_a_late_evaluation_is_the_users(database: Database) -> None:
    me = Spender(database, timezone="Pacific/Auckland")
    with at("2026-03-31T10:59:59"):  # one second before April begins there
        budget = me.budget(kind="daily", thresholds=[100])
        me.spend("100.00")
    with at("2026-03-31T11:00:00"):
        me.settle()
        assert me.open(budget) == {(date(2026, 3, 31), 100)}
