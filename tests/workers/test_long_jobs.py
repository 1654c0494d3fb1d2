"""Jobs of many transactions: their end and their effect are one, and who is killed is followed by another."""

import threading
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest
import time_machine
from celery.exceptions import SoftTimeLimitExceeded
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from core import clock
from core.config import Settings
from core.database import Database
from core.ids import new_id
from core.models import User
from core.services.outbox import ClaimedRow, lease_row, renew_lease
from tests.processes import eventually
from tests.workers.outbox import JOB, add_user, rows, stage, tallies
from workers import long_jobs
from workers import runtime as runtime_module
from workers.long_jobs import CONNECTIONS, LEASE, MAX_ATTEMPTS, Lease, LongJob, work_off_long
from workers.runtime import Runtime

OTHER = "another"


@pytest.fixture
def builder(settings: Settings, database: Database) -> Iterator[Runtime]:
    made = Runtime(settings, {}, connections=CONNECTIONS)
    yield made
    made.close()


class Killed(BaseException):
    """As if the process ended here: nobody handles it."""


def tally(session: Session, row: ClaimedRow) -> None:
    adding = {"notification_seq": User.notification_seq + 1}
    session.execute(update(User).where(User.username == row.key).values(adding))


def note_failure(session: Session, row: ClaimedRow) -> None:
    session.execute(update(User).where(User.username == row.key).values(display_name="failed"))


def long_job(work: Callable[[Runtime, Lease], None]) -> LongJob:
    return LongJob(JOB, work, note_failure)


def finish(runtime: Runtime, lease: Lease) -> None:
    with runtime.writing() as session:
        tally(session, lease.row)
        lease.settle(session)


def failures(database: Database) -> int:
    with database.reading() as session:
        return session.scalar(select(func.count()).where(User.display_name == "failed")) or 0


def test_each_row_is_done_once(builder: Runtime, database: Database) -> None:
    first, second = add_user(database), add_user(database)
    stage(database, [first, second])
    stage(database, [first], job=OTHER)
    assert work_off_long(builder, long_job(finish)) == 2
    assert work_off_long(builder, long_job(finish)) == 0
    assert tallies(database) == {first: 1, second: 1}
    assert [row.job for row in rows(database)] == [OTHER]


def test_who_is_killed_is_followed_by_another_after_the_lease(builder: Runtime, database: Database) -> None:
    user_id = add_user(database)
    stage(database, [user_id])

    def die(_runtime: Runtime, _lease: Lease) -> None:
        raise Killed

    with pytest.raises(Killed):
        work_off_long(builder, long_job(die))
    assert work_off_long(builder, long_job(finish)) == 0, "the lease is not over"
    with time_machine.travel(clock.now() + LEASE, tick=True):
        assert work_off_long(builder, long_job(finish)) == 1
    assert tallies(database) == {user_id: 1}
    assert rows(database) == []


