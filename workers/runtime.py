"""What a worker process holds, and how it works off the outbox."""

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, groupby

from celery.exceptions import SoftTimeLimitExceeded
from redis import Redis, RedisError
from sqlalchemy.orm import Session

from core.broker import SOCKET_TIMEOUT_S
from core.config import Settings
from core.database import Database, is_unavailable
from core.services.outbox import CLAIM_LIMIT, ClaimedRow, back_off, claim_rows, settle_rows, staged_jobs
from core.wakeups import WakeUpFlags

DRAIN_TIME_S = 20.0
"""A task stops claiming after this, well within its time limit; the next wake-up or sweep goes on."""

KEYS_AT_ONCE = 100
"""A job does this many keys with the same few statements as one; with more, little more would be saved."""

BATCH_TIME_S = 0.5
"""A transaction holds the locks of all the users it has worked for (on SQLite, the one write lock) and begins
with no further keys after this. What it has claimed beyond goes back to the outbox as it was."""

LOCK_WAIT_MS = 1_000
"""Whoever's row is locked for longer, as by a large deletion, is left for later. Other workers need less."""

MAX_REST_S = 0.05
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
        for each other's locks. Others are let in when a claim is full, and before the last look. Between
        batches it leaves the processor to those who write: what they write meanwhile shares the next one.
        """
        deadline = time.monotonic() + DRAIN_TIME_S
        total = 0
        is_idle = is_full = False
        try:
            while True:
                if is_idle or is_full:
                    self._lower_flag(job)
                else:
                    self._hold_flag(job)
                started, was_idle = time.monotonic(), is_idle
                batch = self._drain_batch(job)
                total += batch.settled + self._drain_follow_ups(batch.follow_ups - {job})
                is_idle, is_full = not batch.settled, batch.claimed == CLAIM_LIMIT
                ended = time.monotonic()
                if (is_idle and was_idle) or ended > deadline:
                    return total
                if not is_idle and not is_full:
                    time.sleep(min(ended - started, MAX_REST_S))
        finally:
            self._lower_flag(job)

    def _drain_follow_ups(self, jobs: Iterable[str]) -> int:
        total = 0
        for job in sorted(jobs):
            batch = _Batch(claimed=CLAIM_LIMIT)
            while batch.claimed == CLAIM_LIMIT:
                batch = self._drain_batch(job)
                total += batch.settled + self._drain_follow_ups(batch.follow_ups - {job})
        return total

    def _drain_batch(self, job: str) -> _Batch:
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
            if is_unavailable(error) or not rows:
                raise
            log.warning("job.split job=%s rows=%d error=%r", job, len(rows), error)
        batches = [self._drain_key(job, key) for key in sorted({row.key for row in rows})]
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
        """Have the effect of as many keys as the batch's time allows; answers how many rows that settled."""
        deadline = time.monotonic() + BATCH_TIME_S
        settled: list[ClaimedRow] = []
        for of_keys in _done_together(rows):
            if settled and time.monotonic() > deadline:
                break
            self._keys_at_work = list(of_keys)
            self._jobs[job](self, session, of_keys)
            settled += chain.from_iterable(of_keys.values())
        if settled:
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


def _done_together(rows: Sequence[ClaimedRow]) -> Iterator[dict[str, list[ClaimedRow]]]:
    """Rows by key, up to `KEYS_AT_ONCE` keys at a time, in key order: so two workers never wait in a circle.

    Keys that have failed before come by themselves: when one runs out of time again, only it backs off.
    """
    together: dict[str, list[ClaimedRow]] = {}
    for key, group in groupby(sorted(rows, key=lambda row: row.key), key=lambda row: row.key):
        of_key = list(group)
        has_failed = any(row.attempts for row in of_key)
        if together and (has_failed or len(together) == KEYS_AT_ONCE):
            yield together
            together = {}
        if has_failed:
            yield {key: of_key}
        else:
            together[key] = of_key
    if together:
        yield together
