from uuid import UUID

from celery import shared_task
from celery.exceptions import SoftTimeLimitExceeded

from core.database import Database, is_unavailable
from core.job_names import Tick
from core.logging import get_logger
from core.services.invitation_expiry import expire_invitations, groups_with_expired
from workers.process import current_runtime

GROUP_BATCH = 500
"""Ids read at a time; each group has a transaction of its own, as it is locked."""

log = get_logger(__name__)


@shared_task(name=Tick.EXPIRE_INVITATIONS)
def expire_invitations_task() -> None:
    """A tick: write down which invitations have expired. What it has no time for is found the next time."""
    expire_all(current_runtime().database)


def expire_all(database: Database) -> int:
    """Group by group; one that fails stops no other. Answers how many invitations have expired."""
    total, after = 0, None
    while True:
        with database.reading() as session:
            group_ids = groups_with_expired(session, after=after, limit=GROUP_BATCH)
        total += sum(_expire_in(database, group_id) for group_id in group_ids)
        if len(group_ids) < GROUP_BATCH:
            return total
        after = group_ids[-1]


def _expire_in(database: Database, group_id: UUID) -> int:
    try:
        with database.transaction() as session:
            return expire_invitations(session, group_id=group_id)
    except SoftTimeLimitExceeded:
        raise
    except Exception as error:
        if is_unavailable(error):
            raise
        log.exception("invitation.not_expired", group_id=group_id)
        return 0
