"""What waits in the outbox, and what has failed for good."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from core.models import OutboxRow


@dataclass(frozen=True, slots=True)
class JobBacklog:
    """A job's rows that are still to be done, and since when the oldest has been there."""

    job: str
    waiting: int
    oldest_at: datetime


def backlogs(session: Session) -> list[JobBacklog]:
    """Of each job that has rows waiting, those that have failed and are tried again included."""
    query = (
        select(OutboxRow.job, func.count(), func.min(OutboxRow.created_at))
        .where(OutboxRow.dead_at.is_(None))
        .group_by(OutboxRow.job)
        .order_by(OutboxRow.job)
    )
    return [JobBacklog(*row) for row in session.execute(query)]


@dataclass(frozen=True, slots=True)
class OutboxCounts:
    """How many rows of a job wait, and how many have failed for good."""

    waiting: int = 0
    dead: int = 0


def outbox_counts(session: Session) -> dict[str, OutboxCounts]:
    """By job; those without any row are missing. Two counts, as the index of those that wait has the jobs."""
    waiting = select(OutboxRow.job, func.count()).where(OutboxRow.dead_at.is_(None)).group_by(OutboxRow.job)
    dead = select(OutboxRow.job, func.count()).where(OutboxRow.dead_at.is_not(None)).group_by(OutboxRow.job)
    counts = {job: OutboxCounts(waiting=count) for job, count in session.execute(waiting)}
    for job, count in session.execute(dead):
        counts[job] = OutboxCounts(counts.get(job, OutboxCounts()).waiting, count)
    return counts


def count_dead_rows(session: Session) -> int:
    return session.scalar(select(func.count()).where(OutboxRow.dead_at.is_not(None))) or 0


def is_waiting(session: Session, *, job: str, key: str) -> bool:
    """Whether the job is still to be done for that key, as of what is committed."""
    query = select(OutboxRow.id).where(
        OutboxRow.job == job, OutboxRow.key == key, OutboxRow.dead_at.is_(None)
    )
    return session.scalar(query.limit(1)) is not None


def dead_rows(session: Session, *, limit: int) -> Sequence[OutboxRow]:
    """Those that are not tried any more, the newest first."""
    return session.scalars(
        select(OutboxRow)
        .where(OutboxRow.dead_at.is_not(None))
        .order_by(OutboxRow.dead_at.desc(), OutboxRow.id)
        .limit(limit)
    ).all()
