"""Works off jobs whose effect is outside of the database, such as mails, and may take long.

No transaction is open meanwhile: on SQLite it would be the one write lock, and a mail server that hangs would
stop all who write. A row is leased in one transaction and settled in another. In between only the worker may
die; then the row is done again after the lease, so an effect must be one that does no harm twice.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum, auto

from celery.exceptions import SoftTimeLimitExceeded
from redis import RedisError
from redis.lock import Lock

from core.database import is_unavailable
from core.log_redaction import safe_text
from core.logging import get_logger
from core.services.outbox import ClaimedRow, fail_leased, lease_row, return_leased, settle_leased
from workers.job_log import for_row, tell_done, tell_failed
from workers.runtime import DRAIN_TIME_S, Runtime

LEASE = timedelta(seconds=90)
"""A task is killed after a minute; whoever had the lease for longer has ended."""

PAUSE_S = 60
"""After something that is away: so much later it is asked for again, and as a hanging server takes up to ten
seconds, one process out of all loses no more than a sixth of its time to it."""

log = get_logger(__name__)


class Fate(Enum):
    """What becomes of a row, and of the round."""

    DONE = auto()
    LATER = auto()
    """An attempt has failed."""
    NEVER = auto()
    """It need not be tried again."""
    BROKEN = auto()
    """As `LATER`; but the row may not be to blame, so the second in a row ends the round."""
    AWAY = auto()
    """Nothing could be done with any row: this was no attempt, and the round ends."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The fate of a row, and why unless it is done."""

    fate: Fate
    error: str = ""


DONE = Outcome(Fate.DONE)

Effect = Callable[[ClaimedRow], Outcome]
"""Has a row's effect. An exception counts as a failure of the row."""


def work_off(runtime: Runtime, job: str, effect: Effect) -> int:
    """Do the rows of a job one after the other; answers how many are done.

    One process of all does so at a time, and the others are there for what must not wait. A round that ends
    early keeps its turn for `PAUSE_S`.
    """
    runtime.lower_flag(job)
    turn = runtime.redis.lock(turn_name(runtime, job), timeout=LEASE.total_seconds(), blocking=False)
    if not turn.acquire():
        return 0
    is_over = True
    try:
        done, is_over = _round(runtime, job, effect)
        return done
    finally:
        _end_turn(turn, is_over=is_over)


def turn_name(runtime: Runtime, job: str) -> str:
    """The key in Redis that whoever works off the job holds."""
    return f"{runtime.settings.redis_prefix}:turn:{job}"


def _round(runtime: Runtime, job: str, effect: Effect) -> tuple[int, bool]:
    """How many rows are done, and whether the next round may begin at once."""
    done, was_broken, deadline = 0, False, time.monotonic() + DRAIN_TIME_S
    while time.monotonic() < deadline:
        with runtime.database.transaction() as session:
            # What is wrong with one is often wrong with those next to it: the other end tells more.
            row = lease_row(session, job=job, lease=LEASE, newest_first=was_broken)
        if row is None:
            break
        outcome = _try(runtime, job, row, effect)
        done += outcome.fate is Fate.DONE
        is_broken = outcome.fate is Fate.BROKEN
        if outcome.fate is Fate.AWAY or (is_broken and was_broken):
            log.warning("job.paused", job=job, for_s=PAUSE_S, error=outcome.error)
            return done, False
        was_broken = is_broken
    return done, True


def _try(runtime: Runtime, job: str, row: ClaimedRow, effect: Effect) -> Outcome:
    with for_row(job, row):
        return _try_for(runtime, job, row, effect)


def _try_for(runtime: Runtime, job: str, row: ClaimedRow, effect: Effect) -> Outcome:
    try:
        outcome = effect(row)
    except SoftTimeLimitExceeded as error:
        _record(runtime, job, row, Outcome(Fate.LATER, safe_text(error)))
        raise
    except Exception as error:
        if is_unavailable(error):
            raise  # the row comes up again after its lease
        log.exception("job.failed", job=job, key=row.key)
        outcome = Outcome(Fate.LATER, safe_text(error))
    _record(runtime, job, row, outcome)
    return outcome


def _record(runtime: Runtime, job: str, row: ClaimedRow, outcome: Outcome) -> None:
    with runtime.database.transaction() as session:
        if outcome.fate is Fate.DONE:
            settle_leased(session, row)
        elif outcome.fate is Fate.AWAY:
            return_leased(session, row, error=outcome.error)
        elif fail_leased(session, row, error=outcome.error, is_final=outcome.fate is Fate.NEVER):
            log.error("job.dead", job=job, key=row.key, error=outcome.error)
            tell_failed(job, is_dead=True)
            return
    if outcome.fate is Fate.DONE:
        tell_done(job, {row.key: [row]})
    elif outcome.fate is not Fate.AWAY:
        tell_failed(job)


def _end_turn(turn: Lock, *, is_over: bool) -> None:
    try:
        if is_over:
            turn.release()
        else:
            turn.extend(PAUSE_S, replace_ttl=True)
    except RedisError as error:
        # It runs out by itself.
        log.warning("job.turn_not_ended", name=turn.name, error=error)