def test_a_lease_is_renewed_while_the_work_goes_on(
    builder: Runtime, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(long_jobs, "RENEWAL_S", 0.01)
    stage(database, [new_id()])

    def wait_for_renewal(runtime: Runtime, lease: Lease) -> None:
        (leased,) = rows(database)
        assert eventually(lambda: rows(database)[0].available_at > leased.available_at)
        finish(runtime, lease)

    assert work_off_long(builder, long_job(wait_for_renewal)) == 1
    assert rows(database) == []


def test_who_has_slept_through_the_lease_has_no_effect(builder: Runtime, database: Database) -> None:
    user_id = add_user(database)
    stage(database, [user_id])

    def oversleep(runtime: Runtime, lease: Lease) -> None:
        with time_machine.travel(clock.now() + LEASE, tick=True), database.transaction() as session:
            taken = lease_row(session, job=JOB, lease=LEASE)
            assert taken is not None
            assert not renew_lease(session, lease.row, lease=LEASE)
        finish(runtime, lease)

    assert work_off_long(builder, long_job(oversleep)) == 1
    assert tallies(database) == {}, "what the late one wrote is rolled back"
    assert len(rows(database)) == 1, "it is the other's"


def test_who_has_lost_the_lease_may_not_write_in_between(builder: Runtime, database: Database) -> None:
    user_id = add_user(database)
    stage(database, [user_id])

    def oversleep(runtime: Runtime, lease: Lease) -> None:
        with runtime.writing() as session:
            lease.hold(session)
        with time_machine.travel(clock.now() + LEASE, tick=True), database.transaction() as session:
            assert lease_row(session, job=JOB, lease=LEASE) is not None
        with runtime.writing() as session:
            tally(session, lease.row)
            lease.hold(session)

    assert work_off_long(builder, long_job(oversleep)) == 1
    assert tallies(database) == {}, "what the late one wrote is rolled back"
    assert len(rows(database)) == 1, "it is the other's"


def test_what_fails_is_tried_again_and_given_up_in_the_end(builder: Runtime, database: Database) -> None:
    user_id = add_user(database)
    stage(database, [user_id])

    def fail(_runtime: Runtime, _lease: Lease) -> None:
        raise ValueError("it cannot be done")

    for attempt in range(1, MAX_ATTEMPTS):
        with time_machine.travel(clock.now() + attempt * LEASE, tick=True):
            assert work_off_long(builder, long_job(fail)) == 1
        assert [(row.attempts, row.last_error) for row in rows(database)] == [
            (attempt, "ValueError: it cannot be done")
        ]
        assert not failures(database)
    with time_machine.travel(clock.now() + MAX_ATTEMPTS * LEASE, tick=True):
        assert work_off_long(builder, long_job(fail)) == 1
    assert failures(database) == 1
    assert rows(database) == []


def test_who_waits_for_a_lock_in_vain_has_not_failed(
    settings: Settings, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    if database.dialect == "sqlite":
        pytest.skip("SQLite has no locks of rows")
    user_id = add_user(database)
    stage(database, [user_id])
    has_given_way, tries = threading.Event(), list[int]()

    def hold() -> None:
        with database.transaction() as session:
            session.execute(select(User).where(User.id == user_id).with_for_update())
            is_locked.set()
            assert has_given_way.wait(60)

    def wait_in_vain(runtime: Runtime, lease: Lease) -> None:
        tries.append(lease.row.attempts)
        if len(tries) > 2 * MAX_ATTEMPTS:
            has_given_way.set()
            holder.join()
        finish(runtime, lease)

    is_locked = threading.Event()
    holder = threading.Thread(target=hold)
    holder.start()
    assert is_locked.wait(60)
    monkeypatch.setattr(runtime_module, "LOCK_WAIT_MS", 20)
    builder = Runtime(settings, {}, connections=CONNECTIONS)
    assert work_off_long(builder, long_job(wait_in_vain)) == 2 * MAX_ATTEMPTS + 1
    builder.close()
    assert set(tries) == {1}
    assert tallies(database) == {user_id: 1}


def test_what_always_takes_its_worker_along_is_given_up_untouched(
    builder: Runtime, database: Database
) -> None:
    stage(database, [add_user(database)])
    calls = list[str]()

    def die(_runtime: Runtime, lease: Lease) -> None:
        calls.append(lease.row.key)
        raise Killed

    for attempt in range(MAX_ATTEMPTS):
        with time_machine.travel(clock.now() + attempt * LEASE, tick=True), pytest.raises(Killed):
            work_off_long(builder, long_job(die))
    with time_machine.travel(clock.now() + MAX_ATTEMPTS * LEASE, tick=True):
        assert work_off_long(builder, long_job(die)) == 1
    assert len(calls) == MAX_ATTEMPTS
    assert failures(database) == 1
    assert rows(database) == []


def test_who_has_done_a_part_of_the_work_was_not_there_in_vain(builder: Runtime, database: Database) -> None:
    user_id = add_user(database)
    stage(database, [user_id])
    parts = 4 * MAX_ATTEMPTS

    def do_a_part_and_die(runtime: Runtime, lease: Lease) -> None:
        with runtime.writing() as session:
            tally(session, lease.row)
            lease.hold(session, has_advanced=True)
        raise Killed

    for attempt in range(parts):
        with time_machine.travel(clock.now() + attempt * LEASE, tick=True), pytest.raises(Killed):
            work_off_long(builder, long_job(do_a_part_and_die))
    with time_machine.travel(clock.now() + parts * LEASE, tick=True):
        assert work_off_long(builder, long_job(finish)) == 1
    assert tallies(database) == {user_id: parts + 1}
    assert not failures(database)


@pytest.mark.parametrize("error", [Killed(), ValueError("it cannot be done")], ids=["killed", "failed"])
def test_what_comes_no_further_is_given_up_after_all(
    builder: Runtime, database: Database, error: BaseException
) -> None:
    stage(database, [add_user(database)])
    calls = list[int]()

    def go_on(runtime: Runtime, lease: Lease) -> None:
        calls.append(lease.row.attempts)
        with runtime.writing() as session:
            lease.hold(session, has_advanced=len(calls) <= 3)
        raise error

    for attempt in range(4 + MAX_ATTEMPTS):
        with time_machine.travel(clock.now() + attempt * LEASE, tick=True), suppress(Killed):
            work_off_long(builder, long_job(go_on))
    assert calls == list(range(1, 4 + MAX_ATTEMPTS))
    assert failures(database) == 1
    assert rows(database) == []


def test_what_runs_out_of_time_is_given_up_at_once(builder: Runtime, database: Database) -> None:
    stage(database, [add_user(database)])

    def take_long(_runtime: Runtime, _lease: Lease) -> None:
        raise SoftTimeLimitExceeded

    with pytest.raises(SoftTimeLimitExceeded):
        work_off_long(builder, long_job(take_long))
    assert failures(database) == 1
    assert rows(database) == []


def test_nobody_who_writes_waits_for_the_work(builder: Runtime, database: Database) -> None:
    user_id = add_user(database)
    stage(database, [user_id])
    has_begun, may_end = threading.Event(), threading.Event()

    def hang(runtime: Runtime, lease: Lease) -> None:
        has_begun.set()
        assert may_end.wait(60)
        finish(runtime, lease)

    thread = threading.Thread(target=work_off_long, args=(builder, long_job(hang)))
    thread.start()
    try:
        assert has_begun.wait(60)
        stage(database, [user_id], job=OTHER)
    finally:
        may_end.set()
        thread.join()
    assert tallies(database) == {user_id: 1}
