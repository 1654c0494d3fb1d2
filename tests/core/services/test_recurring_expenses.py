"""What people do with recurring expenses: skip, confirm, pause, and be reminded."""

from datetime import date
from typing import Any

import pytest
from sqlalchemy import func, select

from core.database import Database
from core.errors import Conflict, InvalidInput
from core.models import Expense, RecurringOccurrence
from core.queries.expenses import expenses_by_id
from core.queries.recurring_expenses import upcoming
from core.services.categories import delete_category
from core.services.expense_drafts import LineInput
from tests.core.services.bookkeeper import Bookkeeper, tick
from tests.core.services.spender import at


@pytest.fixture
def me(database: Database) -> Bookkeeper:
    return Bookkeeper(database)


def coming(me: Bookkeeper, first: str, last: str) -> list[str]:
    with me.database.reading() as session:
        found = upcoming(
            session, user_id=me.id, first=date.fromisoformat(first), last=date.fromisoformat(last)
        )
    assert found == sorted(found, key=lambda one: (one.due_on, one.recurring_id))
    return [str(one.due_on) for one in found]


def test_deleting_it_leaves_what_it_has_posted(me: Bookkeeper, database: Database) -> None:
    with at("2026-01-15T12:00:00"):
        rent = me.recur("FREQ=DAILY")
        tick(database)
        me.drop(rent)
    with at("2026-01-16T12:00:00"):
        tick(database)
    assert me.posted() == ["2026-01-15"]
    assert me.states(rent) == {}


def test_the_next_one_or_one_ahead_is_skipped(me: Bookkeeper, database: Database) -> None:
    with at("2026-01-15T12:00:00"):
        papers = me.recur("FREQ=DAILY", starts_on="2026-01-16")
        assert me.skip(papers).next_on == date(2026, 1, 17)
        assert me.skip(papers, "2026-01-18").next_on == date(2026, 1, 17)
        assert coming(me, "2026-01-15", "2026-01-20") == ["2026-01-17", "2026-01-19", "2026-01-20"]
    for day in range(16, 21):
        with at(f"2026-01-{day}T00:00:00"):
            tick(database)
    assert me.posted() == ["2026-01-17", "2026-01-19", "2026-01-20"]
    assert list(me.states(papers).values()) == ["skipped", "posted", "skipped", "posted", "posted"]


@pytest.mark.parametrize(
    ("day", "error"),
    [
        ("2026-01-15", Conflict),
        ("2026-01-18", Conflict),
        ("2026-01-14", InvalidInput),
        ("2026-01-17", InvalidInput),
        ("2200-12-31", InvalidInput),
    ],
)
def test_what_is_over_or_never_falls_due_is_not_skipped(
    me: Bookkeeper, database: Database, day: str, error: type[Exception]
) -> None:
    with at("2026-01-15T12:00:00"):
        papers = me.recur("FREQ=DAILY;INTERVAL=3")
        tick(database)
        me.skip(papers, "2026-01-18")
        with pytest.raises(error):
            me.skip(papers, day)


def test_a_variable_one_awaits_its_amount(me: Bookkeeper, database: Database) -> None:
    with at("2026-01-15T12:00:00"):
        power = me.recur(amount="50.00", payee="Power", is_variable=True, category="food")
        tick(database)
        assert (me.posted(), me.states(power)) == ([], {"2026-01-15": "awaiting"})
        assert me.heard() == ["due 2026-01-15!"]
        with pytest.raises(Conflict):
            me.confirm(power, "2026-02-15", "61.20")
    with at("2026-02-16T12:00:00"):
        tick(database)
        expense_id = me.confirm(power, "2026-01-15", "61.20")
        (expense,) = me.expenses()
        assert (expense.id, expense.amount_minor, str(expense.spent_on)) == (expense_id, 6_120, "2026-01-15")
        assert expense.source == "recurring"
        assert me.messages()[-1] == (
            "recurring.posted",
            {
                "recurring_id": str(power), "expense_id": str(expense_id), "payee": "Power",
                "amount": "61.20", "currency": "EUR", "due_on": "2026-01-15",
            },
        )  # fmt: skip
        with pytest.raises(Conflict):
            me.confirm(power, "2026-01-15", "61.20")
        me.skip(power, "2026-02-15")
        assert me.states(power) == {"2026-01-15": "posted", "2026-02-15": "skipped"}
        assert me.find(power).next_on == date(2026, 3, 15)
        with pytest.raises(InvalidInput, match="/lines"):
            me.recur("FREQ=DAILY", "2.00", is_variable=True, lines=[("food", "2.00")])


