"""Jobs with an effect outside of the database: at least once, nobody waits for them, few tries in vain."""

import threading
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
import time_machine
from celery.exceptions import SoftTimeLimitExceeded
from sqlalchemy import delete, insert, update
from sqlalchemy.exc import OperationalError

from core import clock
from core.config import Settings
from core.database import Database
from core.models import OutboxRow
from core.services.outbox import (
    MAX_ATTEMPTS,
    ClaimedRow,
    delay_after,
    fail_leased,
    lease_row,
    return_leased,
    settle_leased,
)
from tests.workers.outbox import JOB, rows, runtime, stage
from workers.leased import DONE, LEASE, PAUSE_S, Fate, Outcome, turn_name, work_off
from workers.runtime import Runtime

PATIENCE_S = 60.0

Effect = Callable[[ClaimedRow], Outcome]


@pytest.fixture
def worker(settings: Settings, database: Database) -> Iterator[Runtime]:
    with runtime(settings) as worker:
        worker.redis.delete(turn_name(worker, JOB))
        yield worker
        worker.redis.delete(turn_name(worker, JOB))


class Killed(BaseException):
    """As if the process ended here: nobody handles it."""


def always(outcome: Outcome) -> Effect:
    return lambda _row: outcome


def states(database: Database) -> list[tuple[str, int, str | None, bool]]:
    """Of each row its key, attempts and last error, and whether it is dead."""
    return [(row.key, row.attempts, row.last_error, row.dead_at is not None) for row in rows(database)]


def test_each_row_is_done_once_the_oldest_first(worker: Runtime, database: Database) -> None:
    seen = list[str]()

    def note(row: ClaimedRow) -> Outcome:
        seen.append(row.key)
        return DONE

    stage(database, ["b", "a", "b"])
    stage(database, ["c"], job="another")
    assert work_off(worker, JOB, note) == 3
    assert work_off(worker, JOB, note) == 0
    assert seen == ["b", "a", "b"]
    assert [row.job for row in rows(database)] == ["another"]


def test_nobody_who_writes_waits_for_an_effect(worker: Runtime, database: Database) -> None:
    """On SQLite a transaction that is open would hold the one write lock."""
    has_begun, may_end = threading.Event(), threading.Event()

    def hang(_row: ClaimedRow) -> Outcome:
        has_begun.set()
        assert may_end.wait(PATIENCE_S)
        return DONE

    stage(database, ["slow"])
    thread = threading.Thread(target=work_off, args=(worker, JOB, hang))
    thread.start()
    try:
        assert has_begun.wait(PATIENCE_S)
        stage(database, ["other"], job="another")
        [leased, _other] = rows(database)
        assert thread.is_alive()
        assert leased.attempts == 1
        assert clock.now() < leased.available_at <= clock.now() + LEASE
    finally:
        may_end.set()
        thread.join(PATIENCE_S)
    assert [row.job for row in rows(database)] == ["another"]


def test_one_process_at_a_time_does_such_a_job(
    worker: Runtime, settings: Settings, database: Database
) -> None:
    with runtime(settings) as other:

        def look(_row: ClaimedRow) -> Outcome:
            assert work_off(other, JOB, always(DONE)) == 0
            return DONE

        stage(database, ["one", "two"])
        assert work_off(worker, JOB, look) == 2
        stage(database, ["three"])
        assert work_off(other, JOB, always(DONE)) == 1, "its turn comes as soon as the round is over"


def test_a_failure_backs_off_until_the_row_is_dead(worker: Runtime, database: Database) -> None:
    stage(database, ["one"])
    now = clock.now()
    for attempt in range(1, MAX_ATTEMPTS + 1):
        with time_machine.travel(now, tick=False):
            assert work_off(worker, JOB, always(Outcome(Fate.LATER, f"no {attempt}"))) == 0
            assert work_off(worker, JOB, always(DONE)) == 0, "not before its time"
        assert states(database) == [("one", attempt, f"no {attempt}", attempt == MAX_ATTEMPTS)]
        [row] = rows(database)
        assert row.available_at == now + delay_after(attempt)
        now = row.available_at
    with time_machine.travel(now + timedelta(days=30), tick=False):
        assert work_off(worker, JOB, always(DONE)) == 0


