"""When recurring expenses are posted: each occurrence once, on its day, whatever happens in between."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import available_timezones

import pytest
import time_machine
from sqlalchemy import event, select

from core.database import Database
from core.models import DailySpending, Expense, OutboxRow
from core.queries.invariants import spending_differences
from core.rules.expense_rules import Action
from core.rules.recurrence import RecurrenceRule
from core.rules.recurrence_texts import read_rule
from core.rules.recurring_plans import Progress, newest_day, plan
from core.services import recurring_posting
from core.services.accounts import delete_account
from core.services.expense_rules import NewRule, create_rule
from core.services.recurring_posting import MAX_CAUGHT_UP
from tests.core.services.bookkeeper import Bookkeeper, tick
from tests.core.services.spender import at
from workers.tasks import recurring_expenses as task

DAY = timedelta(days=1)


@pytest.fixture
def me(database: Database) -> Bookkeeper:
    return Bookkeeper(database)


def test_what_is_due_today_is_posted_as_an_ordinary_expense(me: Bookkeeper, database: Database) -> None:
    with at("2026-03-31T12:00:00"):
        rent = me.recur(
            amount="900.00", payee="Landlord", note="Flat 3", tags=("home",), category="food", count=3
        )
        budget = me.budget("1000.00", categories=["food"])
        assert me.find(rent).next_on == date(2026, 3, 31)
        tick(database)
        me.settle()
        (expense,) = me.expenses()
        assert (expense.amount_minor, expense.payee, expense.note) == (90_000, "Landlord", "Flat 3")
        assert (expense.source, expense.spent_on) == ("recurring", date(2026, 3, 31))
        assert me.current(budget).spent_minor == 90_000
        assert (me.states(rent), me.find(rent).next_on) == ({"2026-03-31": "posted"}, date(2026, 4, 30))
        data = dict(me.messages())["recurring.posted"]
        assert data == {
            "recurring_id": str(rent), "expense_id": str(expense.id), "payee": "Landlord",
            "amount": "900.00", "currency": "EUR", "due_on": "2026-03-31",
        }  # fmt: skip
    with at("2026-04-30T00:00:00"):
        tick(database)
        tick(database)
    with at("2026-05-31T00:00:00"):
        tick(database)
    assert me.posted() == ["2026-03-31", "2026-04-30", "2026-05-31"]
    ended = me.find(rent)
    assert (ended.next_on, ended.next_at) == (None, None)
    with database.reading() as session:
        assert spending_differences(session, user_id=me.id) == []


def test_an_old_start_is_only_the_phase(me: Bookkeeper, database: Database) -> None:
    with at("2026-03-15T12:00:00"):
        weekly = me.recur("FREQ=WEEKLY;INTERVAL=2", starts_on="2020-01-06", count=170)
        tick(database)
        assert (me.posted(), me.find(weekly).next_on) == ([], date(2026, 3, 23))
        assert me.find(weekly).last_on == date(2026, 6, 29)


def test_a_rule_of_the_users_has_its_effect_on_what_is_posted(me: Bookkeeper, database: Database) -> None:

    with at("2026-03-15T12:00:00"):
        with database.transaction() as session:
            then = Action(category_id=me.categories["travel"], payee=None, add_tags=("auto",))
            rule = NewRule(name="Auto", when={"source": {"equals": "recurring"}}, then=then)
            create_rule(session, user_id=me.id, rule=rule)
        me.recur("FREQ=DAILY")
        tick(database)
        assert me.expenses()[0].category_id == me.categories["travel"]


def test_lines_are_posted_with_their_categories(me: Bookkeeper, database: Database) -> None:
    with at("2026-03-15T12:00:00"):
        me.recur("FREQ=DAILY", "5.00", lines=[("groceries", "2.00"), ("travel", "3.00")])
        tick(database)
        with database.reading() as session:
            totals = session.execute(
                select(DailySpending.category_id, DailySpending.amount_minor).where(
                    DailySpending.user_id == me.id
                )
            ).all()
        assert set(totals) == {(me.categories["groceries"], 200), (me.categories["travel"], 300)}


def test_what_is_due_is_posted_at_the_first_instant_of_the_users_day(database: Database) -> None:
    me = Bookkeeper(database, timezone="America/New_York")
    with at("2026-03-31T12:00:00"):
        me.recur("FREQ=DAILY", starts_on="2026-04-01")
    with at("2026-04-01T03:59:59"):
        assert (tick(database), me.posted()) == (0, [])
    with at("2026-04-01T04:00:00"):
        tick(database)
        assert me.posted() == ["2026-04-01"]


@pytest.mark.parametrize(
    ("zone", "now", "newest"),
    [
        # Put back from a minute past midnight to 23:01.
        ("America/St_Johns", "2010-11-07T02:29:59", "2010-11-06"),
        ("America/St_Johns", "2010-11-07T02:30:00", "2010-11-07"),
        ("America/St_Johns", "2010-11-07T03:00:00", "2010-11-07"),
        # Put back from midnight to 23:00: no day has begun.
        ("America/Sao_Paulo", "2018-02-18T02:30:00", "2018-02-17"),
        ("America/Sao_Paulo", "2018-02-18T03:00:00", "2018-02-18"),
        ("Pacific/Apia", "2011-12-30T09:59:59", "2011-12-29"),
        ("Pacific/Apia", "2011-12-30T10:00:00", "2011-12-31"),
    ],
)
def test_a_day_that_has_begun_does_not_begin_again(zone: str, now: str, newest: str) -> None:
    found = newest_day(datetime.fromisoformat(now).replace(tzinfo=UTC), zone)
    assert found == date.fromisoformat(newest)


def test_when_the_clock_is_put_back_over_midnight_nothing_is_posted_twice(database: Database) -> None:
    me = Bookkeeper(database, timezone="America/St_Johns")
    with at("2010-11-06T12:00:00"):
        me.recur("FREQ=DAILY")
        tick(database)
    for time in ("02:30:00", "02:31:00", "03:00:00", "03:30:00"):
        with at(f"2010-11-07T{time}"):
            tick(database)
            assert tick(database) == 0
            assert me.posted() == ["2010-11-06", "2010-11-07"]


def test_the_day_that_a_zone_left_out_is_posted_with_the_next_one(database: Database) -> None:
    me = Bookkeeper(database, timezone="Pacific/Apia")
    with at("2011-12-29T12:00:00"):
        me.recur("FREQ=DAILY")
        tick(database)
    with at("2011-12-30T10:00:00"):
        tick(database)
    assert me.posted() == ["2011-12-29", "2011-12-30", "2011-12-31"]


def test_in_every_time_zone_it_is_due_when_the_day_begins(database: Database) -> None:
    """All are reckoned, and of those with the same instant one is posted."""
    day = date(2026, 3, 29)
    zones: dict[datetime, str] = {}
    rule = RecurrenceRule(pattern=read_rule("FREQ=YEARLY").pattern, starts_on=day)
    progress = Progress(handled_through=day - 9 * DAY, reminded_through=day)
    for zone in sorted(available_timezones()):
        due_at = plan(rule, progress, remind_days=None, timezone=zone).next_at
        assert due_at is not None
        assert newest_day(due_at, zone) == day
        assert newest_day(due_at - timedelta(seconds=1), zone) < day
        zones[due_at] = zone
    with at("2026-03-27T12:00:00"):
        people = {due_at: Bookkeeper(database, timezone=zone) for due_at, zone in zones.items()}
        for person in people.values():
            person.recur("FREQ=YEARLY", starts_on=str(day))
    for due_at, person in sorted(people.items(), key=lambda one: one[0]):
        for moment, posted in ((due_at - timedelta(seconds=1), []), (due_at, [str(day)])):
            with time_machine.travel(moment, tick=False):
                tick(database)
                assert person.posted() == posted


def test_what_was_late_is_caught_up_in_order(me: Bookkeeper, database: Database) -> None:
    with at("2026-03-01T12:00:00"):
        me.recur("FREQ=DAILY", payee="Papers")
        tick(database)
    with at("2026-03-11T12:00:00"):
        tick(database)
    days = [f"2026-03-{day:02d}" for day in range(1, 12)]
    assert me.posted() == days
    assert me.heard() == [f"posted {day}" for day in days]


def test_no_more_than_so_many_are_caught_up_and_the_user_is_told(
    me: Bookkeeper, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    with at("2026-01-01T12:00:00"):
        papers = me.recur("FREQ=DAILY")
        tick(database)
    with at("2026-03-01T12:00:00"):
        tick(database)
    posted = me.posted()
    assert (len(posted), posted[0], posted[1], posted[-1]) == (
        1 + MAX_CAUGHT_UP, "2026-01-01", "2026-01-30", "2026-03-01",
    )  # fmt: skip
    states = me.states(papers)
    assert [day for day, state in states.items() if state == "missed"] == [
        str(date(2026, 1, 2) + n * DAY) for n in range(28)
    ]
    told = [data for kind, data in me.messages() if "missed" in data]
    assert [(one["missed"], one["missed_from"], one["missed_to"]) for one in told] == [
        (28, "2026-01-02", "2026-01-29")
    ]
    assert "recurring.missed" in caplog.text


def test_two_ticks_at_once_post_everything_once(database: Database) -> None:

    with at("2026-03-01T12:00:00"):
        people = [Bookkeeper(database) for _ in range(6)]
        for person in people:
            for _ in range(20):
                person.recur("FREQ=DAILY")
    with at("2026-03-03T12:00:00"), ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda _: tick(database), range(3)))
    with at("2026-03-03T12:00:30"):
        tick(database)
    for person in people:
        assert person.posted() == [f"2026-03-0{n}" for n in (1, 2, 3) for _ in range(20)]
        assert len(person.messages()) == 60


def test_a_tick_that_is_killed_in_the_middle_of_a_batch_loses_nothing(
    me: Bookkeeper, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    def die(*_args: Any, **_more: Any) -> None:
        raise Killed

    with at("2026-03-01T12:00:00"):
        papers = me.recur("FREQ=DAILY")
        for name in ("notify", "insert_many_expenses"):
            with monkeypatch.context() as patch:
                patch.setattr(recurring_posting, name, die)
                with pytest.raises(Killed):
                    tick(database)
            assert (me.posted(), me.states(papers), me.messages()) == ([], {}, [])
        tick(database)
        assert (me.posted(), me.heard()) == (["2026-03-01"], ["posted 2026-03-01"])


def test_batches_follow_each_other_until_nothing_is_due(
    me: Bookkeeper, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(task, "BATCH", 3)
    with at("2026-03-01T12:00:00"):
        for _ in range(10):
            me.recur("FREQ=DAILY")
    with at("2026-03-02T12:00:00"):
        assert tick(database) == 20
        assert tick(database) == 0
    assert len(me.posted()) == 20


def test_a_tick_with_nothing_due_is_one_query(me: Bookkeeper, database: Database) -> None:
    asked: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_more: Any) -> None:
        asked.append(statement)

    with at("2026-03-01T12:00:00"):
        me.recur("FREQ=DAILY")
        tick(database)
        event.listen(database.engine, "before_cursor_execute", note)
        try:
            assert tick(database) == 0
        finally:
            event.remove(database.engine, "before_cursor_execute", note)
    assert len(asked) == 1
    assert "recurring_expenses" in asked[0]


def test_a_move_to_another_time_zone_posts_nothing_twice_and_loses_nothing(database: Database) -> None:
    me = Bookkeeper(database, timezone="Pacific/Kiritimati")
    with at("2026-03-30T12:00:00"):  # the 31st there
        me.recur("FREQ=DAILY")
        tick(database)
        assert me.posted() == ["2026-03-31"]
        me.move_to("Pacific/Pago_Pago")  # the 30th there
        tick(database)
        assert me.posted() == ["2026-03-31"]
    with at("2026-03-31T12:00:00"):
        tick(database)
        assert me.posted() == ["2026-03-31"]
        me.move_to("Pacific/Kiritimati")  # the first of April
        tick(database)
        assert me.posted() == ["2026-03-31", "2026-04-01"]
        me.move_to("UTC")
        tick(database)
    with at("2026-04-02T00:00:00"):
        tick(database)
    assert me.posted() == ["2026-03-31", "2026-04-01", "2026-04-02"]


def test_evaluations_and_deliveries_are_asked_for(me: Bookkeeper, database: Database) -> None:
    with at("2026-03-01T12:00:00"):
        me.recur("FREQ=DAILY")
        woken: set[str] = set()
        task.post_all(database, wake=woken.update)
        assert woken == {"evaluate_budgets", "deliver_notifications"}
        with database.reading() as session:
            own = select(OutboxRow.job).where(OutboxRow.key == str(me.id))
            assert set(session.scalars(own)) == woken


def test_a_deleted_account_is_passed_over(database: Database) -> None:

    with at("2026-03-01T12:00:00"):
        gone, there = Bookkeeper(database), Bookkeeper(database)
        for person in (gone, there):
            person.recur("FREQ=DAILY")
        with database.transaction() as session:
            delete_account(session, user_id=gone.id, expected_versions=None)
        tick(database)
        with database.reading() as session:
            assert session.scalars(select(Expense.user_id)).all() == [there.id]
