"""What a worker process holds, and how it works off the outbox."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import chain, islice

from celery.exceptions import SoftTimeLimitExceeded
from redis import Redis, RedisError
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from core.broker import SOCKET_TIMEOUT_S
from core.config import Settings
from core.database import Database, abandon, is_timed_out, is_unavailable
from core.job_names import SPLIT_GROUP_EXPENSE
from core.log_redaction import safe_text
from core.logging import get_logger
from core.metrics import watch_pool
from core.services.outbox import CLAIM_LIMIT, ClaimedRow, back_off, claim_rows, settle_rows, staged_jobs
from core.tracing import requests_span
from core.wakeups import WakeUpFlags, WakeUps
from workers.job_log import for_rows, tell_done, tell_failed

DRAIN_TIME_S = 20.0
"""A task stops claiming after this, well within its time limit; the next wake-up or sweep goes on."""

KEYS_AT_ONCE = 100
"""Keys that share a transaction: a job does them with hardly more statements than one. With more, little more
would be saved, and the transaction holds the locks of all of them (on SQLite, the one write lock)."""

LARGE_KEYS_AT_ONCE = {SPLIT_GROUP_EXPENSE: 10}
"""Of jobs of which a key may write for a hundred people: nobody shall wait long for SQLite's write lock."""

LARGE_CLAIM_LIMIT = 100
"""Rows of such a job that are claimed at a time: what one worker cannot do soon is left to others."""

LONE_KEYS_AT_ONCE = 10
"""Keys that have failed before, after each batch of others: few, so that nobody waits for them."""

LOCK_WAIT_MS = 1_000
"""Whoever's row is locked for longer, as by a large deletion, is left for later. Other workers seldom need as
much for their hundred users."""

MAX_REST_S = 0.01
"""A process rests as long as its last batch took, but no longer than this: see `Runtime.drain`."""

log = get_logger(__name__)

ApplyJob = Callable[["Runtime", Session, Mapping[str, Sequence[ClaimedRow]]], None]
"""Has the effect of a job's rows, given by key: `(runtime, session, rows)`, without committing."""


@dataclass(frozen=True, slots=True)
class _Batch:
    """What a claim has led to: whether there may have been more to claim, rows settled, rows that there was
    no room for, and the jobs that were staged in turn."""

    is_full: bool = False
    settled: int = 0
    left: int = 0
    follow_ups: frozenset[str] = frozenset()

    @property
    def has_more(self) -> bool:
        return self.is_full or self.left > 0


