"""What shares a transaction of a worker, in which order, and who is woken for the rest."""

import signal
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest
import time_machine
from celery.exceptions import SoftTimeLimitExceeded
from sqlalchemy import text, update
from sqlalchemy.orm import Session

from core import clock
from core.config import Settings
from core.database import Database, pipelined
from core.job_names import DELIVER_NOTIFICATIONS
from core.models import OutboxRow
from core.notification_channel import channel_of, decode
from core.services.notifications import NewNotification, notify
from core.services.outbox import (
    CLAIM,
    ClaimedRow,
    Job,
    delay_after,
    stage_jobs,
)
from core.wakeups import WakeUpFlags
from tests.workers.outbox import JOB, Tally, add_user, rows, runtime, stage, tallies
from workers.app import JOBS
from workers.runtime import Runtime

Rows = Mapping[str, Sequence[ClaimedRow]]

PATIENCE_S = 60.0

SLEEP = text("DO $$ BEGIN PERFORM pg_sleep(20); END $$")


def test_keys_are_done_together_but_those_that_have_failed_by_themselves(
    settings: Settings, database: Database
) -> None:
    users = sorted(add_user(database) for _ in range(4))
    together = list[list[str]]()

    def note(_runtime: Runtime, _session: Session, rows: Rows) -> None:
        together.append(list(rows))

    stage(database, users)
    with database.transaction() as session:
        session.execute(update(OutboxRow).where(OutboxRow.key == str(users[1])).values(attempts=1))
    with runtime(settings, tally=note) as worker:
        assert worker.drain(JOB) == 4
    first, failed, *others = map(str, users)
    assert together == [[first, *others], [failed]]


def test_keys_whose_time_is_over_back_off_and_are_then_tried_one_by_one(
    settings: Settings, database: Database
) -> None:
    """Which of them took so long cannot be known; the next time it can."""
    users = sorted(add_user(database) for _ in range(3))
    slow = str(users[1])
    tally = Tally()

    def work(runtime: Runtime, session: Session, rows: Rows) -> None:
        if slow in rows:
            raise SoftTimeLimitExceeded
        tally(runtime, session, rows)

    stage(database, users)
    with runtime(settings, tally=work) as worker:
        with pytest.raises(SoftTimeLimitExceeded):
            worker.drain(JOB)
        assert [row.attempts for row in rows(database)] == [1, 1, 1]
        with time_machine.travel(clock.now() + delay_after(1), tick=False):
            with pytest.raises(SoftTimeLimitExceeded):
                worker.drain(JOB)
            assert worker.drain(JOB) == 1
    assert tallies(database) == {user: 1 for user in users if str(user) != slow}
    assert [(row.key, row.attempts) for row in rows(database)] == [(slow, 2)]


def test_nobody_else_is_woken_while_a_worker_keeps_up_and_its_last_look_comes_after(
    settings: Settings, database: Database
) -> None:
    user, flags = add_user(database), WakeUpFlags(settings)
    tally = Tally()

    def work(runtime: Runtime, session: Session, rows: Rows) -> None:
        tally(runtime, session, rows)
        assert not flags.raise_flag(JOB), "whoever commits now needs no other worker"

    stage(database, [user])
    with runtime(settings, tally=work) as worker:
        claim, looks = worker._drain_batch, list[bool]()

        def look(job: str, deadline: float) -> Any:
            batch = claim(job, deadline)
            looks.append(bool(batch.settled))
            if looks == [True, False]:
                stage(database, [user])  # just too late for that look, and its wake-up is not sent
            return batch

        worker._drain_batch = look  # type: ignore[method-assign]
        assert worker.drain(JOB) == 2
    assert flags.raise_flag(JOB), "the next commit wakes somebody"
    flags.close()
    assert (tallies(database), rows(database)) == ({user: 2}, [])


