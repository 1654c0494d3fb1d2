from collections.abc import Collection
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from core.errors import Unauthenticated
from core.models import User, table_of

USERS = table_of(User)
LOCK = (
    select(USERS.c.id, USERS.c.timezone, USERS.c.currency, USERS.c.notification_seq, USERS.c.muted_kinds)
    .where(USERS.c.id.in_(bindparam("user_ids", expanding=True)))
    # In key order, so that two transactions never wait for each other in a circle.
    .order_by(USERS.c.id)
    .with_for_update(key_share=True)
)

LOCK_FREE = LOCK.with_for_update(key_share=True, skip_locked=True)


@dataclass(frozen=True, slots=True)
class LockedUser:
    id: UUID
    timezone: str
    currency: str
    notification_seq: int
    muted_kinds: list[str]


def lock_users(session: Session, user_ids: Collection[UUID]) -> dict[UUID, LockedUser]:
    """Make the users' category, budget, alert and notification changes take turns; those deleted are missing.

    Whoever needs these locks takes them first, and in key order, so that nobody waits in a circle. Expenses
    need them not, and foreign keys to the users pass them (FOR NO KEY UPDATE).
    """
    rows = session.execute(LOCK, {"user_ids": list(user_ids)})
    return {row.id: LockedUser(*row) for row in rows}


def lock_user(session: Session, *, user_id: UUID) -> LockedUser | None:
    """As `lock_users`, for one; None for nobody."""
    return lock_users(session, [user_id]).get(user_id)


def lock_free_users(session: Session, user_ids: Collection[UUID]) -> dict[UUID, LockedUser]:
    """As `lock_users`, without those that somebody is at; only when that is all of them it is waited for."""
    parameters = {"user_ids": list(user_ids)}
    free = {row.id: LockedUser(*row) for row in session.execute(LOCK_FREE, parameters)}
    return free or lock_users(session, user_ids)


def lock_account(session: Session, *, user_id: UUID, is_to_be_deleted: bool = False) -> User:
    """The user's own row, kept from changing.

    Only before a deletion must those wait who add rows that refer to the user, such as expenses.

    Raises:
        Unauthenticated: the account was deleted a moment ago.
    """
    query = select(User).where(User.id == user_id)
    user = session.scalar(query.with_for_update(key_share=not is_to_be_deleted))
    if user is None:
        raise Unauthenticated("the account is gone")
    return user
