import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

from celery import shared_task
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from core import clock
from core.database import Database, is_locked_out, is_retryable, is_unavailable
from core.errors import OutlayError
from core.job_names import Tick
from core.logging import get_logger
from core.queries.recurring_expenses import Key, due_keys
from core.services.outbox import staged_jobs
from core.services.recurring_posting import post_due, post_one, set_aside
from workers.process import current_runtime

BATCH = 200
"""Recurring expenses a transaction, a tenth of a second's work: it holds the rows of as many users, and on
SQLite the one write lock."""

POST_TIME_S = 20.0
"""A tick stops after this, well within its time limit; the next one goes on."""

MAX_REST_S = 0.01
"""After a batch, so that others get SQLite's write lock in between."""

MAX_IN_VAIN = 3
"""Batches of which nothing was left to do, as somebody else was faster. He goes on."""

UNKNOWN_PROBLEM = "it could not be recorded; the log of the server says why"

Wake = Callable[[Iterable[str]], None]
"""Has workers look for jobs."""

log = get_logger(__name__)


@shared_task(name=Tick.POST_RECURRING)
def post_recurring_task() -> None:
    """A tick: post what is due of recurring expenses, and remind of what will be."""
    runtime = current_runtime()
    post_all(runtime.database, wake=runtime.wake)


def post_all(database: Database, *, wake: Wake, time_s: float = POST_TIME_S) -> int:
    """Batch by batch; where one fails, each by itself. Answers how many there were.

    Two that run at once only take turns.
    """
    return _Round(database, wake, time.monotonic() + time_s).run()


class _Round:
    def __init__(self, database: Database, wake: Wake, deadline: float) -> None:
        self._database, self._wake, self._deadline = database, wake, deadline
        self._stuck = set[Key]()
        """Left alone until the next tick."""

    def run(self) -> int:
        total = in_vain = 0
        while time.monotonic() < self._deadline and in_vain < MAX_IN_VAIN and (keys := self._due_keys()):
            started = time.monotonic()
            try:
                done = self._post_batch(keys)
            except DBAPIError as error:
                if not is_locked_out(error):
                    raise
                # Who holds all of these for so long, as a large deletion does, is not waited for.
                log.warning("recurring.held_by_others", count=len(keys))
                self._stuck.update(keys)
                continue
            total, in_vain = total + done, 0 if done else in_vain + 1
            time.sleep(min(time.monotonic() - started, MAX_REST_S))
        return total

    def _due_keys(self) -> list[Key]:
        with self._database.reading() as session:
            found = due_keys(session, now=clock.now(), limit=BATCH + len(self._stuck))
        return [key for key in found if key not in self._stuck]

    def _post_batch(self, keys: Sequence[Key]) -> int:
        done = 0
        try:
            with self._transaction() as session:
                batch = post_due(
                    session,
                    user_ids={user_id for user_id, _ in keys},
                    limit=BATCH + len(self._stuck),
                    but=self._stuck,
                )
            done, keys = batch.done, batch.alone
        except Exception as error:
            if is_unavailable(error) or is_locked_out(error):
                raise
            log.warning("recurring.split", count=len(keys), error=error)
        return done + sum(self._post_alone(key) for key in keys if time.monotonic() < self._deadline)

    def _post_alone(self, key: Key) -> int:
        try:
            with self._transaction() as session:
                return int(post_one(session, key=key))
        except OutlayError as error:
            problem = error.detail
        except Exception as error:
            if is_unavailable(error):
                raise
            if is_locked_out(error) or is_retryable(error):
                # Others are at it: that is no fault of its own.
                log.warning("recurring.held_by_others", recurring_id=key[1], error=error)
                self._stuck.add(key)
                return 0
            log.exception("recurring.failed", recurring_id=key[1])
            problem = UNKNOWN_PROBLEM
        return self._set_aside(key, problem)

    def _set_aside(self, key: Key, problem: str) -> int:
        """Unless not even that can be done."""
        try:
            with self._transaction() as session:
                set_aside(session, key=key, problem=problem)
        except Exception as error:
            if is_unavailable(error):
                raise
            log.exception("recurring.not_set_aside", recurring_id=key[1])
            self._stuck.add(key)
        return 1

    @contextmanager
    def _transaction(self) -> Iterator[Session]:
        """Once it has committed, workers are woken for what it has staged."""
        with self._database.transaction() as session:
            yield session
        self._wake(staged_jobs(session))
