from collections.abc import Sequence
from datetime import date
from typing import Literal
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from core.models import Alert

AlertState = Literal["open", "resolved"]


def list_alerts(
    session: Session,
    *,
    user_id: UUID,
    budget_id: UUID | None = None,
    state: AlertState | None = None,
    before: UUID | None = None,
    limit: int,
) -> Sequence[Alert]:
    """The user's alerts, the newest first, beginning behind the one with the id `before`."""
    query = select(Alert).where(Alert.user_id == user_id)
    if budget_id is not None:
        query = query.where(Alert.budget_id == budget_id)
    if state is not None:
        query = query.where(
            Alert.resolved_at.is_(None) if state == "open" else Alert.resolved_at.is_not(None)
        )
    if before is not None:
        query = query.where(Alert.id < before)
    return session.scalars(query.order_by(Alert.id.desc()).limit(limit)).all()


def open_alerts(session: Session, *, user_id: UUID, ending_after: date | None) -> Sequence[Alert]:
    """The open alerts of the user's periods that end after a day, or all of them."""
    query = select(Alert).where(Alert.user_id == user_id, Alert.resolved_at.is_(None))
    if ending_after is not None:
        query = query.where(Alert.period_end > ending_after)
    return session.scalars(query).all()