def test_a_wrong_amount_leaves_it_awaiting(me: Bookkeeper, database: Database) -> None:
    with at("2026-01-15T12:00:00"):
        power = me.recur(is_variable=True)
        tick(database)
        with pytest.raises(InvalidInput) as caught:
            me.confirm(power, "2026-01-15", "1.001")
        assert [field.pointer for field in caught.value.fields] == ["/amount"]
        assert me.states(power) == {"2026-01-15": "awaiting"}


def test_lines_that_came_later_do_not_keep_an_amount_from_being_confirmed(
    me: Bookkeeper, database: Database
) -> None:
    with at("2026-01-15T12:00:00"):
        power = me.recur("FREQ=DAILY", "50.00", is_variable=True)
    with at("2026-01-16T12:00:00"):
        tick(database)
        lines = tuple(LineInput(me.categories[name], "25.00") for name in ("food", "travel"))
        me.alter(power, is_variable=False, lines=lines)
        with pytest.raises(InvalidInput) as caught:
            me.confirm(power, "2026-01-15", "x")
        assert [field.pointer for field in caught.value.fields] == ["/amount"]
        other, usual = me.confirm(power, "2026-01-15", "61.20"), me.confirm(power, "2026-01-16", "50")
        with database.reading() as session:
            found = expenses_by_id(session, user_id=me.id, expense_ids=[other, usual])
        parts = {one.id: (one.amount_minor, one.category_id, len(one.lines)) for one in found}
        assert parts == {other: (6_120, None, 0), usual: (5_000, None, 2)}


def test_while_it_is_paused_nothing_is_posted_nor_later_made_up_for(
    me: Bookkeeper, database: Database
) -> None:
    with at("2026-01-15T12:00:00"):
        papers = me.recur("FREQ=DAILY")
        tick(database)
        me.pause(papers)
        me.pause(papers)
        assert (me.find(papers).next_on, coming(me, "2026-01-15", "2026-02-15")) == (None, [])
    with at("2026-01-18T12:00:00"):
        assert tick(database) == 0
        me.move_to("Asia/Tokyo")
        assert tick(database) == 0
        me.move_to("UTC")
        me.resume(papers)
        me.resume(papers)
        tick(database)
    assert me.posted() == ["2026-01-15", "2026-01-18"]


def test_a_reminder_comes_so_many_days_ahead_once(me: Bookkeeper, database: Database) -> None:
    with at("2026-01-15T12:00:00"):
        rent = me.recur(starts_on="2026-01-31", remind_days_before=3)
        version = me.find(rent).version
    for day, heard in (
        ("2026-01-27T23:59:59", []),
        ("2026-01-28T00:00:00", ["due 2026-01-31"]),
        ("2026-01-30T23:59:59", ["due 2026-01-31"]),
        ("2026-01-31T00:00:00", ["due 2026-01-31", "posted 2026-01-31"]),
        ("2026-02-25T00:00:00", ["due 2026-01-31", "posted 2026-01-31", "due 2026-02-28"]),
    ):
        with at(day):
            tick(database)
            assert tick(database) == 0
            assert me.heard() == heard
    assert me.find(rent).version == version + 1  # a reminder is none


def test_reminders_overlap_where_they_are_further_ahead_than_the_rule_is_long(
    me: Bookkeeper, database: Database
) -> None:
    with at("2026-01-15T12:00:00"):
        me.recur("FREQ=DAILY", starts_on="2026-01-19", remind_days_before=2)
    for day in range(15, 21):
        with at(f"2026-01-{day}T00:00:00"):
            tick(database)
    assert me.heard() == [
        "due 2026-01-19", "due 2026-01-20", "posted 2026-01-19", "due 2026-01-21", "posted 2026-01-20",
        "due 2026-01-22",
    ]  # fmt: skip


