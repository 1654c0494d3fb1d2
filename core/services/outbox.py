"""Staging and settling of follow-up jobs (a transactional outbox).

A write stages its jobs in its own transaction. Whoever does a job deletes its rows in the transaction of the
effect; so a job is neither lost nor done twice, whatever is killed when.

An effect outside of the database, such as a mail, shares no transaction. Its row is leased: marked in one
transaction, deleted in another after the effect. Who is killed in between leads to a second effect, after the
lease: at least once.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, and_, bindparam, delete, insert, or_, select, update
from sqlalchemy.orm import Session

from core import clock
from core.job_names import LONG_JOBS
from core.log_context import request_ids_of
from core.logging import get_logger
from core.models import OutboxRow, table_of

CLAIM_LIMIT = 5_000
"""Rows a transaction. A burst asks for the same few keys again and again: the more rows are folded, the
fewer times a key is worked on. Claiming and deleting this many takes a tenth of a second."""

MAX_ATTEMPTS = 12
"""With the back-off below a job is tried for three quarters of an hour before it counts as dead."""

FIRST_BACK_OFF = timedelta(seconds=2)
LONGEST_BACK_OFF = timedelta(minutes=15)

MAX_ERROR_CHARACTERS = 2_000
"""Enough for the message and the end of a traceback."""

TABLE = table_of(OutboxRow)

STAGE = insert(TABLE).inline()  # nobody asks for the id
CLAIM = (
    select(
        TABLE.c.id, TABLE.c.key, TABLE.c.payload, TABLE.c.created_at, TABLE.c.attempts, TABLE.c.request_ids
    )
    .where(
        TABLE.c.job == bindparam("its_job"),
        TABLE.c.dead_at.is_(None),
        # New rows whatever their time: it is another machine's, whose clock may be ahead.
        or_(TABLE.c.attempts == 0, TABLE.c.available_at <= bindparam("now")),
    )
    .order_by(TABLE.c.id)
    .limit(CLAIM_LIMIT)
    .with_for_update(skip_locked=True)
)
CLAIM_AT_LAST = CLAIM.with_for_update()
CLAIM_DUE = CLAIM.order_by(None).limit(None)
CLAIM_FRESH = CLAIM_DUE.where(TABLE.c.attempts == 0)
"""Asked for first: the index gives its order, and however many wait, they are not sorted."""

LEASE = (
    update(TABLE)
    .where(TABLE.c.id == bindparam("its_id"))
    .values(attempts=bindparam("tries"), available_at=bindparam("until"))
)
SETTLE = delete(TABLE).where(TABLE.c.id.in_(bindparam("ids", expanding=True)))

STAGED = "outlay.staged_jobs"

ADVANCED = "advanced"
"""In a row's payload: the number of the last attempt that did a part of the work for good."""


log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Job:
    name: str
    key: str
    payload: dict[str, Any]


def stage_jobs(session: Session, jobs: Iterable[Job]) -> None:
    """Ask for follow-up jobs, to be done once this transaction has committed."""
    now = clock.now()
    rows = [
        {
            "job": job.name,
            "key": job.key,
            "payload": job.payload,
            "attempts": 0,
            "created_at": now,
            "available_at": now,
            "request_ids": request_ids_of(job.key),
        }
        for job in jobs
    ]
    if rows:
        session.execute(STAGE, rows)
        session.info.setdefault(STAGED, set()).update(row["job"] for row in rows)


def wake_for(session: Session, job: str) -> None:
    """Have workers woken for a job once this transaction has committed; its rows are not in the outbox."""
    session.info.setdefault(STAGED, set()).add(job)


def staged_jobs(session: Session) -> frozenset[str]:
    """The names of the jobs that this session has staged: whoever commits it wakes the workers for them."""
    return frozenset(session.info.get(STAGED, ()))


@dataclass(frozen=True, slots=True)
class ClaimedRow:
    """A waiting row of a job that this transaction holds."""

    id: int
    key: str
    payload: dict[str, Any]
    created_at: datetime
    attempts: int
    request_ids: str | None

    @property
    def attempts_in_vain(self) -> int:
        """Those since the last one that did a part of the work for good."""
        return self.attempts - int(self.payload.get(ADVANCED, 0))


def claim_rows(
    session: Session,
    *,
    job: str,
    key: str | None = None,
    limit: int | None = None,
    waits: bool = False,
) -> list[ClaimedRow]:
    """The oldest waiting rows of a job, locked until the transaction ends; what others hold is skipped.

    With `waits` it is waited for, as `lock_timeout_ms` allows; `limit` is instead of `CLAIM_LIMIT`.
    """
    query = CLAIM_AT_LAST if waits else CLAIM
    if limit is not None:
        query = query.limit(None).limit(limit)
    if key is not None:
        query = query.where(TABLE.c.key == key)
    return [ClaimedRow(*row) for row in session.execute(query, {"its_job": job, "now": clock.now()})]


def settle_rows(session: Session, rows: Sequence[ClaimedRow]) -> None:
    """Delete the rows of jobs that are done, in the transaction that did them."""
    session.execute(SETTLE, {"ids": [row.id for row in rows]})


def back_off(session: Session, rows: Sequence[ClaimedRow], *, error: str) -> bool:
    """Try these rows again later; after `MAX_ATTEMPTS` they are dead and wait for somebody to look.

    Answers whether one of them is dead now.
    """
    is_any_dead = False
    for row in rows:
        failure = _failure(row.attempts + 1, error)
        is_any_dead |= failure["dead_at"] is not None
        session.execute(update(TABLE).where(TABLE.c.id == row.id).values(failure))
    return is_any_dead


