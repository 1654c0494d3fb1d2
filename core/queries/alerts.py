from collections.abc import Collection, Sequence
from datetime import date
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import Row, bindparam, select
from sqlalchemy.orm import Session

from core.models import Alert, table_of

AlertState = Literal["open", "resolved"]

ALERTS = table_of(Alert)

# Built once: evaluation runs them after every write.
OPEN = select(ALERTS).where(
    ALERTS.c.user_id.in_(bindparam("user_ids", expanding=True)), ALERTS.c.resolved_at.is_(None)
)
OPEN_LATELY = OPEN.where(ALERTS.c.period_end > bindparam("day"))


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


def open_alerts(
    session: Session, *, user_ids: Collection[UUID], ending_after: date | None
) -> Sequence[Row[Any]]:
    """The open alerts (rows of the table) of the users' periods that end after a day, or all of them."""
    parameters: dict[str, Any] = {"user_ids": list(user_ids)}
    if ending_after is None:
        return session.execute(OPEN, parameters).all()
    return session.execute(OPEN_LATELY, {**parameters, "day": ending_after}).all()
