"""Works off jobs that take minutes, such as building a file of a million expenses or reading one.

A job does its work in as many transactions as it likes. The last of them settles the outbox row, so what it
says (that the export is there) and the end of the job are one. Meanwhile the row is leased, and a thread
renews the lease for as long as this process lives. Who is killed leaves the row to the next worker once the
lease is over, which has to be able to begin again with whatever is there.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from types import TracebackType
from typing import Any, Self

from celery.exceptions import SoftTimeLimitExceeded
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from core.database import is_locked_out, is_retryable, is_unavailable
from core.log_redaction import safe_text
from core.logging import get_logger
from core.services.outbox import (
    ClaimedRow,
    attempts_in_vain,
    fail_leased,
    lease_row,
    renew_lease,
    return_leased,
    settle_leased,
)
from workers.job_log import for_row, tell_done, tell_failed
from workers.runtime import DRAIN_TIME_S, Runtime

LEASE = timedelta(seconds=30)
"""So long after a worker was killed its job begins anew. Longer than a database that is busy keeps a renewal
waiting."""

RENEWAL_S = 8.0
"""Three renewals may fail before a lease is lost."""

MAX_ATTEMPTS = 4
"""Each may take minutes, and what has failed three times, or taken its worker with it, fails again. Attempts
that have done a part of the work for good are not counted: that part is not what fails."""

LONG_TIME_S = 3_600
"""The longest that one job may take: some ten times as long as the largest file."""

LONG_TASK: dict[str, Any] = {
    # The broker would hand it out again before it is done; the outbox knows what is left of it.
    "acks_late": False,
    "soft_time_limit": LONG_TIME_S,
    "time_limit": LONG_TIME_S + 60,
}
"""Options of the tasks of long jobs."""

CONNECTIONS = 3
"""Of a process to the database: one reads what goes into a file, one writes, one renews the lease."""

log = get_logger(__name__)


class LeaseLost(Exception):
    """Somebody else does the job by now: this process was stopped for longer than its lease."""


class Lease:
    """The right to do a row's work, renewed by a thread while the context is open."""

    def __init__(self, runtime: Runtime, row: ClaimedRow) -> None:
        self.row = row
        self._database = runtime.database
        self._has_ended = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="lease", daemon=True)

    def settle(self, session: Session) -> None:
        """Delete the row, in the transaction that ends the work.

        Raises:
            LeaseLost
        """
        if not settle_leased(session, self.row):
            raise LeaseLost(self.row.key)

    def hold(self, session: Session, *, has_advanced: bool = False) -> None:
        """Keep the row, in a transaction in between: what that writes, nobody but the holder may.

        It is best the last statement, as the renewing thread waits for it. A transaction that `has_advanced`
        the work leaves less of it to the next attempt, if this one comes to nothing.

        Raises:
            LeaseLost
        """
        if not renew_lease(session, self.row, lease=LEASE, has_advanced=has_advanced):
            raise LeaseLost(self.row.key)

    def fail(self, session: Session, error: str) -> None:
        """Have the row tried again later."""
        fail_leased(session, self.row, error=error)

    def put_off(self, session: Session, error: str) -> None:
        """Have the row tried again, as if it had not been tried."""
        return_leased(session, self.row, error=error)

    def _keep(self) -> None:
        while not self._has_ended.wait(RENEWAL_S):
            try:
                with self._database.transaction() as session:
                    if not renew_lease(session, self.row, lease=LEASE):
                        return  # settling it will tell
            except SQLAlchemyError as error:
                log.warning("job.lease_not_renewed", key=self.row.key, error=error)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._has_ended.set()
        self._thread.join()


@dataclass(frozen=True, slots=True)
class LongJob:
    """How the rows of a job are done.

    `work` does one and settles its lease. `give_up` says in the database that it has failed for good; its
    transaction settles the row.
    """

    name: str
    work: Callable[[Runtime, Lease], None]
    give_up: Callable[[Session, ClaimedRow], None]


def work_off_long(runtime: Runtime, job: LongJob) -> int:
    """Do rows of a job one after the other; answers how many were leased.

    After `DRAIN_TIME_S` no new one is begun: other jobs have their turn, and then this one again.
    """
    runtime.lower_flag(job.name)
    count, deadline = 0, time.monotonic() + DRAIN_TIME_S
    while time.monotonic() < deadline:
        with runtime.database.transaction() as session:
            row = lease_row(session, job=job.name, lease=LEASE)
        if row is None:
            return count
        count += 1
        with for_row(job.name, row), Lease(runtime, row) as lease:
            _do(runtime, job, lease)
    runtime.wake([job.name])
    return count


def _do(runtime: Runtime, job: LongJob, lease: Lease) -> None:
    row = lease.row
    try:
        if row.attempts_in_vain > MAX_ATTEMPTS:
            # The last attempt did not even come to fail: perhaps it takes too much memory.
            log.error("job.given_up", job=job.name, key=row.key)
            with runtime.writing() as session:
                _give_up(session, job, lease)
            return
        job.work(runtime, lease)
        tell_done(job.name, {row.key: [row]})
    except LeaseLost:
        log.warning("job.lease_lost", job=job.name, key=row.key)
    except SoftTimeLimitExceeded:
        log.exception("job.out_of_time", job=job.name, key=row.key)
        with runtime.writing() as session:
            _give_up(session, job, lease)
        raise
    except Exception as error:
        if is_unavailable(error):
            raise  # the row comes up again after its lease
        if is_locked_out(error) or is_retryable(error):
            # It is nobody's fault, and others do not hold a lock for ever.
            log.warning("job.put_off", job=job.name, key=row.key, error=error)
            with runtime.database.transaction() as session:
                lease.put_off(session, safe_text(error))
            return
        log.exception("job.failed", job=job.name, key=row.key)
        tell_failed(job.name)
        with runtime.writing() as session:
            if attempts_in_vain(session, row) >= MAX_ATTEMPTS:
                _give_up(session, job, lease)
            else:
                lease.fail(session, safe_text(error))


def _give_up(session: Session, job: LongJob, lease: Lease) -> None:
    tell_failed(job.name, is_dead=True)
    job.give_up(session, lease.row)
    lease.settle(session)
