"""Numbered messages to users."""

from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, func, insert, literal, update
from sqlalchemy.orm import Session

from core import clock
from core.errors import NotFound
from core.job_names import DELIVER_NOTIFICATIONS
from core.models import Notification, User, table_of
from core.services.outbox import Job, stage_jobs

USERS = table_of(User)
NOTIFICATIONS = table_of(Notification)

TAKE_NUMBERS = (
    update(USERS)
    .where(USERS.c.id == bindparam("its_id"))
    .values(notification_seq=USERS.c.notification_seq + bindparam("count"))
    .returning(USERS.c.notification_seq)
)
INSERT = insert(NOTIFICATIONS)


def notify(session: Session, *, user_id: UUID, messages: list[tuple[str, dict[str, Any]]]) -> None:
    """Store `(kind, data)` messages under the user's next numbers and have them delivered.

    The user's row stays locked until the transaction ends, so numbers become visible in order, without gaps.
    """
    if not messages:
        return
    newest = session.scalar(TAKE_NUMBERS, {"its_id": user_id, "count": len(messages)})
    if newest is None:
        raise NotFound("no such user")
    now = clock.now()
    first = newest - len(messages) + 1
    session.execute(
        INSERT,
        [
            {"user_id": user_id, "seq": seq, "kind": kind, "data": data, "created_at": now}
            for seq, (kind, data) in enumerate(messages, start=first)
        ],
    )
    stage_jobs(session, [Job(DELIVER_NOTIFICATIONS, str(user_id), {"seq": first})])


def mark_read(session: Session, *, user_id: UUID, seq: int, is_read: bool) -> Notification:
    """Mark a notification as read or unread; read once more, it stays read since the first time.

    Raises:
        NotFound
    """
    read_at = func.coalesce(Notification.read_at, literal(clock.now(), Notification.read_at.type))
    notification: Notification | None = session.scalar(
        update(Notification)
        .where(Notification.user_id == user_id, Notification.seq == seq)
        .values(read_at=read_at if is_read else None)
        .returning(Notification)
    )
    if notification is None:
        raise NotFound("no such notification")
    return notification


def mark_all_read(session: Session, *, user_id: UUID, up_to: int | None) -> int:
    """Mark the unread ones (up to a number, itself included) as read; answers how many there were."""
    query = update(Notification).where(Notification.user_id == user_id, Notification.read_at.is_(None))
    if up_to is not None:
        query = query.where(Notification.seq <= up_to)
    updated = session.execute(query.values(read_at=clock.now()).returning(Notification.seq))
    return len(updated.all())