def test_others_are_let_in_while_there_is_more_than_a_claim(
    settings: Settings, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    user, flags = add_user(database), WakeUpFlags(settings)
    could_wake = list[bool]()

    def work(_runtime: Runtime, _session: Session, _rows: Rows) -> None:
        could_wake.append(flags.raise_flag(JOB))

    monkeypatch.setattr("workers.runtime.CLAIM_LIMIT", 2)
    monkeypatch.setattr("core.services.outbox.CLAIM", CLAIM.limit(None).limit(2))
    stage(database, [user] * 5)
    with runtime(settings, tally=work) as worker:
        assert worker.drain(JOB) == 5
    flags.close()
    assert could_wake == [False, True, True], "the first two claims were full"


def execute_one(session: Session) -> None:
    session.execute(SLEEP)


def execute_many(session: Session) -> None:
    session.execute(SLEEP, [{}, {}])


def execute_in_a_pipeline(session: Session) -> None:
    with pipelined(session):
        session.execute(SLEEP)


@pytest.mark.parametrize("wait", [execute_one, execute_many, execute_in_a_pipeline])
def test_time_that_is_over_in_the_middle_of_a_statement_is_the_jobs_fault(
    settings: Settings, database: Database, wait: Callable[[Session], None]
) -> None:
    """The connection is useless then; this must not look like a database that is away."""
    user = add_user(database)

    def work(_runtime: Runtime, session: Session, _rows: Rows) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0.2)
        if database.dialect == "postgresql":
            wait(session)
        time.sleep(20)

    def strike(*_signal: object) -> None:
        raise SoftTimeLimitExceeded

    stage(database, [user])
    before = signal.signal(signal.SIGALRM, strike)
    try:
        with runtime(settings, tally=work) as worker, pytest.raises(SoftTimeLimitExceeded):
            worker.drain(JOB)
    finally:
        signal.signal(signal.SIGALRM, before)
    assert [row.attempts for row in rows(database)] == [1]


def test_keys_that_keep_failing_hold_nobody_up(settings: Settings, database: Database) -> None:
    failing, users = [add_user(database) for _ in range(12)], [add_user(database) for _ in range(3)]
    stage(database, failing)
    with database.transaction() as session:
        session.execute(update(OutboxRow).values(attempts=1))
    stage(database, users)
    tally = Tally(failing=set(map(str, failing)))
    with runtime(settings, tally=tally) as worker:
        assert worker.drain(JOB) == 3
    assert [key for key, _ in tally.calls][:3] == sorted(map(str, users))
    assert [row.attempts for row in rows(database)] == [2] * 12


def test_whose_work_has_waited_longest_comes_first(
    settings: Settings, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    users = sorted((add_user(database) for _ in range(5)), reverse=True)
    together = list[list[str]]()

    def note(_runtime: Runtime, _session: Session, rows: Rows) -> None:
        together.append(list(rows))

    monkeypatch.setattr("workers.runtime.KEYS_AT_ONCE", 2)
    stage(database, users)
    with runtime(settings, tally=note) as worker:
        assert worker.drain(JOB) == 5
    keys = [str(user) for user in users]
    assert together == [sorted(keys[:2]), sorted(keys[2:4]), keys[4:]], "and is done in the order of the keys"


def test_what_a_job_asks_for_is_done_to_the_end(
    settings: Settings, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    users = [add_user(database) for _ in range(5)]
    tally = Tally()

    def first(_runtime: Runtime, session: Session, _rows: Rows) -> None:
        stage_jobs(session, [Job(JOB, str(user), {}) for user in users])

    monkeypatch.setattr("workers.runtime.KEYS_AT_ONCE", 2)
    stage(database, ["once"], job="first")
    with runtime(settings, first=first, tally=tally) as worker:
        assert worker.drain("first") == 6
    assert tallies(database) == dict.fromkeys(users, 1)


def test_many_notifications_go_out_in_order_and_none_is_left_out(
    settings: Settings, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = add_user(database), add_user(database)
    monkeypatch.setattr("workers.tasks.notifications.MAX_AT_ONCE", 3)
    for count in (4, 1, 3):
        with database.transaction() as session:
            notify(
                session, [NewNotification(user, "test", {}) for user in (one, other) for _ in range(count)]
            )
    with runtime(settings, **JOBS) as worker, worker.redis.pubsub() as listener:
        listener.psubscribe(channel_of(settings.redis_prefix, one)[:-36] + "*")
        assert listener.get_message(timeout=PATIENCE_S)
        assert worker.drain(DELIVER_NOTIFICATIONS) == 6
        heard = [listener.get_message(timeout=PATIENCE_S) for _ in range(16)]
    numbers: dict[bytes, list[int]] = {}
    for message in heard:
        assert message is not None
        numbers.setdefault(message["channel"], []).append(decode(message["data"]).seq)
    assert list(numbers.values()) == [list(range(1, 9))] * 2
