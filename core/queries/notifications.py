from collections.abc import Collection, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Row, and_, func, or_, select
from sqlalchemy.orm import Session

from core.models import Notification, User, table_of

NOTIFICATIONS = table_of(Notification)


def notifications_after(session: Session, *, user_id: UUID, after: int, limit: int) -> Sequence[Notification]:
    """Those numbered above `after`, oldest first."""
    return session.scalars(
        select(Notification)
        .where(Notification.user_id == user_id, Notification.seq > after)
        .order_by(Notification.seq)
        .limit(limit)
    ).all()


def numbered_notifications(session: Session, ranges: Collection[tuple[UUID, int, int]]) -> Sequence[Row[Any]]:
    """Rows of the table in one or more ranges of a user's numbers, `(user_id, first, last)`, each user's
    oldest first.
    """
    # Not pairs of user and number: for those SQLite reads the whole table.
    wanted = (
        and_(NOTIFICATIONS.c.user_id == user_id, NOTIFICATIONS.c.seq.between(first, last))
        for user_id, first, last in ranges
    )
    query = select(NOTIFICATIONS).where(or_(*wanted))
    return session.execute(query.order_by(NOTIFICATIONS.c.user_id, NOTIFICATIONS.c.seq)).all()


def numbering_gaps(session: Session) -> Sequence[UUID]:
    """The users whose notifications are not numbered 1, 2, 3, … up to their newest; there must be none."""
    counted = (
        select(
            Notification.user_id,
            func.count().label("count"),
            func.min(Notification.seq).label("oldest"),
            func.max(Notification.seq).label("newest"),
        )
        .group_by(Notification.user_id)
        .subquery()
    )
    return session.scalars(
        select(User.id)
        .outerjoin(counted, counted.c.user_id == User.id)
        .where(
            or_(
                User.notification_seq != func.coalesce(counted.c.newest, 0),
                User.notification_seq != func.coalesce(counted.c.count, 0),
                # As many as there should be may still be the wrong ones: 0 and 2.
                counted.c.oldest != 1,
            )
        )
    ).all()


def list_notifications(
    session: Session,
    *,
    user_id: UUID,
    is_unread: bool | None = None,
    kind: str | None = None,
    before: int | None = None,
    after: int | None = None,
    limit: int,
) -> Sequence[Notification]:
    """The inbox, the newest first, below `before`; with `after` the oldest first, above that number."""
    query = select(Notification).where(Notification.user_id == user_id)
    if is_unread is not None:
        query = query.where(
            Notification.read_at.is_(None) if is_unread else Notification.read_at.is_not(None)
        )
    if kind is not None:
        query = query.where(Notification.kind == kind)
    if before is not None:
        query = query.where(Notification.seq < before)
    if after is not None:
        query = query.where(Notification.seq > after)
    order = Notification.seq.desc() if after is None else Notification.seq
    return session.scalars(query.order_by(order).limit(limit)).all()
