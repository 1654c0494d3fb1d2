"""Digests: when they are due, and what becomes of those that are computed."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from functools import partial
from itertools import takewhile
from typing import Any
from uuid import UUID

from sqlalchemy import Row, bindparam, select, update
from sqlalchemy.orm import Session

from core import clock
from core.ids import new_id
from core.job_names import BUILD_DIGEST
from core.logging import get_logger
from core.models import DigestRun, NotificationSettings, User, table_of
from core.queries.digest_documents import DigestFigures, digest_document
from core.queries.digests import QueuedDigest
from core.queries.notification_settings import plan_of
from core.rules.digests import MAX_CATCH_UP, DigestPlan, due_days, due_instant, told_period
from core.rules.money import format_amount
from core.services.dialects import insert_into
from core.services.locks import lock_users
from core.services.notifications import NewNotification, notify
from core.services.outbox import Job, stage_jobs
from core.services.purging import delete_some

RUNS = table_of(DigestRun)
SETTINGS = table_of(NotificationSettings)
USERS = table_of(User)

DIGEST_READY = "digest.ready"

KEPT = timedelta(days=400)
"""A year and a month: each can be read beside that of a year before."""

POSTPONED = timedelta(days=1)
"""A user's digests that cannot be planned are tried again then, and meanwhile hold up nobody's."""

DUE = (
    select(SETTINGS.c.user_id)
    .join(USERS, USERS.c.id == SETTINGS.c.user_id)
    .where(SETTINGS.c.next_digest_at <= bindparam("now"), USERS.c.is_active)
    .order_by(SETTINGS.c.next_digest_at)
)
# As whoever changes settings or time zones does, and in key order; who is held comes the next time.
LOCK_FREE = (
    select(USERS.c.id, USERS.c.timezone)
    .where(USERS.c.id.in_(bindparam("user_ids", expanding=True)))
    .order_by(USERS.c.id)
    .with_for_update(key_share=True, skip_locked=True)
)
SETTINGS_OF = select(SETTINGS).where(
    SETTINGS.c.user_id.in_(bindparam("user_ids", expanding=True)),
    SETTINGS.c.next_digest_at <= bindparam("now"),
)
PLAN_NEXT = (
    update(SETTINGS)
    .where(SETTINGS.c.user_id == bindparam("owner"))
    .values(next_digest_on=bindparam("next_on"), next_digest_at=bindparam("next_at"))
)
FINISH = (
    update(RUNS)
    .where(RUNS.c.user_id == bindparam("owner"), RUNS.c.id == bindparam("its_id"))
    .values(state=bindparam("new_state"), figures=bindparam("document"), built_at=bindparam("at"))
)

log = get_logger(__name__)


def stage_due_digests(session: Session, *, limit: int) -> int:
    """Have the digests computed that are due, each once, and plan the next; answers how many users had some.

    Of days that were missed the last `MAX_CATCH_UP` are made up for, the oldest first.
    """
    now = clock.now()
    due = session.scalars(DUE.limit(limit), {"now": now}).all()
    if not due:
        return 0
    timezones = {row.id: row.timezone for row in session.execute(LOCK_FREE, {"user_ids": due})}
    rows = session.execute(SETTINGS_OF, {"user_ids": list(timezones), "now": now}).all()
    runs: list[dict[str, Any]] = []
    plans: list[dict[str, Any]] = []
    for row in rows:
        try:
            of_user, plan = _due_runs(row, timezones[row.user_id], now)
        except (LookupError, ValueError, OverflowError):
            # A time zone that is not known any more, for instance.
            log.exception("digest.not_planned", user_id=row.user_id)
            of_user, plan = [], {"next_on": row.next_digest_on, "next_at": now + POSTPONED}
        runs += of_user
        plans.append({"owner": row.user_id, **plan})
    _stage(session, runs)
    if plans:
        session.execute(PLAN_NEXT, plans)
    return len(plans)


def _due_runs(row: Row[Any], timezone: str, now: datetime) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """The digests of a user that are due, and when the next one is."""
    plan = plan_of(row)
    if plan is None or row.next_digest_on is None:
        return [], {"next_on": None, "next_at": None}
    due_at = partial(due_instant, plan, timezone=timezone, user_id=row.user_id)
    days = list(takewhile(lambda day: due_at(day) <= now, due_days(plan, row.next_digest_on)))
    if len(days) > MAX_CATCH_UP:
        log.warning("digest.left_out", user_id=row.user_id, count=len(days) - MAX_CATCH_UP)
    runs = [_run(row.user_id, plan, day, now) for day in days[-MAX_CATCH_UP:]]
    after = days[-1] + timedelta(days=1) if days else row.next_digest_on
    next_on = next(due_days(plan, after))
    return runs, {"next_on": next_on, "next_at": due_at(next_on)}


def _run(user_id: UUID, plan: DigestPlan, day: date, now: datetime) -> dict[str, Any]:
    period = told_period(plan, day)
    return {
        "user_id": user_id,
        "id": new_id(),
        "frequency": plan.frequency,
        "period_start": period.start,
        "period_end": period.end,
        "state": "queued",
        "created_at": now,
    }


def _stage(session: Session, runs: Sequence[Mapping[str, Any]]) -> None:
    """A period's second digest, which two beats or a change of plans would bring, is none."""
    if not runs:
        return
    inserted = session.execute(
        insert_into(session, RUNS)
        .values(runs)
        .on_conflict_do_nothing(index_elements=["user_id", "frequency", "period_start"])
        .returning(RUNS.c.user_id, RUNS.c.id)
    ).all()
    given = {(row.user_id, row.id) for row in inserted}
    if len(given) < len(runs):
        log.info("digest.known", count=len(runs) - len(given))
    stage_jobs(
        session,
        [
            Job(BUILD_DIGEST, str(run["user_id"]), {"digest_id": str(run["id"])})
            for run in runs
            if (run["user_id"], run["id"]) in given
        ],
    )