def lease_row(
    session: Session, *, job: str, lease: timedelta, newest_first: bool = False
) -> ClaimedRow | None:
    """Of the rows that are due with the fewest attempts the oldest, or newest: no failed one is first again.

    It counts as tried, and is nobody else's until the lease is over.
    """
    return next(iter(lease_rows(session, job=job, lease=lease, limit=1, newest_first=newest_first)), None)


def lease_rows(
    session: Session, *, job: str, lease: timedelta, limit: int, newest_first: bool = False
) -> list[ClaimedRow]:
    """As `lease_row`, for so many that were never tried; what was comes alone, as it may be to blame."""
    order = (TABLE.c.attempts, TABLE.c.id.desc() if newest_first else TABLE.c.id)
    while True:
        now = clock.now()
        parameters = {"its_job": job, "now": now}
        rows = (
            session.execute(CLAIM_FRESH.order_by(*order).limit(limit), parameters).all()
            or session.execute(CLAIM_DUE.order_by(*order).limit(1), parameters).all()
        )
        tried = [replace(ClaimedRow(*row), attempts=row.attempts + 1) for row in rows]
        leased = [row for row in tried if row.attempts_in_vain <= MAX_ATTEMPTS]
        # The last attempt of the others did not come to an end, and perhaps took the worker with it.
        dead = [row.id for row in tried if row.attempts_in_vain > MAX_ATTEMPTS]
        if dead:
            log.error("job.dead", job=job, rows=dead)
            session.execute(update(TABLE).where(TABLE.c.id.in_(dead)).values(dead_at=now))
        if leased:
            session.execute(
                LEASE, [{"its_id": row.id, "tries": row.attempts, "until": now + lease} for row in leased]
            )
        if leased or not rows:
            return leased


def settle_leased(session: Session, row: ClaimedRow) -> bool:
    """Delete a row whose effect has been had; False if somebody else has leased it since."""
    found = session.execute(delete(TABLE).where(_is_leased(row)).returning(TABLE.c.id))
    return found.one_or_none() is not None


def renew_lease(session: Session, row: ClaimedRow, *, lease: timedelta, has_advanced: bool = False) -> bool:
    """Keep a leased row for so much longer; False if somebody else has leased it since.

    An attempt that `has_advanced`, so that the next one has less to do, is none in vain.
    """
    values: dict[str, Any] = {"available_at": clock.now() + lease}
    if has_advanced:
        values["payload"] = {**row.payload, ADVANCED: row.attempts}
    renewal = update(TABLE).where(_is_leased(row)).values(values)
    return session.execute(renewal.returning(TABLE.c.id)).one_or_none() is not None


def attempts_in_vain(session: Session, row: ClaimedRow) -> int:
    """Of a leased row by now, this attempt included if it has not advanced."""
    payload = session.scalar(select(TABLE.c.payload).where(_is_leased(row)))
    return replace(row, payload=row.payload if payload is None else payload).attempts_in_vain


def fail_leased(session: Session, row: ClaimedRow, *, error: str, is_final: bool = False) -> bool:
    """As `back_off`; a final failure is not tried again. Answers whether the row is dead now."""
    failure = _failure(max(attempts_in_vain(session, row), 1), error, is_final=is_final)
    session.execute(update(TABLE).where(_is_leased(row)).values({**failure, "attempts": row.attempts}))
    return failure["dead_at"] is not None


def return_leased(session: Session, row: ClaimedRow, *, error: str) -> None:
    """Give a row back as if it had not been tried: nothing could have been done with any."""
    session.execute(
        update(TABLE)
        .where(_is_leased(row))
        .values(attempts=row.attempts - 1, available_at=clock.now(), last_error=error[-MAX_ERROR_CHARACTERS:])
    )


def _is_leased(row: ClaimedRow) -> ColumnElement[bool]:
    """Nobody has leased it since. SQLite gives the number of a deleted row to a later one."""
    return and_(TABLE.c.id == row.id, TABLE.c.attempts == row.attempts, TABLE.c.created_at == row.created_at)


def _failure(attempts: int, error: str, *, is_final: bool = False) -> dict[str, Any]:
    """What a row holds after so many attempts, of which the last one failed."""
    now = clock.now()
    return {
        "attempts": attempts,
        "last_error": error[-MAX_ERROR_CHARACTERS:],
        "available_at": now + delay_after(attempts),
        "dead_at": now if is_final or attempts >= MAX_ATTEMPTS else None,
    }


def delay_after(attempts: int) -> timedelta:
    return min(FIRST_BACK_OFF * (1 << attempts - 1), LONGEST_BACK_OFF)


def revive_dead_rows(session: Session, *, row_id: int | None = None) -> Sequence[str]:
    """Give dead rows (all, or one) another round of attempts; answers the names of their jobs."""
    query = update(OutboxRow).where(OutboxRow.dead_at.is_not(None))
    if row_id is not None:
        query = query.where(OutboxRow.id == row_id)
    revived = session.scalars(
        query.values(attempts=0, dead_at=None, available_at=clock.now()).returning(OutboxRow.job)
    ).all()
    session.info.setdefault(STAGED, set()).update(revived)
    return revived


def oldest_waiting_at(session: Session) -> datetime | None:
    """Since when the oldest row has been due; what is backing off or dead waits for other reasons, and long
    jobs wait for each other."""
    due = (
        OutboxRow.dead_at.is_(None),
        OutboxRow.available_at <= clock.now(),
        OutboxRow.job.not_in(LONG_JOBS),
    )
    return session.scalar(
        select(OutboxRow.available_at).where(*due).order_by(OutboxRow.available_at).limit(1)
    )
