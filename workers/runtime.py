"""What a worker process holds, and how it works off the outbox."""

import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice

from celery.exceptions import SoftTimeLimitExceeded
from redis import Redis, RedisError
from sqlalchemy.orm import Session

from core.broker import SOCKET_TIMEOUT_S
from core.config import Settings
from core.database import Database, is_unavailable, stop_statement
from core.services.outbox import CLAIM_LIMIT, ClaimedRow, back_off, claim_rows, settle_rows, staged_jobs
from core.wakeups import WakeUpFlags

DRAIN_TIME_S = 20.0
"""A task stops claiming after this, well within its time limit; the next wake-up or sweep goes on."""

KEYS_AT_ONCE = 100
"""Keys that share a transaction: a job does them with hardly more statements than one. With more, little more
would be saved, and the transaction holds the locks of all of them (on SQLite, the one write lock)."""

LOCK_WAIT_MS = 1_000
"""Whoever's row is locked for longer, as by a large deletion, is left for later. Other workers seldom need as
much for their hundred users."""

MAX_REST_S = 0.01
"""A process rests as long as its last batch took, but no longer than this: see `Runtime.drain`."""

log = logging.getLogger(__name__)

ApplyJob = Callable[["Runtime", Session, Mapping[str, Sequence[ClaimedRow]]], None]
"""Has the effect of a job's rows, given by key: `(runtime, session, rows)`, without committing."""


@dataclass(frozen=True, slots=True)
class _Batch:
    """What a transaction has done: rows claimed, rows settled, and the jobs that it has staged in turn."""

    claimed: int = 0
    settled: int = 0
    follow_ups: frozenset[str] = frozenset()

    @property
    def has_left_some(self) -> bool:
        """Whether more was waiting than a transaction takes."""
        return self.claimed == CLAIM_LIMIT or 0 < self.settled < self.claimed