def finish_digests(session: Session, built: Iterable[tuple[QueuedDigest, DigestFigures]]) -> int:
    """Keep computed digests and tell their users; answers how many are sent. Who is gone is passed over."""
    pairs = list(built)
    users = lock_users(session, {digest.user_id for digest, _ in pairs})
    now, rows, messages = clock.now(), [], []
    for digest, figures in pairs:
        if digest.user_id not in users:
            continue
        is_sent = digest.is_sent_empty or not figures.is_empty
        rows.append(
            {
                "owner": digest.user_id,
                "its_id": digest.id,
                "new_state": "sent" if is_sent else "skipped",
                "document": digest_document(figures) if is_sent else None,
                "at": now,
            }
        )
        if is_sent:
            messages.append(NewNotification(digest.user_id, DIGEST_READY, _data(digest, figures)))
    if rows:
        session.execute(FINISH, rows)
    notify(session, messages, users=users)
    return len(messages)


def fail_digest(session: Session, *, user_id: UUID, digest_id: UUID) -> None:
    """It could not be computed, for good."""
    row = {"owner": user_id, "its_id": digest_id, "new_state": "failed", "document": None, "at": clock.now()}
    session.execute(FINISH, row)


def purge_digests(session: Session) -> int:
    """Delete some of those that are older than `KEPT`; answers how many."""
    return delete_some(session, RUNS, RUNS.c.created_at < clock.now() - KEPT)


def _data(digest: QueuedDigest, figures: DigestFigures) -> dict[str, Any]:
    """The digest in short; the whole is at `/v1/digests/{digest_id}`."""
    currency = figures.currency
    return {
        "digest_id": str(digest.id),
        "frequency": digest.frequency,
        "period_start": figures.period.start.isoformat(),
        "period_end": figures.period.end.isoformat(),
        "currency": currency,
        "spent": format_amount(figures.whole.minor, currency),
        "spent_before": format_amount(figures.before.minor, currency),
        "count": figures.whole.count,
        "budgets_exceeded": figures.budgets_exceeded,
        "awaiting": len(figures.awaiting) + figures.more_awaiting,
        "upcoming": len(figures.upcoming) + figures.more_upcoming,
    }
