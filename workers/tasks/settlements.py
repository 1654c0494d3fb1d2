from collections.abc import Sequence

from celery import shared_task
from celery.exceptions import SoftTimeLimitExceeded

from core.database import Database, is_unavailable
from core.job_names import DELIVER_NOTIFICATIONS, Tick
from core.logging import get_logger
from core.services.settlement_nudges import Key, due_settlements, nudge_receivers
from workers.process import current_runtime

NUDGE_BATCH = 100
"""Settlements a transaction: it holds the rows of as many users."""

log = get_logger(__name__)


@shared_task(name=Tick.NUDGE_SETTLEMENTS)
def nudge_settlements_task() -> None:
    """A tick: ask the receivers of settlements that wait for too long."""
    runtime = current_runtime()
    if nudge_all(runtime.database):
        runtime.drain(DELIVER_NOTIFICATIONS)


def nudge_all(database: Database) -> int:
    """Batch by batch; where one fails, each of its settlements by itself. Answers how many were asked."""
    total, after = 0, None
    while True:
        with database.reading() as session:
            keys = due_settlements(session, after=after, limit=NUDGE_BATCH)
        total += _nudge_batch(database, keys)
        if len(keys) < NUDGE_BATCH:
            return total
        after = keys[-1]


def _nudge_batch(database: Database, keys: Sequence[Key]) -> int:
    try:
        with database.transaction() as session:
            return nudge_receivers(session, keys) if keys else 0
    except SoftTimeLimitExceeded:
        raise
    except Exception as error:
        if is_unavailable(error):
            raise
        log.exception("settlement.not_nudged", settlements=keys[0] if len(keys) == 1 else len(keys))
    return 0 if len(keys) == 1 else sum(_nudge_batch(database, [key]) for key in keys)
