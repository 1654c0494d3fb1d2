"""Numbered messages to users."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, func, insert, literal, update
from sqlalchemy.orm import Session

from core import clock
from core.errors import NotFound
from core.job_names import DELIVER_NOTIFICATIONS
from core.models import Notification, User, table_of
from core.rules.notification_kinds import is_muted
from core.services.locks import LockedUser, lock_users
from core.services.outbox import Job, stage_jobs

USERS = table_of(User)
KEEP_NUMBERS = (
    update(USERS).where(USERS.c.id == bindparam("its_id")).values(notification_seq=bindparam("newest"))
)
INSERT = insert(table_of(Notification))


@dataclass(frozen=True, slots=True)
class NewNotification:
    user_id: UUID
    kind: str
    data: dict[str, Any]


def notify(
    session: Session,
    messages: Sequence[NewNotification],
    *,
    users: Mapping[UUID, LockedUser] | None = None,
) -> None:
    """Store messages under their users' next numbers, in the given order, and have them delivered.

    What a user has muted is stored as read: it has its number, as numbers have no gaps.

    The users' rows stay locked until the transaction ends, so numbers become visible in order, without gaps.
    Who has locked them already, and notified none of them since, gives them.

    Raises:
        NotFound: one of the users is gone.
    """
    if not messages:
        return
    counts = Counter(message.user_id for message in messages)
    users = lock_users(session, counts) if users is None else users
    if not counts.keys() <= users.keys():
        raise NotFound("no such user")
    newest = {user_id: users[user_id].notification_seq for user_id in counts}
    now = clock.now()
    rows = []
    for message in messages:
        newest[message.user_id] += 1
        row = {"user_id": message.user_id, "seq": newest[message.user_id], "kind": message.kind}
        read_at = now if is_muted(message.kind, users[message.user_id].muted_kinds) else None
        rows.append({**row, "data": message.data, "created_at": now, "read_at": read_at})
    session.execute(KEEP_NUMBERS, [{"its_id": user_id, "newest": seq} for user_id, seq in newest.items()])
    session.execute(INSERT, rows)
    stage_jobs(
        session,
        [
            Job(
                DELIVER_NOTIFICATIONS,
                str(user_id),
                {"seq": users[user_id].notification_seq + 1, "count": count},
            )
            for user_id, count in counts.items()
        ],
    )


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
