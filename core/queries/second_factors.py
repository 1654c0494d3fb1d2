from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from core.models import RecoveryCode, SecondFactor


def load_second_factor(session: Session, *, user_id: UUID) -> SecondFactor | None:
    """Confirmed or not; None when there is none."""
    return session.get(SecondFactor, user_id)


def count_recovery_codes(session: Session, *, user_id: UUID) -> int:
    """Those that were not used yet."""
    query = select(func.count()).where(RecoveryCode.user_id == user_id, RecoveryCode.spent_at.is_(None))
    return session.scalar(query) or 0
