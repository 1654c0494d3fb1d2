"""What keeps the database tidy, and proves that it is right."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from celery import shared_task
from sqlalchemy.exc import DBAPIError

from core.database import is_timed_out
from core.job_names import Tick
from core.queries.invariants import conversion_differences, spending_differences
from core.queries.ledger_invariants import ledger_differences, list_group_ids
from core.queries.notifications import numbering_gaps
from core.queries.users import list_user_ids
from core.services.changes import FORGET_BATCH, forget_deletions
from core.services.digests import PURGE_BATCH as DIGEST_BATCH
from core.services.digests import purge_digests
from core.services.expenses import PURGE_BATCH, purge_trash
from core.services.exports import purge_exports
from core.services.group_purge import purge_groups
from core.services.idempotency import purge_keys
from core.services.import_purge import expire_import
from core.services.invitation_expiry import PURGE_BATCH as INVITATION_BATCH
from core.services.invitation_expiry import purge_invitations
from core.services.sessions import purge_sessions
from workers.process import current_runtime

CHECK_TIME_S = 3_600
"""Nothing waits for it but one of the worker's processes, at night."""

IN_BATCHES = (
    (purge_trash, PURGE_BATCH),
    (forget_deletions, FORGET_BATCH),
    (purge_invitations, INVITATION_BATCH),
    (purge_digests, DIGEST_BATCH),
)
"""Each answers how many rows it has removed; fewer than a batch end it."""

log = logging.getLogger(__name__)


@shared_task(name=Tick.PURGE)
def purge_task() -> None:
    """Remove what has outlived its promise: trash, word of deletions, groups and their invitations, files,
    answers, logins."""
    runtime = current_runtime()
    for purge_some, batch in IN_BATCHES:
        purged = batch
        while purged == batch:
            with runtime.database.transaction() as session:
                purged = purge_some(session)
    for purge_one in (purge_groups, expire_import):
        has_more = True
        while has_more:
            with runtime.database.transaction() as session:
                has_more = purge_one(session)
    for purge in (purge_keys, purge_sessions, purge_exports):
        with runtime.database.transaction() as session:
            purge(session)


# Acknowledged as it begins: the broker would hand it out again every two minutes until it ends. What a dead
# worker has not proved is proved the next night.
@shared_task(
    name=Tick.CHECK_INVARIANTS,
    acks_late=False,
    soft_time_limit=CHECK_TIME_S,
    time_limit=CHECK_TIME_S + 60,
)
def check_invariants_task() -> None:
    """Prove that the daily totals equal the expenses, that no notification number is missing, and that the
    ledgers of the groups are whole."""
    with current_runtime().database.reading() as session:
        # User by user: one statement over everybody would outlast its time limit, and prove nothing.
        for user_id in list_user_ids(session):
            with _going_on("daily_spending", f"user={user_id}"):
                for difference in spending_differences(session, user_id=user_id):
                    log.error("invariant.daily_spending %s", difference)
            with _going_on("daily_conversions", f"user={user_id}"):
                for conversion in conversion_differences(session, user_id=user_id):
                    log.error("invariant.daily_conversions user=%s %s", user_id, conversion)
        with _going_on("notification_numbers", "of all users"):
            for user_id in numbering_gaps(session):
                log.error("invariant.notification_numbers user=%s", user_id)
        for group_id in list_group_ids(session):
            with _going_on("group_ledger", f"group={group_id}"):
                for ledger_difference in ledger_differences(session, group_id=group_id):
                    log.error("invariant.group_ledger %s", ledger_difference)


@contextmanager
def _going_on(invariant: str, subject: str) -> Iterator[None]:
    """Millions of expenses or postings may take too long; all the others are proved all the same."""
    try:
        yield
    except DBAPIError as error:
        if not is_timed_out(error):
            raise
        log.error("invariant.%s_not_proved %s error=%s", invariant, subject, error.orig)  # noqa: TRY400
