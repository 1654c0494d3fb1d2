from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKeyConstraint, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from core.models.base import Base


class Attachment(Base):
    """A picture or PDF of an expense; its content is a file of `core/files.py`."""

    __tablename__ = "attachments"
    __table_args__ = (
        ForeignKeyConstraint(
            ["user_id", "expense_id"], ["expenses.user_id", "expenses.id"], ondelete="CASCADE"
        ),
        Index("ix_attachments_expense", "user_id", "expense_id"),
        Index("ix_attachments_sha256", "sha256"),
    )

    user_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    expense_id: Mapped[UUID]
    name: Mapped[str] = mapped_column(String(200))
    media_type: Mapped[str] = mapped_column(String(50))
    size: Mapped[int]
    sha256: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[datetime]
