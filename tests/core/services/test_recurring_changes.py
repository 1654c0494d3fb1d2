"""What changes of recurring expenses do to what comes, what is due already, and what is left of a count."""

from datetime import date
from typing import Any

import pytest

from core.database import Database
from core.errors import InvalidInput
from tests.core.services.bookkeeper import Bookkeeper, tick
from tests.core.services.spender import at


@pytest.fixture
def me(database: Database) -> Bookkeeper:
    return Bookkeeper(database)


def test_a_change_holds_from_now_on_and_what_was_posted_stays(me: Bookkeeper, database: Database) -> None:
    with at("2026-01-31T12:00:00"):
        rent = me.recur(amount="900.00", payee="Old")
        tick(database)
        me.alter(rent, amount="950.00", payee="New")
    with at("2026-02-28T12:00:00"):
        tick(database)
    assert [(one.amount_minor, one.payee) for one in me.expenses()] == [(90_000, "Old"), (95_000, "New")]


def test_a_new_rule_holds_from_today_on(me: Bookkeeper, database: Database) -> None:
    with at("2026-01-15T12:00:00"):
        rent = me.recur()
        tick(database)
    with at("2026-01-20T12:00:00"):
        changed = me.alter(rent, rrule="FREQ=DAILY")
        assert (changed.next_on, changed.starts_on) == (date(2026, 1, 20), date(2026, 1, 15))
        tick(database)
        assert me.posted() == ["2026-01-15", "2026-01-20"]
        # What was posted for today already is not posted again under another rule.
        assert me.alter(rent, rrule="FREQ=DAILY;INTERVAL=5").next_on == date(2026, 1, 25)
        assert me.alter(rent, every=2, unit="week").next_on == date(2026, 1, 29)
        assert me.alter(rent, every=3).rule == "FREQ=WEEKLY;INTERVAL=3"


def test_an_end_may_be_set_changed_and_taken_away(me: Bookkeeper) -> None:
    with at("2026-01-15T12:00:00"):
        rent = me.recur(count=3)
        assert me.find(rent).last_on == date(2026, 3, 15)
        until = me.alter(rent, ends_on=date(2026, 2, 20))
        assert (until.count, until.ends_on, until.last_on) == (None, date(2026, 2, 20), date(2026, 2, 20))
        counted = me.alter(rent, count=2)
        assert (counted.count, counted.ends_on, counted.last_on) == (2, None, date(2026, 2, 15))
        assert me.alter(rent, count=None).last_on is None
        assert me.alter(rent, rrule="FREQ=MONTHLY;COUNT=1").last_on == date(2026, 1, 15)
        with pytest.raises(InvalidInput):
            me.alter(rent, rrule="FREQ=MONTHLY;UNTIL=20270101", count=3)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"unit": "week"}, ("2026-06-11", 6, "2026-07-16")),
        ({"rrule": "FREQ=WEEKLY;BYDAY=MO"}, ("2026-06-15", 6, "2026-07-20")),
        # A start that is given stays as it is, whether it is ahead or only the phase.
        ({"starts_on": date(2026, 7, 15)}, ("2026-07-15", 6, "2026-12-15")),
        ({"unit": "week", "starts_on": date(2026, 6, 2)}, ("2026-06-02", 8, "2026-07-21")),
        ({"unit": "month", "ends_on": None}, ("2026-01-01", 12, "2026-12-01")),
        ({"unit": "week", "count": 24}, ("2026-01-01", 24, "2026-06-11")),
        ({"unit": "week", "count": None}, ("2026-01-01", None, None)),
        ({"unit": "week", "ends_on": date(2026, 7, 1)}, ("2026-01-01", None, "2026-07-01")),
    ],
    ids=str,
)
def test_a_new_rule_has_what_is_left_of_the_count(
    me: Bookkeeper, database: Database, changes: dict[str, Any], expected: tuple[str, int | None, str | None]
) -> None:
    with at("2026-01-01T12:00:00"):
        rent = me.recur(count=12)
    with at("2026-06-10T12:00:00"):
        tick(database)
        assert len(me.posted()) == 6
        found = me.alter(rent, **changes)
        last_on = None if found.last_on is None else str(found.last_on)
        assert (str(found.starts_on), found.count, last_on) == expected
        assert found.next_on is not None


