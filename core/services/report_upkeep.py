"""What keeps reports right: changes make them stale, and stale ones are built anew after a while.

Nobody who writes an expense pays for it. The evaluation of budgets, which follows every change of spending,
knows the earliest day that was touched; so it is told here, for a hundred users at a time.
"""

from collections.abc import Mapping
from datetime import date, timedelta
from uuid import UUID

from sqlalchemy import bindparam, func, select, update
from sqlalchemy.orm import Session

from core import clock
from core.job_names import BUILD_REPORT
from core.models import OutboxRow, table_of
from core.queries.reports import REPORTS
from core.rules.periods import MIN_DAY
from core.services.outbox import stage_jobs
from core.services.reports import build_job

REBUILD_DELAY = timedelta(minutes=5)
"""From the first change to the next building: who enters a month's receipts has it built a few times, not
once for each. The report says meanwhile that it is stale; asking for it has it built at once."""

MAX_WAITING_REBUILDS = 20
"""With those that users wait for: half a minute's work of a builder, or a minute's beside a million expenses
each, so that nobody's first report and no export waits for longer behind them."""

END_BATCH = 500
"""Reports at a time whose period is over: at a year's first midnight there may be very many."""

OUTBOX = table_of(OutboxRow)

FRESH = select(REPORTS.c.user_id, REPORTS.c.id, REPORTS.c.bears_until).where(
    REPORTS.c.user_id.in_(bindparam("user_ids", expanding=True)),
    REPORTS.c.bears_until > bindparam("day"),
    REPORTS.c.stale_since.is_(None),
)
MARK = (
    update(REPORTS)
    .where(REPORTS.c.user_id == bindparam("owner"), REPORTS.c.id == bindparam("its_id"))
    .values(stale_since=bindparam("since"), version=REPORTS.c.version + 1)
)
WAITING = select(func.count()).where(OUTBOX.c.job == BUILD_REPORT, OUTBOX.c.dead_at.is_(None))
ENDED = (
    select(REPORTS.c.user_id, REPORTS.c.id)
    .where(REPORTS.c.ends_at <= bindparam("now"))
    .order_by(REPORTS.c.ends_at)
    .limit(END_BATCH)
    .with_for_update(skip_locked=True)
)
END = (
    update(REPORTS)
    .where(REPORTS.c.user_id == bindparam("owner"), REPORTS.c.id == bindparam("its_id"))
    .values(
        ends_at=None,
        stale_since=func.coalesce(REPORTS.c.stale_since, REPORTS.c.ends_at),
        version=REPORTS.c.version + 1,
    )
)
DUE = (
    select(REPORTS.c.user_id, REPORTS.c.id)
    .where(
        REPORTS.c.stale_since <= bindparam("until"),
        REPORTS.c.state.in_(("succeeded", "failed")),
        REPORTS.c.built_at.is_not(None),
    )
    .order_by(REPORTS.c.stale_since)
    .with_for_update(skip_locked=True)
)
QUEUE = (
    update(REPORTS)
    .where(REPORTS.c.user_id == bindparam("owner"), REPORTS.c.id == bindparam("its_id"))
    .values(state="queued", version=REPORTS.c.version + 1)
)


def mark_stale(session: Session, first_days: Mapping[UUID, date | None]) -> None:
    """Note that users' spending has changed from a day on, or anything else of theirs (None).

    One statement where no report tells of it. Who holds the users' locks has taken them before.
    """
    if not first_days:
        return
    days = {user_id: day or MIN_DAY for user_id, day in first_days.items()}
    parameters = {"user_ids": list(days), "day": min(days.values())}
    told = sorted(
        (row.user_id, row.id)
        for row in session.execute(FRESH, parameters)
        if row.bears_until > days[row.user_id]
    )
    if told:
        now = clock.now()
        session.execute(MARK, [{"owner": owner, "its_id": one, "since": now} for owner, one in told])


def end_periods(session: Session) -> int:
    """Have reports built anew whose period was running and is over; answers how many, `END_BATCH` at most."""
    ended = session.execute(ENDED, {"now": clock.now()}).all()
    if ended:
        session.execute(END, [{"owner": row.user_id, "its_id": row.id} for row in ended])
    return len(ended)


def stage_rebuilds(session: Session) -> int:
    """Have those built anew that have been stale for longest; answers how many."""
    room = MAX_WAITING_REBUILDS - (session.scalar(WAITING) or 0)
    if room <= 0:
        return 0
    due = session.execute(DUE.limit(room), {"until": clock.now() - REBUILD_DELAY}).all()
    if due:
        session.execute(QUEUE, [{"owner": row.user_id, "its_id": row.id} for row in due])
        stage_jobs(session, [build_job(row.user_id, row.id) for row in due])
    return len(due)
