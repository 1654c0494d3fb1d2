from uuid import UUID

from celery import shared_task
from celery.exceptions import SoftTimeLimitExceeded

from core.database import Database, is_unavailable
from core.job_names import DELIVER_NOTIFICATIONS, Tick
from core.logging import get_logger
from core.queries.due_reminders import due_reminders, reminding_groups
from core.services.reminders import remind_debtors
from workers.process import current_runtime

GROUP_BATCH = 1_000
"""Ids read at a time; each group has a transaction of its own, as it is locked."""

TICK_TIME_S = 1_800
"""A group takes some milliseconds: time for hundreds of thousands of them, and over before the next tick."""

log = get_logger(__name__)


# Acknowledged as it begins: the broker would hand it out again every two minutes until it ends. Whom a dead
# worker has not reminded the next tick does.
@shared_task(
    name=Tick.REMIND_DEBTORS, acks_late=False, soft_time_limit=TICK_TIME_S, time_limit=TICK_TIME_S + 60
)
def remind_debtors_task() -> None:
    """A tick: remind members of what they have owed for as long as their group lets them."""
    runtime = current_runtime()
    if remind_all(runtime.database):
        runtime.drain(DELIVER_NOTIFICATIONS)


def remind_all(database: Database) -> int:
    """Group by group; one that fails stops no other. Answers how many reminders went out."""
    total, after = 0, None
    while True:
        with database.reading() as session:
            group_ids = reminding_groups(session, after=after, limit=GROUP_BATCH)
        total += sum(_remind_in(database, group_id) for group_id in group_ids)
        if len(group_ids) < GROUP_BATCH:
            return total
        after = group_ids[-1]


def _remind_in(database: Database, group_id: UUID) -> int:
    try:
        # In most groups nothing is due in most hours: they are not locked for that.
        with database.reading() as session:
            due = due_reminders(session, group_id=group_id)
        if due is None or not due.reminders:
            return 0
        with database.transaction() as session:
            return remind_debtors(session, group_id=group_id)
    except SoftTimeLimitExceeded:
        raise
    except Exception as error:
        if is_unavailable(error):
            raise
        log.exception("debt.not_reminded", group_id=group_id)
        return 0
