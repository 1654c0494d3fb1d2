from datetime import timedelta

from celery import shared_task

from core import clock
from core.database import Database
from core.job_names import Tick
from core.logging import AUDIT, get_logger
from core.queries.audit import moved_heads
from workers.process import current_runtime

LOOK_BACK = timedelta(minutes=65)
"""A tick's interval and what it may be late: rather twice than not at all."""

log = get_logger(AUDIT)


@shared_task(name=Tick.LOG_AUDIT_HEADS)
def log_audit_heads_task() -> None:
    """A tick: write the newest link of each trail that has grown into the log.

    Whoever can change the database can make all of a trail anew, its head included, but not what a log that
    was shipped elsewhere says of it: `outlay audit --heads` compares the two.
    """
    log_audit_heads(current_runtime().database)


def log_audit_heads(database: Database) -> int:
    """Answers how many there were."""
    count = 0
    with database.snapshot_rows() as rows:
        for user_id, seq, digest in moved_heads(rows, since=clock.now() - LOOK_BACK):
            log.info("audit.head", user_id=user_id, seq=seq, hash=digest.hex())
            count += 1
    return count
