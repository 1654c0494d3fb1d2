from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from core.models import Notification, User


def newest_seq(session: Session, *, user_id: UUID) -> int:
    """The number of the user's newest notification; 0 when there is none."""
    return session.scalar(select(User.notification_seq).where(User.id == user_id)) or 0


def notifications_after(session: Session, *, user_id: UUID, after: int, limit: int) -> Sequence[Notification]:
    """Those numbered above `after`, oldest first."""
    return session.scalars(
        select(Notification)
        .where(Notification.user_id == user_id, Notification.seq > after)
        .order_by(Notification.seq)
        .limit(limit)
    ).all()