def test_what_should_have_been_reminded_of_before_is_not(me: Bookkeeper, database: Database) -> None:
    with at("2026-01-15T12:00:00"):
        rent = me.recur(starts_on="2026-01-17", remind_days_before=3)
        tick(database)
        assert me.heard() == []
        me.alter(rent, remind_days_before=2)
        assert tick(database) == 1
        assert me.heard() == ["due 2026-01-17"]
        me.alter(rent, remind_days_before=None)
    with at("2026-02-16T12:00:00"):
        tick(database)
        assert me.heard() == ["due 2026-01-17", "posted 2026-01-17"]


def test_a_reminder_says_whether_the_amount_is_only_expected(me: Bookkeeper, database: Database) -> None:
    with at("2026-01-15T12:00:00"):
        me.recur("FREQ=YEARLY", starts_on="2026-01-18", remind_days_before=2, is_variable=True)
        me.recur("FREQ=YEARLY", starts_on="2026-01-18", remind_days_before=2)
    with at("2026-01-16T12:00:00"):
        tick(database)
    told = [data["is_variable"] for _kind, data in me.messages() if data["due_on"] == "2026-01-18"]
    assert sorted(told) == [False, True]


def test_a_reminder_that_is_late_comes_unless_the_day_is_there(me: Bookkeeper, database: Database) -> None:
    with at("2026-01-01T12:00:00"):
        me.recur(starts_on="2026-01-20", remind_days_before=10)
    with at("2026-01-18T12:00:00"):
        tick(database)
    with at("2026-02-20T12:00:00"):
        tick(database)
    assert me.heard() == ["due 2026-01-20", "posted 2026-01-20", "posted 2026-02-20"]


def test_what_is_upcoming_is_in_order_over_all(me: Bookkeeper, database: Database) -> None:
    other = Bookkeeper(database)
    with at("2026-01-15T12:00:00"):
        me.recur("FREQ=WEEKLY", starts_on="2026-01-01")
        me.recur(starts_on="2026-01-31", count=2)
        other.recur("FREQ=DAILY")
        expected = ["2026-01-15", "2026-01-22", "2026-01-29", "2026-01-31", "2026-02-05"]
        assert coming(me, "2026-01-01", "2026-02-05") == expected
        tick(database)
        assert coming(me, "2026-01-01", "2026-02-05") == expected[1:]
        assert coming(me, "2026-01-31", "2026-01-31") == ["2026-01-31"]
        with database.reading() as session:
            days: dict[str, Any] = {"first": date(2026, 1, 1), "last": date(2026, 2, 5)}
            (first,) = upcoming(session, user_id=me.id, **days, limit=1)
            (second,) = upcoming(
                session, user_id=me.id, **days, after=(first.due_on, first.recurring_id), limit=1
            )
        assert str(second.due_on) == expected[2]


def test_a_category_goes_with_what_uses_it(me: Bookkeeper, database: Database) -> None:
    with at("2026-01-15T12:00:00"):
        whole = me.recur("FREQ=DAILY", category="travel")
        split = me.recur("FREQ=DAILY", "5.00", lines=[("travel", "2.00"), ("dining", "3.00")])
        travel, food = me.categories["travel"], me.categories["food"]
        with pytest.raises(Conflict, match="recurring expenses"), database.transaction() as session:
            delete_category(session, user_id=me.id, category_id=travel)
        with database.transaction() as session:
            delete_category(session, user_id=me.id, category_id=travel, move_to=food)
        assert me.find(whole).category_id == food
        assert [part.category_id for part in me.find(split).parts] == [food, me.categories["dining"]]
        assert me.find(whole).version == 2
        tick(database)
        assert len(me.posted()) == 2


def test_another_persons_occurrences_are_left_alone(me: Bookkeeper, database: Database) -> None:
    """An archive may have brought the same ids to two accounts."""
    with at("2026-01-15T12:00:00"):
        me.recur("FREQ=DAILY")
        tick(database)
        with database.reading() as session:
            counts = session.execute(
                select(func.count(RecurringOccurrence.due_on), func.count(Expense.id.distinct())).join(
                    Expense, Expense.id == RecurringOccurrence.expense_id
                )
            ).one()
        assert tuple(counts) == (1, 1)
