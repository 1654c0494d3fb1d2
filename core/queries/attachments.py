"""Reading attachments. Those of an expense in the trash are out of reach until it is restored."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from core.errors import NotFound
from core.models import Attachment, Expense


def list_attachments(session: Session, *, user_id: UUID, expense_id: UUID) -> Sequence[Attachment]:
    """The attachments of the user's expense, the oldest first.

    Raises:
        NotFound
    """
    require_expense(session, user_id=user_id, expense_id=expense_id)
    query = select(Attachment).where(Attachment.user_id == user_id, Attachment.expense_id == expense_id)
    return session.scalars(query.order_by(Attachment.id)).all()


def load_attachment(session: Session, *, user_id: UUID, expense_id: UUID, attachment_id: UUID) -> Attachment:
    """Raises:
    NotFound
    """
    require_expense(session, user_id=user_id, expense_id=expense_id)
    found = session.get(Attachment, (user_id, attachment_id))
    if found is None or found.expense_id != expense_id:
        raise NotFound("no such attachment")
    return found


def require_expense(session: Session, *, user_id: UUID, expense_id: UUID, for_update: bool = False) -> None:
    """Raises:
    NotFound: it is not the user's, or in the trash.
    """
    query = select(Expense.id).where(
        Expense.user_id == user_id, Expense.id == expense_id, Expense.deleted_at.is_(None)
    )
    if session.scalar(query.with_for_update() if for_update else query) is None:
        raise NotFound("no such expense")


def attached_bytes(session: Session, *, user_id: UUID) -> int:
    """Of all the user's attachments, in the trash as well."""
    query = select(func.coalesce(func.sum(Attachment.size), 0)).where(Attachment.user_id == user_id)
    return int(session.scalar(query) or 0)
