from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, and_, or_, select, tuple_
from sqlalchemy.orm import Session

from core.database import Reader
from core.errors import NotFound
from core.models import DigestRun, NotificationSettings, table_of
from core.queries.digest_documents import DigestFigures, read_digest
from core.rules.digests import Frequency
from core.rules.periods import Period

RUNS = table_of(DigestRun)
SETTINGS = table_of(NotificationSettings)


@dataclass(frozen=True, slots=True)
class DigestRecord:
    """A digest of a user; `figures` is None unless it was sent."""

    id: UUID
    frequency: Frequency
    period: Period
    state: str
    figures: DigestFigures | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class QueuedDigest:
    """One that is to be computed; without `is_sent_empty` only if there is something to say."""

    user_id: UUID
    id: UUID
    frequency: Frequency
    period: Period
    is_sent_empty: bool


def list_digests(
    session: Reader, *, user_id: UUID, before: tuple[date, UUID] | None = None, limit: int
) -> list[DigestRecord]:
    """Those that were sent, by the end of their periods, the newest first, below `before` (end and id)."""
    query = select(RUNS).where(RUNS.c.user_id == user_id, RUNS.c.state == "sent")
    if before is not None:
        query = query.where(tuple_(RUNS.c.period_end, RUNS.c.id) < before)
    rows = session.execute(query.order_by(RUNS.c.period_end.desc(), RUNS.c.id.desc()).limit(limit))
    return [_record(row) for row in rows]


def load_digest(session: Reader, *, user_id: UUID, digest_id: UUID) -> DigestRecord:
    """Raises:
    NotFound: there is none, or it was not sent.
    """
    row = session.execute(
        select(RUNS).where(RUNS.c.user_id == user_id, RUNS.c.id == digest_id, RUNS.c.state == "sent")
    ).first()
    if row is None:
        raise NotFound("no such digest")
    return _record(row)


def queued_digests(session: Session, keys: Collection[tuple[UUID, UUID]]) -> list[QueuedDigest]:
    """Those of `(user_id, digest_id)` that are to be computed, or once more after they have failed."""
    # Not pairs of columns: for those SQLite reads the whole table.
    wanted = or_(*(and_(RUNS.c.user_id == user_id, RUNS.c.id == its_id) for user_id, its_id in keys))
    rows = session.execute(
        select(
            RUNS.c.user_id,
            RUNS.c.id,
            RUNS.c.frequency,
            RUNS.c.period_start,
            RUNS.c.period_end,
            SETTINGS.c.has_empty_digests,
        )
        .outerjoin(SETTINGS, SETTINGS.c.user_id == RUNS.c.user_id)
        .where(wanted, RUNS.c.state.in_(("queued", "failed")))
    )
    return [
        QueuedDigest(
            row.user_id,
            row.id,
            row.frequency,
            Period(row.period_start, row.period_end),
            bool(row.has_empty_digests),
        )
        for row in rows
    ]


def _record(row: Row[Any]) -> DigestRecord:
    return DigestRecord(
        row.id,
        row.frequency,
        Period(row.period_start, row.period_end),
        row.state,
        read_digest(row.figures),
        row.created_at,
    )