def test_a_failure_does_not_hold_others_up_and_is_made_up_for(worker: Runtime, database: Database) -> None:
    def fail_once(row: ClaimedRow) -> Outcome:
        return Outcome(Fate.LATER, "not now") if row.key == "one" and row.attempts == 1 else DONE

    stage(database, ["one", "two"])
    assert work_off(worker, JOB, fail_once) == 1
    assert states(database) == [("one", 1, "not now", False)]
    with time_machine.travel(clock.now() + delay_after(1), tick=False):
        assert work_off(worker, JOB, fail_once) == 1
    assert rows(database) == []


def test_a_final_failure_is_dead_at_once_with_its_reason(
    worker: Runtime, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    stage(database, ["one"])
    assert work_off(worker, JOB, always(Outcome(Fate.NEVER, "never"))) == 0
    assert states(database) == [("one", 1, "never", True)]
    assert [record.getMessage() for record in caplog.records] == ["job.dead job=tally key=one error=never"]


def test_an_exception_is_a_failure_of_the_row(worker: Runtime, database: Database) -> None:
    def fail(row: ClaimedRow) -> Outcome:
        raise KeyError(row.key)

    stage(database, ["one", "two"])
    assert work_off(worker, JOB, fail) == 0
    assert states(database) == [("one", 1, "KeyError: 'one'", False), ("two", 1, "KeyError: 'two'", False)]


def test_a_round_that_ends_tries_no_other_row_and_the_next_one_begins_after_a_pause(
    worker: Runtime, database: Database
) -> None:
    tried = list[str]()

    def fail(row: ClaimedRow) -> Outcome:
        tried.append(row.key)
        return Outcome(Fate.AWAY, "away")

    stage(database, ["one", "two", "three"])
    assert work_off(worker, JOB, fail) == 0
    assert work_off(worker, JOB, fail) == 0
    assert tried == ["one"]
    assert 0 < worker.redis.ttl(turn_name(worker, JOB)) <= PAUSE_S
    assert states(database) == [("one", 0, "away", False), ("two", 0, None, False), ("three", 0, None, False)]
    worker.redis.delete(turn_name(worker, JOB))
    assert work_off(worker, JOB, always(DONE)) == 3


def test_an_outage_however_long_kills_no_row(worker: Runtime, database: Database) -> None:
    stage(database, ["one"])
    for _ in range(2 * MAX_ATTEMPTS):
        work_off(worker, JOB, always(Outcome(Fate.AWAY, "away")))
        worker.redis.delete(turn_name(worker, JOB))
    assert states(database) == [("one", 0, "away", False)]


def test_rows_that_may_be_why_they_fail_hold_nobody_up(worker: Runtime, database: Database) -> None:
    def fail(row: ClaimedRow) -> Outcome:
        return Outcome(Fate.BROKEN, "hung up") if row.key == "bad" else DONE

    stage(database, ["bad", "bad", "good", "good"])
    assert work_off(worker, JOB, fail) == 2
    assert states(database) == [("bad", 1, "hung up", False)] * 2


def test_two_rows_in_a_row_that_may_not_be_to_blame_end_the_round(
    worker: Runtime, database: Database
) -> None:
    tried = list[str]()

    def fail(row: ClaimedRow) -> Outcome:
        tried.append(row.key)
        return Outcome(Fate.BROKEN, "hung up")

    stage(database, ["one", "two", "three", "four"])
    assert work_off(worker, JOB, fail) == 0
    assert work_off(worker, JOB, fail) == 0
    assert tried == ["one", "four"]
    assert 0 < worker.redis.ttl(turn_name(worker, JOB)) <= PAUSE_S
    worker.redis.delete(turn_name(worker, JOB))
    with time_machine.travel(clock.now() + PAUSE_S * timedelta(seconds=1), tick=False):
        assert work_off(worker, JOB, fail) == 0
    assert tried[2:] == ["two", "three"], "whoever has not been tried goes first"
    assert [attempts for _, attempts, _, _ in states(database)] == [1, 1, 1, 1]


def test_a_row_whose_worker_was_killed_is_done_again_after_the_lease(
    worker: Runtime, database: Database
) -> None:
    def die(_row: ClaimedRow) -> Outcome:
        raise Killed

    stage(database, ["one"])
    with pytest.raises(Killed):
        work_off(worker, JOB, die)
    with time_machine.travel(clock.now() + LEASE - timedelta(seconds=5), tick=False):
        assert work_off(worker, JOB, always(DONE)) == 0
    with time_machine.travel(clock.now() + LEASE, tick=False):
        assert work_off(worker, JOB, always(DONE)) == 1


def test_a_row_that_takes_every_worker_with_it_is_dead_in_the_end(
    worker: Runtime, database: Database
) -> None:
    def die(row: ClaimedRow) -> Outcome:
        if row.key == "bad":
            raise Killed
        return DONE

    stage(database, ["bad"])
    now = clock.now()
    for attempt in range(1, MAX_ATTEMPTS + 1):
        with time_machine.travel(now + attempt * LEASE, tick=False), pytest.raises(Killed):
            work_off(worker, JOB, die)
    stage(database, ["good"])
    with time_machine.travel(now + timedelta(days=1), tick=False):
        assert work_off(worker, JOB, die) == 1
    assert [(row.key, row.attempts, row.dead_at is not None) for row in rows(database)] == [
        ("bad", MAX_ATTEMPTS, True)
    ]


def test_time_that_is_over_in_an_effect_counts_as_a_failure(worker: Runtime, database: Database) -> None:
    def take_too_long(_row: ClaimedRow) -> Outcome:
        raise SoftTimeLimitExceeded

    stage(database, ["one", "two"])
    with pytest.raises(SoftTimeLimitExceeded):
        work_off(worker, JOB, take_too_long)
    assert [(key, attempts) for key, attempts, _, _ in states(database)] == [("one", 1), ("two", 0)]
    assert work_off(worker, JOB, always(DONE)) == 1


def test_a_database_that_is_away_leaves_the_row_to_its_lease(worker: Runtime, database: Database) -> None:
    def lose_connection(_row: ClaimedRow) -> Outcome:
        raise OperationalError("SELECT 1", {}, Exception(), connection_invalidated=True)

    stage(database, ["one"])
    with pytest.raises(OperationalError):
        work_off(worker, JOB, lose_connection)
    assert states(database) == [("one", 1, None, False)]
    with time_machine.travel(clock.now() + LEASE, tick=False):
        assert work_off(worker, JOB, always(DONE)) == 1


@pytest.mark.parametrize("how", ["leased again", "another of the same number"])
def test_whoever_outlives_the_lease_leaves_the_row_alone(database: Database, how: str) -> None:
    stage(database, ["one"])
    with database.transaction() as session:
        late = lease_row(session, job=JOB, lease=timedelta())
    assert late is not None
    with database.transaction() as session:
        if how == "leased again":
            session.execute(update(OutboxRow).values(attempts=2))
        else:
            session.execute(delete(OutboxRow))
            now = clock.now()
            session.execute(
                insert(OutboxRow).values(
                    id=late.id, job=JOB, key="new", payload={}, attempts=1, created_at=now, available_at=now
                )
            )
    before = states(database)
    with database.transaction() as session:
        settle_leased(session, late)
        fail_leased(session, late, error="late", is_final=True)
        return_leased(session, late, error="late")
    assert states(database) == before
