from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from core.models import User

LOCK = (
    select(User.timezone, User.currency)
    .where(User.id == bindparam("user_id"))
    .with_for_update(key_share=True)
)


@dataclass(frozen=True, slots=True)
class LockedUser:
    timezone: str
    currency: str


def lock_user(session: Session, *, user_id: UUID) -> LockedUser | None:
    """Make the user's category, budget, alert and notification changes take turns; None for nobody.

    Whoever needs this lock takes it first, so that nobody waits in a circle. Expenses need it not, and
    foreign keys to the user pass it (FOR NO KEY UPDATE).
    """
    row = session.execute(LOCK, {"user_id": user_id}).one_or_none()
    return None if row is None else LockedUser(row.timezone, row.currency)
