"""How a worker works off the outbox: each row once, whatever fails, and in small enough steps."""

import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import timedelta

import pytest
import redis
import time_machine
from sqlalchemy import text
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from core import clock
from core.config import Settings
from core.database import Database
from core.ids import new_id
from core.job_names import DELIVER_NOTIFICATIONS, EVALUATE_BUDGETS
from core.notification_channel import channel_of, decode
from core.services.notifications import NewNotification, notify
from core.services.outbox import (
    MAX_ATTEMPTS,
    ClaimedRow,
    Job,
    delay_after,
    revive_dead_rows,
    stage_jobs,
)
from tests.workers.outbox import JOB, Tally, add_user, rows, runtime, stage, tallies
from workers.app import JOBS
from workers.runtime import Runtime

Rows = Mapping[str, Sequence[ClaimedRow]]

PATIENCE_S = 60.0


def test_the_rows_of_a_key_are_done_together_and_go(settings: Settings, database: Database) -> None:
    first, second = add_user(database), add_user(database)
    stage(database, [first, second, first, first])
    tally = Tally()
    with runtime(settings, tally=tally) as worker:
        assert worker.drain(JOB) == 4
        assert worker.drain(JOB) == 0
    assert sorted(tally.calls) == sorted([(str(first), 3), (str(second), 1)])
    assert rows(database) == []
    assert tallies(database) == {first: 3, second: 1}


def test_other_jobs_are_left_alone(settings: Settings, database: Database) -> None:
    stage(database, [add_user(database)], job="another")
    with runtime(settings, tally=Tally()) as worker:
        assert worker.drain(JOB) == 0
    assert [row.job for row in rows(database)] == ["another"]


def test_an_effect_is_undone_when_the_job_fails_after_it(settings: Settings, database: Database) -> None:
    user = add_user(database)
    stage(database, [user, user])
    tally = Tally(failing={str(user)})
    with runtime(settings, tally=tally) as worker:
        assert worker.drain(JOB) == 0
    assert tally.calls, "it had its effect, and then failed"
    assert tallies(database) == {}
    assert [(row.attempts, row.last_error) for row in rows(database)] == [
        (1, "ValueError: the job cannot be done")
    ] * 2


def test_what_is_kept_of_an_error_quotes_no_row(settings: Settings, database: Database) -> None:
    """PostgreSQL's DETAIL has the whole row that was refused, and SQLAlchemy's text the parameters."""
    stage(database, ["somebody"])

    def refuse(_runtime: Runtime, session: Session, _rows: object) -> None:
        values = {"note": "private clinic", "at": clock.now()}
        session.execute(text("INSERT INTO invariant_checks (name, checked_at) VALUES (:note, :at)"), values)

    with runtime(settings, tally=refuse) as worker:
        worker.drain(JOB)
    (row,) = rows(database)
    assert row.attempts == 1
    assert "Error: (" in str(row.last_error)
    assert "private" not in str(row.last_error)


