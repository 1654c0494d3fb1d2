from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, ForeignKeyConstraint, Index, SmallInteger, String
from sqlalchemy.orm import Mapped, mapped_column

from core.models.base import Base


class ExpenseRule(Base):
    """What is to be set on new expenses on which a condition holds; a user's rules run by `position`.

    `condition` is a document as in `core/rules/conditions.py`. Positions count from 1 without gaps.
    """

    __tablename__ = "expense_rules"
    __table_args__ = (
        ForeignKeyConstraint(["user_id", "category_id"], ["categories.user_id", "categories.id"]),
        CheckConstraint("position > 0", name="position_is_positive"),
        Index("ix_expense_rules_category", "user_id", "category_id"),
    )

    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(100))
    position: Mapped[int] = mapped_column(SmallInteger)
    condition: Mapped[dict[str, Any]]
    category_id: Mapped[UUID | None]
    payee: Mapped[str | None] = mapped_column(String(200))
    add_tags: Mapped[list[str]]
    is_active: Mapped[bool]
    version: Mapped[int]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
