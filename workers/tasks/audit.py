from datetime import UTC, datetime, timedelta
from typing import cast

from celery import shared_task

from core import clock
from core.database import Database
from core.job_names import Tick
from core.logging import AUDIT, get_logger
from core.queries.audit import moved_heads
from workers.process import current_runtime
from workers.runtime import Runtime

OVERLAP = timedelta(minutes=5)
"""What was under way when a tick began is dated before it: rather twice than not at all."""

log = get_logger(AUDIT)


@shared_task(name=Tick.LOG_AUDIT_HEADS)
def log_audit_heads_task() -> None:
    """A tick: write the newest link of each trail that has grown into the log.

    Whoever can change the database can make all of a trail anew, its head included, but not what a log that
    was shipped elsewhere says of it: `outlay audit --heads` compares the two.
    """
    log_moved_heads(current_runtime())


def log_moved_heads(runtime: Runtime) -> int:
    """Those since the last tick that has come to its end, however long ago; all if nobody knows of one, or if
    it lies in the future: the clock was ahead, and nothing that was done since is dated after it."""
    key = f"{runtime.settings.redis_prefix}:audit_heads_logged_at"
    began, stored = clock.now(), runtime.redis.get(key)
    last = datetime.fromtimestamp(float(cast("bytes", stored)), UTC) if stored else None
    since = None if last is None or last > began else last - OVERLAP
    count = log_audit_heads(runtime.database, since=since)
    runtime.redis.set(key, began.timestamp())
    return count


def log_audit_heads(database: Database, *, since: datetime | None = None) -> int:
    """Answers how many there were."""
    count = 0
    with database.snapshot_rows() as rows:
        for user_id, seq, digest in moved_heads(rows, since=since):
            log.info("audit.head", user_id=user_id, seq=seq, hash=digest.hex())
            count += 1
    return count