def test_a_count_is_used_up_over_all_rules(me: Bookkeeper, database: Database) -> None:
    with at("2026-01-31T12:00:00"):
        rent = me.recur("FREQ=WEEKLY", count=5)
        tick(database)
    with at("2026-02-10T12:00:00"):
        # The occurrence of 7 February is missed; the 31st is not forgotten in February.
        monthly = me.alter(rent, unit="month")
        assert (monthly.starts_on, monthly.count) == (date(2026, 1, 31), 4)
        assert monthly.next_on == date(2026, 2, 28)
    with at("2026-03-31T12:00:00"):
        tick(database)
        assert me.alter(rent, rrule="FREQ=DAILY;INTERVAL=2").count == 1
    with at("2026-04-02T12:00:00"):
        tick(database)
        assert me.states(rent) == {
            "2026-01-31": "posted", "2026-02-07": "missed", "2026-02-28": "posted", "2026-03-31": "posted",
            "2026-04-01": "posted",
        }  # fmt: skip
        for changes, pointer in (
            ({"unit": "week"}, "/count"),
            ({"unit": "week", "count": 1}, "/count"),
            ({"rrule": "FREQ=WEEKLY;COUNT=1", "count": None}, "/rrule"),
        ):
            with pytest.raises(InvalidInput) as caught:
                me.alter(rent, **changes)
            assert [field.pointer for field in caught.value.fields] == [pointer]
        assert me.alter(rent, unit="week", count=3).next_on == date(2026, 4, 8)


def test_another_end_changes_nothing_about_what_is_due_already(me: Bookkeeper, database: Database) -> None:
    with at("2026-03-01T12:00:00"):
        papers = me.recur("FREQ=DAILY", count=31)
        ended = me.recur("FREQ=DAILY", count=1, category="food")
        tick(database)
    with at("2026-03-04T12:00:00"):
        assert me.alter(papers, ends_on=date(2026, 3, 5)).next_on == date(2026, 3, 2)
        assert me.alter(papers, count=4).next_on == date(2026, 3, 2)
        # What an end let be until now is not made up for.
        assert me.alter(ended, count=5).next_on == date(2026, 3, 4)
    with at("2026-03-05T12:00:00"):
        tick(database)
    assert me.states(papers) == {f"2026-03-0{day}": "posted" for day in range(1, 5)}
    assert me.states(ended) == {f"2026-03-0{day}": "posted" for day in (1, 4, 5)}


@pytest.mark.parametrize("changes", [{"rrule": "FREQ=DAILY;INTERVAL=2"}, {"starts_on": date(2026, 3, 4)}])
def test_what_a_new_rule_drops_leaves_a_trace(
    me: Bookkeeper, database: Database, changes: dict[str, Any]
) -> None:
    with at("2026-03-01T12:00:00"):
        papers = me.recur("FREQ=DAILY;INTERVAL=3")
        skipping = me.recur("FREQ=DAILY")
        paused = me.recur("FREQ=DAILY")
        tick(database)
        me.skip(skipping, "2026-03-04")
        me.pause(paused)
    with at("2026-03-07T12:00:00"):
        for one in (papers, skipping, paused):
            assert me.alter(one, **changes).next_on == (None if one == paused else date(2026, 3, 7))
        tick(database)
    assert me.states(papers) == {
        "2026-03-01": "posted", "2026-03-04": "missed", "2026-03-07": "posted",
    }  # fmt: skip
    assert list(me.states(skipping).values()) == [
        "posted", "missed", "missed", "skipped", "missed", "missed", "posted",
    ]  # fmt: skip
    assert me.states(paused) == {"2026-03-01": "posted"}


def test_nothing_new_is_no_new_version(me: Bookkeeper) -> None:
    with at("2026-01-15T12:00:00"):
        rent = me.recur("FREQ=MONTHLY;INTERVAL=1", payee="Landlord", tags=("home",))
        found = me.find(rent)
        same = me.alter(rent, rrule="FREQ=MONTHLY", payee="Landlord", tags=("home", "home"), amount="10.0")
        assert same == found
        assert me.alter(rent, payee=None).version == 2
