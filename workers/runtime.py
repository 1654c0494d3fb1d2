"""What a worker process holds, and how it works off the outbox."""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from itertools import groupby

from celery.exceptions import SoftTimeLimitExceeded
from redis import Redis, RedisError
from sqlalchemy.orm import Session

from core.broker import SOCKET_TIMEOUT_S
from core.config import Settings
from core.database import Database, is_unavailable, limit_lock_wait
from core.services.outbox import ClaimedRow, back_off, claim_rows, settle_rows, staged_jobs
from core.wakeups import WakeUpFlags

DRAIN_TIME_S = 20.0
"""A task stops claiming after this, well within its time limit; the next wake-up or sweep goes on."""

BATCH_TIME_S = 2.0
"""A transaction holds the locks of all the users it has worked for (on SQLite, the one write lock) and begins
with no further one after this. What it has claimed beyond goes back to the outbox as it was."""

LOCK_WAIT_MS = 1_000
"""Whoever's row is locked for longer, as by a large deletion, is left for later."""

log = logging.getLogger(__name__)

ApplyJob = Callable[["Runtime", Session, str, Sequence[ClaimedRow]], None]
"""Has the effect of a job's rows with one key: `(runtime, session, key, rows)`, without committing."""


class Runtime:
    """One worker process's connections. Made after the fork."""

    def __init__(self, settings: Settings, jobs: Mapping[str, ApplyJob]) -> None:
        self.settings = settings
        self.database = Database(settings.database, pool_size=1)
        self.redis = Redis.from_url(
            settings.redis, socket_timeout=SOCKET_TIMEOUT_S, socket_connect_timeout=SOCKET_TIMEOUT_S
        )
        self._jobs = jobs
        self._flags = WakeUpFlags(settings)
        self._key_at_work = ""

    def drain(self, job: str, *, deadline: float | None = None) -> int:
        """Work off the rows of a job, and what they ask for in turn; answers how many rows there were.

        Follow-ups are done right here, as another trip through the broker would only cost time; should this
        process die in between, the sweep finds them in the outbox. They come after each batch: while others
        go on writing there is always another one, and nobody's alert waits for the last.

        Args:
            deadline: of `time.monotonic()`, past which no further batch is begun.
        """
        self._lower_flag(job)
        deadline = deadline or time.monotonic() + DRAIN_TIME_S
        total = 0
        while True:
            done, follow_ups = self._drain_once(job)
            total += done
            for follow_up in sorted(follow_ups - {job}):
                total += self.drain(follow_up, deadline=deadline)
            if not done or time.monotonic() > deadline:
                return total

    def _drain_once(self, job: str) -> tuple[int, frozenset[str]]:
        """One transaction: claim rows, have their effect, delete them. If that fails, key by key."""
        keys: list[str] = []
        self._key_at_work = ""
        try:
            with self.database.transaction() as session:
                limit_lock_wait(session, LOCK_WAIT_MS)
                rows = sorted(claim_rows(session, job=job), key=lambda row: row.key)
                keys = sorted({row.key for row in rows})
                done = self._apply(session, job, rows)
            return done, staged_jobs(session)
        except RedisError:
            raise
        except SoftTimeLimitExceeded as error:
            self._back_off(job, self._key_at_work, error)
            raise
        except Exception as error:
            if is_unavailable(error) or not keys:
                raise
            log.warning("job.split job=%s keys=%d error=%r", job, len(keys), error)
        outcomes = [self._drain_key(job, key) for key in keys]
        return sum(done for done, _ in outcomes), frozenset().union(*(staged for _, staged in outcomes))

    def _drain_key(self, job: str, key: str) -> tuple[int, frozenset[str]]:
        try:
            with self.database.transaction() as session:
                limit_lock_wait(session, LOCK_WAIT_MS)
                done = self._apply(session, job, claim_rows(session, job=job, key=key))
            return done, staged_jobs(session)
        except RedisError:
            raise
        except SoftTimeLimitExceeded as error:
            self._back_off(job, key, error)
            raise
        except Exception as error:
            if is_unavailable(error):
                raise
            log.exception("job.failed job=%s key=%s", job, key)
            self._back_off(job, key, error)
            return 0, frozenset()

    def _apply(self, session: Session, job: str, rows: Sequence[ClaimedRow]) -> int:
        """Have the effect of as many keys as the batch's time allows; answers how many rows that settled."""
        deadline = time.monotonic() + BATCH_TIME_S
        settled: list[ClaimedRow] = []
        # In key order, so that two workers never wait for each other in a circle.
        for key, group in groupby(rows, key=lambda row: row.key):
            if settled and time.monotonic() > deadline:
                break
            self._key_at_work = key
            of_key = list(group)
            self._jobs[job](self, session, key, of_key)
            settled += of_key
        if settled:
            settle_rows(session, settled)
        return len(settled)

    def _back_off(self, job: str, key: str, error: BaseException) -> None:
        """Try a key's rows again later: nobody else's shall wait for it."""
        with self.database.transaction() as session:
            back_off(session, claim_rows(session, job=job, key=key), error=repr(error))

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