class Runtime:
    """One worker process's connections. Made after the fork."""

    def __init__(self, settings: Settings, jobs: Mapping[str, ApplyJob], *, connections: int = 1) -> None:
        self.settings = settings
        self.database = Database(settings.database, pool_size=connections, lock_timeout_ms=LOCK_WAIT_MS)
        watch_pool(self.database, "worker", size=connections)
        self.redis = Redis.from_url(
            settings.redis, socket_timeout=SOCKET_TIMEOUT_S, socket_connect_timeout=SOCKET_TIMEOUT_S
        )
        self._jobs = jobs
        self._flags = WakeUpFlags(settings)
        self._wake_ups: WakeUps | None = None

    def drain(self, job: str) -> int:
        """Work off the rows of a job, and what they ask for in turn; answers how many rows there were.

        Follow-ups are done right here, as another trip through the broker would only cost time; should this
        process die in between, the sweep finds them in the outbox. They come after each batch: while others
        go on writing there is always another one, and nobody's alert waits for the last.

        While this keeps up, the flag stays raised and nobody else is woken: two processes would only wait
        for each other's locks. Others are let in when a claim is full, and before the last look. Between
        batches it leaves the processor to those who write: what they write meanwhile shares the next one.
        """
        deadline = time.monotonic() + DRAIN_TIME_S
        batch, total, is_last = _Batch(), 0, False
        try:
            while True:
                if is_last or batch.is_full:
                    self.lower_flag(job)
                else:
                    self.hold_flag(job)
                started, was_last = time.monotonic(), is_last
                batch = self._drain_batch(job, deadline)
                total += batch.settled + self._drain_follow_ups(batch.follow_ups - {job}, deadline)
                ended = time.monotonic()
                is_last = not (batch.settled or batch.has_more) or ended > deadline
                if is_last and was_last:
                    return total
                if not is_last and not batch.has_more:
                    time.sleep(min(ended - started, MAX_REST_S))
        except BaseException:
            self.lower_flag(job)
            raise

    def _drain_follow_ups(self, jobs: Set[str], deadline: float) -> int:
        total = 0
        self.wake(job for job in jobs if job not in self._jobs)
        for job in sorted(self._jobs.keys() & jobs):
            has_more = True
            while has_more:
                batch = self._drain_batch(job, deadline)
                total += batch.settled + self._drain_follow_ups(batch.follow_ups - {job}, deadline)
                has_more = batch.has_more and time.monotonic() < deadline
        return total

    def wake(self, jobs: Iterable[str]) -> None:
        """Have other workers look for jobs that this one does not do itself."""
        if wanted := set(jobs):
            self._wake_ups = self._wake_ups or WakeUps(self.settings)
            self._wake_ups.request(wanted)

    def _drain_batch(self, job: str, deadline: float) -> _Batch:
        """Claim rows and do them: most in one transaction, or key by key if that fails."""
        work = _Work()
        limit = LARGE_CLAIM_LIMIT if job in LARGE_KEYS_AT_ONCE else None
        try:
            began = time.perf_counter()
            with self._transaction() as session:
                rows = claim_rows(session, job=job, limit=limit)
                work = _sort_out(rows, LARGE_KEYS_AT_ONCE.get(job, KEYS_AT_ONCE))
                settled = self._apply(session, job, work.together)
            if work.together:
                tell_done(job, work.together, began=began)
            batches = [_Batch(settled=settled, follow_ups=staged_jobs(session))]
            keys = work.alone
        except RedisError:
            raise
        except SoftTimeLimitExceeded as error:
            self._back_off(job, work.together, error)
            raise
        except Exception as error:
            if is_unavailable(error) or not work.together:
                raise
            batches, keys = [], [*work.together, *work.alone]
            log.warning("job.split", job=job, keys=len(keys), error=error)
        batches += [self._drain_key(job, key) for key in keys if time.monotonic() < deadline]
        return _Batch(
            len(rows) == (limit or CLAIM_LIMIT),
            sum(batch.settled for batch in batches),
            work.left,
            frozenset().union(*(batch.follow_ups for batch in batches)),
        )

    def _drain_key(self, job: str, key: str) -> _Batch:
        rows: Mapping[str, Sequence[ClaimedRow]] = {}
        try:
            began = time.perf_counter()
            with self._transaction() as session:
                claimed = claim_rows(session, job=job, key=key)
                rows = {key: claimed} if claimed else {}
                settled = self._apply(session, job, rows)
            if rows:
                tell_done(job, rows, began=began)
            return _Batch(settled=settled, follow_ups=staged_jobs(session))
        except RedisError:
            raise
        except SoftTimeLimitExceeded as error:
            self._back_off(job, [key], error)
            raise
        except Exception as error:
            if is_unavailable(error):
                raise
            with for_rows(rows):
                log.exception("job.failed", job=job, key=key)
            self._back_off(job, [key], error)
            return _Batch()

    @contextmanager
    def _transaction(self) -> Iterator[Session]:
        """A transaction that the task's time limit may interrupt in any of its statements.

        What comes out then depends on the statement under way, and may look like a database that is away.
        """
        with self.database.transaction() as session:
            try:
                yield session
            except Exception as error:
                if not _is_out_of_time(error):
                    raise
                abandon(session)
                raise SoftTimeLimitExceeded from error

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """As `database.transaction`; others are woken for the jobs that it has staged."""
        with self._transaction() as session:
            yield session
        self.wake(staged_jobs(session))

    def _apply(self, session: Session, job: str, rows: Mapping[str, Sequence[ClaimedRow]]) -> int:
        """Have the effect of rows and delete them; answers how many there were."""
        if not rows:
            return 0
        with for_rows(rows), requests_span(f"job {job}", job=job, keys=len(rows)):
            self._jobs[job](self, session, rows)
        settled = list(chain.from_iterable(rows.values()))
        settle_rows(session, settled)
        return len(settled)

    def _back_off(self, job: str, keys: Iterable[str], error: BaseException) -> None:
        """Try the keys' rows again later: nobody else's shall wait for them."""
        for key in keys:
            try:
                with self.database.transaction() as session:
                    # A statement that was cancelled a moment ago may still hold them.
                    rows = claim_rows(session, job=job, key=key, waits=True)
                    is_dead = back_off(session, rows, error=safe_text(error))
                if rows:
                    tell_failed(job, is_dead=is_dead)
                if is_dead:
                    log.error("job.dead", job=job, key=key, error=error)
            except DBAPIError as failure:
                if not is_timed_out(failure):
                    raise
                log.warning("job.held_by_others", job=job, key=key)

    def hold_flag(self, job: str) -> None:
        """While this keeps up nobody else is woken for the job."""
        try:
            self._flags.hold_flag(job)
        except RedisError as error:
            # Others may be woken for the same work, no more.
            log.warning("wake_ups.flag_not_held", job=job, error=error)

    def lower_flag(self, job: str) -> None:
        """Before the outbox is read: who commits from now on wakes somebody again."""
        try:
            self._flags.lower_flag(job)
        except RedisError as error:
            # The flag runs out by itself.
            log.warning("wake_ups.flag_stays", job=job, error=error)

    def close(self) -> None:
        self.database.close()
        self.redis.close()
        self._flags.close()
        if self._wake_ups is not None:
            self._wake_ups.close()


@dataclass(frozen=True, slots=True)
class _Work:
    """Claimed rows: those by key that share a transaction, keys that get one of their own, and how many rows
    there is no room for."""

    together: Mapping[str, list[ClaimedRow]] = field(default_factory=dict)
    alone: Sequence[str] = ()
    left: int = 0


def _sort_out(rows: Sequence[ClaimedRow], keys_at_once: int) -> _Work:
    """Who has waited longest comes first; a key with a row that has failed before gets its own transaction.

    So when it fails or runs out of time again, only it backs off.
    """
    by_key: dict[str, list[ClaimedRow]] = {}
    for row in rows:
        by_key.setdefault(row.key, []).append(row)
    failed = dict.fromkeys(row.key for row in rows if row.attempts)
    alone = list(islice(failed, LONE_KEYS_AT_ONCE))
    # In key order, so that two workers never wait for each other in a circle.
    together = sorted(islice((key for key in by_key if key not in failed), keys_at_once))
    left = len(rows) - sum(len(by_key[key]) for key in (*together, *alone))
    return _Work({key: by_key[key] for key in together}, alone, left)


def _is_out_of_time(error: BaseException | None) -> bool:
    while error is not None and not isinstance(error, SoftTimeLimitExceeded):
        error = error.__cause__ or error.__context__
    return error is not None
