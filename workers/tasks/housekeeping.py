"""What keeps the database tidy, and proves that it is right."""

import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime

from celery import shared_task
from celery.exceptions import SoftTimeLimitExceeded
from sqlalchemy.orm import Session

from core import clock
from core.database import Database, is_unavailable
from core.job_names import Tick
from core.logging import get_logger
from core.queries.invariant_checks import check_results
from core.rules.nights import is_due
from core.services.challenges import purge_challenges
from core.services.changes import forget_deletions
from core.services.deliveries import purge_deliveries
from core.services.devices import forget_devices
from core.services.digests import purge_digests
from core.services.expenses import purge_trash
from core.services.exports import expire_exports, purge_exports
from core.services.group_purge import purge_groups
from core.services.idempotency import purge_keys
from core.services.import_purge import expire_import
from core.services.invariant_checks import CHECKS, keep_proof, prove
from core.services.invitation_expiry import purge_invitations
from core.services.sessions import purge_refresh_tokens, purge_sessions
from core.services.verification import purge_email_changes
from workers.process import current_runtime

CHECK_TIME_S = 3_500
"""Nothing waits for it but one of the worker's processes, at night. Over before the next tick, which tries
again what has not come to its end, after all others."""

KIND_TIME_S = 120.0
"""For each kind: a trash of millions must not keep from being purged what comes after it."""

PURGE_TIME_S = 1_800
"""More than all kinds take, and over before the next tick."""

PURGES: tuple[Callable[[Session], int], ...] = (
    purge_trash,
    forget_deletions,
    purge_invitations,
    purge_digests,
    purge_deliveries,
    purge_groups,
    expire_import,
    purge_keys,
    purge_refresh_tokens,
    purge_sessions,
    forget_devices,
    purge_challenges,
    purge_email_changes,
    expire_exports,
    purge_exports,
)
"""Each removes a few rows, and answers how many; none is left when it has removed none."""

LONG_AGO = datetime.min.replace(tzinfo=UTC)

log = get_logger(__name__)


class NotPurged(Exception):
    """Of some kinds nothing, or not all, was removed; the log tells why."""


# Acknowledged as it begins: the broker would hand it out again every two minutes until it ends. What a dead
# worker has not removed the next tick does.
@shared_task(name=Tick.PURGE, acks_late=False, soft_time_limit=PURGE_TIME_S, time_limit=PURGE_TIME_S + 60)
def purge_task() -> None:
    """Remove what has outlived its promise: trash, word of deletions, deliveries, groups and their
    invitations, files, answers, logins and what is known of them."""
    purge_all(current_runtime().database)


def purge_all(database: Database) -> None:
    """Kind by kind; one that fails stops no other.

    Raises:
        NotPurged: in the end, if any has failed.
    """
    failed = []
    for purge_some in PURGES:
        try:
            has_more, ends_at = True, time.monotonic() + KIND_TIME_S
            while has_more:
                with database.transaction() as session:
                    has_more = purge_some(session) > 0 and time.monotonic() < ends_at
        except SoftTimeLimitExceeded:
            raise
        except Exception as error:
            if is_unavailable(error):
                raise
            log.exception("purge.failed", step=purge_some.__name__)
            failed.append(purge_some.__name__)
    if failed:
        raise NotPurged(", ".join(failed))


# Acknowledged as it begins: the broker would hand it out again every two minutes until it ends. What a dead
# worker has not proved the next tick does.
@shared_task(
    name=Tick.CHECK_INVARIANTS,
    acks_late=False,
    soft_time_limit=CHECK_TIME_S,
    time_limit=CHECK_TIME_S + 60,
)
def check_invariants_task() -> None:
    """A tick: once a night, prove what must always be true."""
    database = current_runtime().database
    check_invariants(database, due_checks(database))


def due_checks(database: Database) -> list[str]:
    """Those that have not come to their end since the last night; those that have not for longest come last,
    as they may not ever."""
    with database.reading() as session:
        checked = {one.name: one.checked_at for one in check_results(session)}
    now = clock.now()
    due = [name for name in CHECKS if is_due(last_at=checked.get(name), now=now)]
    return sorted(due, key=lambda name: checked.get(name, LONG_AGO), reverse=True)


def check_invariants(database: Database, names: Iterable[str]) -> None:
    """What one check finds is stored before the next one begins."""
    for name in names:
        try:
            with database.reading() as session:
                proof = prove(session, name=name)
            with database.transaction() as session:
                keep_proof(session, proof)
        except SoftTimeLimitExceeded:
            raise
        except Exception as error:
            if is_unavailable(error):
                raise
            # The former result stays, and becomes stale.
            log.exception("invariant.not_checked", check=name)