def test_an_effect_is_undone_when_its_rows_cannot_be_deleted(
    settings: Settings, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when the process dies between the two: neither is there without the other."""
    user = add_user(database)
    stage(database, [user])
    tally = Tally()

    def fail(_session: Session, _rows: Sequence[ClaimedRow]) -> None:
        raise OSError("the machine is going down")

    with runtime(settings, tally=tally) as worker:
        with monkeypatch.context() as patch:
            patch.setattr("workers.runtime.settle_rows", fail)
            worker.drain(JOB)
        assert (tallies(database), len(rows(database))) == ({}, 1)
        with time_machine.travel(clock.now() + delay_after(1), tick=False):
            assert worker.drain(JOB) == 1
    assert (tallies(database), rows(database)) == ({user: 1}, [])


def test_a_failing_key_does_not_stop_the_others(settings: Settings, database: Database) -> None:
    users = [add_user(database) for _ in range(5)]
    stage(database, users * 3)
    with runtime(settings, tally=Tally(failing={str(users[2])})) as worker:
        assert worker.drain(JOB) == 12
    assert tallies(database) == {user: 3 for user in users if user != users[2]}
    assert {row.key for row in rows(database)} == {str(users[2])}


def test_a_failed_job_is_tried_again_later_and_later_until_it_is_dead_and_kept(
    settings: Settings, database: Database
) -> None:
    user = add_user(database)
    stage(database, [user])
    tally = Tally(failing={str(user)})
    now = clock.now()
    with runtime(settings, tally=tally) as worker:
        for attempt in range(1, MAX_ATTEMPTS + 1):
            with time_machine.travel(now, tick=False):
                worker.drain(JOB)
                worker.drain(JOB)
            (row,) = rows(database)
            assert row.attempts == attempt, "not tried again at once"
            assert row.available_at == now + delay_after(attempt)
            assert (row.dead_at is not None) == (attempt == MAX_ATTEMPTS)
            now = row.available_at
        tried = len(tally.calls)
        with time_machine.travel(now + timedelta(days=30), tick=False):
            assert worker.drain(JOB) == 0
        assert len(tally.calls) == tried
    assert [row.key for row in rows(database)] == [str(user)]
    assert tallies(database) == {}


def test_a_dead_job_that_is_revived_is_done_once(settings: Settings, database: Database) -> None:
    user = add_user(database)
    stage(database, [user])
    tally = Tally(failing={str(user)})
    with runtime(settings, tally=tally) as worker:
        now = clock.now()
        for _ in range(MAX_ATTEMPTS):
            with time_machine.travel(now, tick=False):
                worker.drain(JOB)
            now = rows(database)[0].available_at
        assert rows(database)[0].dead_at is not None
        tally.failing.clear()
        with database.transaction() as session:
            assert revive_dead_rows(session) == [JOB]
        assert worker.drain(JOB) == 1
    assert (tallies(database), rows(database)) == ({user: 1}, [])


def test_a_waiting_job_of_a_failing_key_does_not_hide_what_comes_later(
    settings: Settings, database: Database
) -> None:
    user, other = add_user(database), add_user(database)
    stage(database, [user])
    with runtime(settings, tally=Tally(failing={str(user)})) as worker:
        worker.drain(JOB)
        stage(database, [other])
        assert worker.drain(JOB) == 1
    assert tallies(database) == {other: 1}


def test_what_a_job_asks_for_is_done_after_each_batch(settings: Settings, database: Database) -> None:
    """While others go on writing there is always another batch; nobody's alert waits for the last."""
    user, order = add_user(database), list[str]()

    def first(_runtime: Runtime, session: Session, rows: Rows) -> None:
        order.append("first")
        (key,) = rows
        stage_jobs(session, [Job("second", key, {})])
        if order.count("first") < 3:
            stage(database, [key], job="first") if database.dialect == "postgresql" else stage_jobs(
                session, [Job("first", key, {})]
            )

    def second(_runtime: Runtime, _session: Session, _rows: Rows) -> None:
        order.append("second")

    stage(database, [user], job="first")
    with runtime(settings, first=first, second=second) as worker:
        assert worker.drain("first") == 6
    assert order == ["first", "second"] * 3


def test_a_task_whose_time_is_over_leaves_the_rest_to_the_next(
    settings: Settings, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = add_user(database)

    def again(_runtime: Runtime, session: Session, rows: Rows) -> None:
        stage_jobs(session, [Job("again", key, {}) for key in rows])

    stage(database, [user], job="again")
    with runtime(settings, again=again) as worker:
        monkeypatch.setattr("workers.runtime.DRAIN_TIME_S", 0)
        assert worker.drain("again") == 2, "a batch, and a last look after the flag is lowered"
    assert len(rows(database)) == 1


def test_workers_side_by_side_never_do_a_row_twice(settings: Settings, database: Database) -> None:
    users = [add_user(database) for _ in range(12)]
    tally, is_over, errors = Tally(), threading.Event(), list[BaseException]()

    def drain() -> None:
        try:
            with runtime(settings, tally=tally) as worker:
                while worker.drain(JOB) or not is_over.is_set():
                    pass
        except BaseException as error:  # noqa: BLE001 - raised below
            errors.append(error)

    workers = [threading.Thread(target=drain) for _ in range(4)]
    for thread in workers:
        thread.start()
    for turn in range(60):
        stage(database, users[turn % 5 :] + users[: turn % 7])
    is_over.set()
    for thread in workers:
        thread.join(PATIENCE_S)
        assert not thread.is_alive()
    assert errors == []
    staged = Counter(user for turn in range(60) for user in users[turn % 5 :] + users[: turn % 7])
    assert tallies(database) == staged
    assert sum(count for _, count in tally.calls) == staged.total()
    assert rows(database) == []


def test_rows_that_another_worker_holds_are_passed_over(settings: Settings, database: Database) -> None:
    if database.dialect == "sqlite":
        pytest.skip("SQLite lets one writer in at a time, so nobody ever sees a row that is held")
    held, free = add_user(database), add_user(database)
    stage(database, [held])
    has_claimed, may_end = threading.Event(), threading.Event()

    def hold(_runtime: Runtime, _session: Session, _rows: Rows) -> None:
        has_claimed.set()
        assert may_end.wait(PATIENCE_S)

    with runtime(settings, tally=hold) as busy, runtime(settings, tally=Tally()) as other:
        thread = threading.Thread(target=busy.drain, args=(JOB,))
        thread.start()
        try:
            assert has_claimed.wait(PATIENCE_S)
            stage(database, [free])
            assert other.drain(JOB) == 1
            assert tallies(database) == {free: 1}
        finally:
            may_end.set()
            thread.join(PATIENCE_S)
    assert rows(database) == []


def test_jobs_of_a_user_who_was_deleted_meanwhile_are_dropped_quietly(
    settings: Settings, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    nobody, somebody = new_id(), add_user(database)
    for job in (EVALUATE_BUDGETS, DELIVER_NOTIFICATIONS):
        stage(database, [nobody, somebody], job=job)
    with runtime(settings, **JOBS) as worker:
        assert [worker.drain(EVALUATE_BUDGETS), worker.drain(DELIVER_NOTIFICATIONS)] == [2, 2]
    assert rows(database) == []
    assert caplog.records == []


def test_notifications_stay_in_the_outbox_while_redis_is_away(settings: Settings, database: Database) -> None:
    user = add_user(database)
    with database.transaction() as session:
        notify(session, [NewNotification(user, "test", {"number": n}) for n in range(3)])
    with runtime(settings, **JOBS) as worker:
        live, worker.redis = worker.redis, redis.Redis(port=1)
        with pytest.raises(redis.RedisError):
            worker.drain(DELIVER_NOTIFICATIONS)
        (row,) = rows(database)
        assert (row.attempts, row.dead_at) == (0, None), "it is not the job that failed"
        worker.redis = live
        with live.pubsub(ignore_subscribe_messages=False) as listener:
            listener.subscribe(channel_of(settings.redis_prefix, user))
            assert listener.get_message(timeout=PATIENCE_S)
            assert worker.drain(DELIVER_NOTIFICATIONS) == 1
            heard = [listener.get_message(timeout=PATIENCE_S) for _ in range(3)]
    assert [decode(message["data"]).seq for message in heard if message] == [1, 2, 3]
    assert rows(database) == []


def test_a_database_that_is_away_is_not_the_jobs_fault(settings: Settings, database: Database) -> None:
    user = add_user(database)
    stage(database, [user])

    def lose_connection(_runtime: Runtime, _session: Session, _rows: Rows) -> None:
        raise OperationalError("SELECT 1", {}, Exception(), connection_invalidated=True)

    with runtime(settings, tally=lose_connection) as worker, pytest.raises(OperationalError):
        worker.drain(JOB)
    assert [row.attempts for row in rows(database)] == [0]
