"""One recurring expense that cannot be posted now keeps no other waiting."""

from datetime import UTC, date, datetime, timedelta

import psycopg
import pytest
import time_machine
from sqlalchemy import insert, select, update
from sqlalchemy.exc import OperationalError

from core.database import Database
from core.models import DailySpending, RecurringExpense, RecurringOccurrence, User
from core.models.spending import MAX_DAILY_TOTAL_MINOR, UNCATEGORISED
from core.services.recurring_posting import MAX_CAUGHT_UP, RETRY_AFTER
from tests.core.services.bookkeeper import Bookkeeper, tick
from tests.core.services.spender import at
from workers.tasks import recurring_expenses as task

DAY = timedelta(days=1)


@pytest.fixture
def me(database: Database) -> Bookkeeper:
    return Bookkeeper(database)


def fill_up(database: Database, me: Bookkeeper, day: str) -> None:
    """Let a day's total be as large as it can be."""
    full = {
        "user_id": me.id, "day": date.fromisoformat(day), "category_id": UNCATEGORISED, "currency": "EUR",
        "amount_minor": MAX_DAILY_TOTAL_MINOR, "count": 1,
    }  # fmt: skip
    with database.transaction() as session:
        session.execute(insert(DailySpending).values(full))


def test_one_that_cannot_be_posted_waits_is_told_once_and_stops_no_other(
    me: Bookkeeper, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    other = Bookkeeper(database)
    with at("2026-03-01T12:00:00"):
        stuck = me.recur("FREQ=DAILY")
        fine = me.recur("FREQ=DAILY", category="travel")
        other.recur("FREQ=DAILY")
        fill_up(database, me, "2026-03-01")
        tick(database)
        assert (me.states(fine), other.posted()) == ({"2026-03-01": "posted"}, ["2026-03-01"])
        assert me.states(stuck) == {}
        found = me.find(stuck)
        assert "total" in (found.problem or "")
        assert found.next_on == date(2026, 3, 1)
        assert sorted(me.heard()) == ["due 2026-03-01?", "posted 2026-03-01"]
        assert str(stuck) in caplog.text
        assert tick(database) == 0
    with time_machine.travel(datetime(2026, 3, 1, 12, tzinfo=UTC) + RETRY_AFTER, tick=False):
        assert tick(database) == 1
        assert len(me.heard()) == 2
    with at("2026-03-02T00:00:00"):
        tick(database)
        assert other.posted() == ["2026-03-01", "2026-03-02"]
        me.alter(stuck, category_id=me.categories["food"])
        tick(database)
        assert me.states(stuck) == {"2026-03-01": "posted", "2026-03-02": "posted"}
        assert me.find(stuck).problem is None


def test_what_is_too_long_ago_while_one_waits_is_told_once(me: Bookkeeper, database: Database) -> None:
    def told() -> list[tuple[int, str, str]]:
        return [
            (data["missed"], data["missed_from"], data["missed_to"])
            for _kind, data in me.messages()
            if "missed" in data
        ]

    first = date(2026, 3, 1)
    with at("2026-03-01T12:00:00"):
        stuck = me.recur("FREQ=DAILY")
        for days in range(MAX_CAUGHT_UP + 9):
            fill_up(database, me, str(first + days * DAY))
        tick(database)
        assert (len(me.heard()), told()) == (1, [])
    with time_machine.travel(datetime(2026, 3, 6, 12, tzinfo=UTC) + MAX_CAUGHT_UP * DAY, tick=False):
        tick(database)
        assert told() == [(6, "2026-03-01", "2026-03-06")]
        assert list(me.states(stuck).values()) == ["missed"] * 6
        assert me.messages()[-1][1]["problem"]
    with time_machine.travel(
        datetime(2026, 3, 6, 12, tzinfo=UTC) + MAX_CAUGHT_UP * DAY + RETRY_AFTER, tick=False
    ):
        assert tick(database) == 1
        assert len(me.heard()) == 2
    with time_machine.travel(datetime(2026, 3, 7, 12, tzinfo=UTC) + MAX_CAUGHT_UP * DAY, tick=False):
        tick(database)
        assert told()[1:] == [(1, "2026-03-07", "2026-03-07")]


def test_one_whose_posting_fails_in_an_unknown_way_is_set_aside(
    me: Bookkeeper, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    with at("2026-03-01T12:00:00"):
        broken, fine = me.recur("FREQ=DAILY"), me.recur("FREQ=DAILY")
        with database.transaction() as session:
            # An occurrence that was handled already, which nobody knows of.
            row = {
                "user_id": me.id, "recurring_id": broken, "due_on": date(2026, 3, 1), "state": "posted",
                "created_at": datetime.now(UTC), "updated_at": datetime.now(UTC),
            }  # fmt: skip
            session.execute(insert(RecurringOccurrence).values(row))
        tick(database)
    assert me.posted() == ["2026-03-01"]
    assert me.find(fine).problem is None
    assert me.find(broken).problem == task.UNKNOWN_PROBLEM
    assert "recurring.failed" in caplog.text


def test_one_that_cannot_even_be_set_aside_does_not_keep_the_tick_busy(
    me: Bookkeeper, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    with at("2026-03-01T12:00:00"):
        broken, _fine = me.recur("FREQ=DAILY"), me.recur("FREQ=DAILY")
        with database.transaction() as session:
            session.execute(
                update(RecurringExpense).where(RecurringExpense.id == broken).values(rule="FREQ=NEVER")
            )
        tick(database)
    assert me.posted() == ["2026-03-01"]
    assert "recurring.not_set_aside" in caplog.text


def test_whoever_is_held_for_long_keeps_nobody_else_waiting(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    if database.dialect == "sqlite":
        pytest.skip("there is one write lock for all")
    monkeypatch.setattr(task, "BATCH", 1)
    held, free = Bookkeeper(database), Bookkeeper(database)
    url = database.engine.url.render_as_string(hide_password=False)
    impatient = Database(url, pool_size=2, lock_timeout_ms=200)
    with at("2026-03-01T12:00:00"):
        held.recur("FREQ=DAILY")
        free.recur("FREQ=DAILY", starts_on=date(2026, 3, 2))
    with at("2026-03-02T12:00:00"):
        with database.transaction() as session:
            session.execute(select(User.id).where(User.id == held.id).with_for_update())
            tick(impatient)
            assert (held.posted(), free.posted()) == ([], ["2026-03-02"])
        tick(database)
    assert held.posted() == ["2026-03-01", "2026-03-02"]
    impatient.close()


def test_a_deadlock_is_no_fault_of_the_recurring_expense(
    me: Bookkeeper, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_arguments: object, **_options: object) -> None:
        raise OperationalError("…", {}, psycopg.errors.DeadlockDetected())

    with at("2026-03-01T12:00:00"):
        gym = me.recur("FREQ=DAILY")
        with monkeypatch.context() as patched:
            patched.setattr(task, "post_due", fail)
            patched.setattr(task, "post_one", fail)
            assert tick(database) == 0
        assert me.find(gym).problem is None
        assert tick(database) == 1, "at once, not after an hour"
    assert me.posted() == ["2026-03-01"]