class Runtime:
    """One worker process's connections. Made after the fork."""

    def __init__(self, settings: Settings, jobs: Mapping[str, ApplyJob]) -> None:
        self.settings = settings
        self.database = Database(settings.database, pool_size=1, lock_timeout_ms=LOCK_WAIT_MS)
        self.redis = Redis.from_url(
            settings.redis, socket_timeout=SOCKET_TIMEOUT_S, socket_connect_timeout=SOCKET_TIMEOUT_S
        )
        self._jobs = jobs
        self._flags = WakeUpFlags(settings)
        self._keys_at_work: list[str] = []

    def drain(self, job: str) -> int:
        """Work off the rows of a job, and what they ask for in turn; answers how many rows there were.

        Follow-ups are done right here, as another trip through the broker would only cost time; should this
        process die in between, the sweep finds them in the outbox. They come after each batch: while others
        go on writing there is always another one, and nobody's alert waits for the last.

        While this keeps up, the flag stays raised and nobody else is woken: two processes would only wait
        for each other's locks. Others are let in when a batch leaves some rows, and before the last look.
        Between batches it leaves the processor to those who write: what they write meanwhile shares the next.
        """
        deadline = time.monotonic() + DRAIN_TIME_S
        batch, total, is_last = _Batch(), 0, False
        try:
            while True:
                if is_last or batch.has_left_some:
                    self._lower_flag(job)
                else:
                    self._hold_flag(job)
                started, was_last = time.monotonic(), is_last
                batch = self._drain_batch(job, deadline)
                total += batch.settled + self._drain_follow_ups(batch.follow_ups - {job}, deadline)
                ended = time.monotonic()
                is_last = not batch.settled or ended > deadline
                if is_last and was_last:
                    return total
                if not is_last and not batch.has_left_some:
                    time.sleep(min(ended - started, MAX_REST_S))
        except BaseException:
            self._lower_flag(job)
            raise

    def _drain_follow_ups(self, jobs: Iterable[str], deadline: float) -> int:
        total = 0
        for job in sorted(jobs):
            has_more = True
            while has_more:
                batch = self._drain_batch(job, deadline)
                total += batch.settled + self._drain_follow_ups(batch.follow_ups - {job}, deadline)
                has_more = batch.has_left_some and time.monotonic() < deadline
        return total

    def _drain_batch(self, job: str, deadline: float) -> _Batch:
        """One transaction: claim rows, have their effect, delete them. If that fails, key by key."""
        rows: list[ClaimedRow] = []
        self._keys_at_work = []
        try:
            with self.database.transaction() as session:
                rows = claim_rows(session, job=job)
                settled = self._apply(session, job, rows)
            return _Batch(len(rows), settled, staged_jobs(session))
        except RedisError:
            raise
        except SoftTimeLimitExceeded as error:
            self._back_off(job, self._keys_at_work, error)
            raise
        except Exception as error:
            if is_unavailable(error) or not self._keys_at_work:
                raise
            keys = self._keys_at_work
            log.warning("job.split job=%s keys=%d error=%r", job, len(keys), error)
        batches = [self._drain_key(job, key) for key in keys if time.monotonic() < deadline]
        follow_ups = frozenset().union(*(batch.follow_ups for batch in batches))
        return _Batch(len(rows), sum(batch.settled for batch in batches), follow_ups)

    def _drain_key(self, job: str, key: str) -> _Batch:
        try:
            with self.database.transaction() as session:
                rows = claim_rows(session, job=job, key=key)
                settled = self._apply(session, job, rows)
            return _Batch(len(rows), settled, staged_jobs(session))
        except RedisError:
            raise
        except SoftTimeLimitExceeded as error:
            self._back_off(job, [key], error)
            raise
        except Exception as error:
            if is_unavailable(error):
                raise
            log.exception("job.failed job=%s key=%s", job, key)
            self._back_off(job, [key], error)
            return _Batch()

    def _apply(self, session: Session, job: str, rows: Sequence[ClaimedRow]) -> int:
        """Have the effect of those rows that are done together; answers how many that settled."""
        by_key = _done_together(rows)
        self._keys_at_work = list(by_key)
        if not by_key:
            return 0
        try:
            self._jobs[job](self, session, by_key)
        except SoftTimeLimitExceeded:
            stop_statement(session)
            raise
        settled = list(chain.from_iterable(by_key.values()))
        settle_rows(session, settled)
        return len(settled)

    def _back_off(self, job: str, keys: Iterable[str], error: BaseException) -> None:
        """Try the keys' rows again later: nobody else's shall wait for them."""
        for key in keys:
            with self.database.transaction() as session:
                back_off(session, claim_rows(session, job=job, key=key), error=repr(error))

    def _hold_flag(self, job: str) -> None:
        try:
            self._flags.hold_flag(job)
        except RedisError as error:
            # Others may be woken for the same work, no more.
            log.warning("wake_ups.flag_not_held job=%s error=%r", job, error)

    def _lower_flag(self, job: str) -> None:
        try:
            self._flags.lower_flag(job)
        except RedisError as error:
            # The flag runs out by itself.
            log.warning("wake_ups.flag_stays job=%s error=%r", job, error)

    def close(self) -> None:
        self.database.close()
        self.redis.close()
        self._flags.close()


def _done_together(rows: Sequence[ClaimedRow]) -> dict[str, list[ClaimedRow]]:
    """By key the rows of those that have waited longest, up to `KEYS_AT_ONCE`, in the order of their keys.

    A key that has failed before comes by itself: when it runs out of time again, only it backs off.
    """
    by_key: dict[str, list[ClaimedRow]] = {}
    for row in rows:
        by_key.setdefault(row.key, []).append(row)
    failed = next((key for key, of_key in by_key.items() if any(row.attempts for row in of_key)), None)
    if failed is not None:
        return {failed: by_key[failed]}
    # In key order, so that two workers never wait for each other in a circle.
    return {key: by_key[key] for key in sorted(islice(by_key, KEYS_AT_ONCE))}
