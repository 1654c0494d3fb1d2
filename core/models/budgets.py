from datetime import date, datetime
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    SmallInteger,
    String,
)
from sqlalchemy.orm import Mapped, mapped_column

from core.models.base import Base
from core.models.changes import Numbered


class Budget(Numbered, Base):
    """A spending limit over some categories, or over all.

    `starts_on` begins the first period that rolls over. `next_period_at` is the instant when the next period
    begins for the user: from then on the budget is due for evaluation without any write.
    """

    __tablename__ = "budgets"
    __table_args__ = (
        CheckConstraint(
            "period_kind IN ('daily', 'weekly', 'monthly', 'quarterly', 'yearly', 'once')", name="period_kind"
        ),
        CheckConstraint("rollover IN ('none', 'surplus', 'both')", name="rollover"),
        Index("ix_budgets_next_period_at", "next_period_at"),
    )

    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(100))
    currency: Mapped[str] = mapped_column(String(3))
    period_kind: Mapped[str] = mapped_column(String(10))
    period_every: Mapped[int] = mapped_column(SmallInteger)
    period_anchor: Mapped[date]
    period_ends_on: Mapped[date | None]
    thresholds: Mapped[list[int]]
    rollover: Mapped[str] = mapped_column(String(10))
    has_pace_alert: Mapped[bool]
    starts_on: Mapped[date]
    next_period_at: Mapped[datetime | None]
    archived_at: Mapped[datetime | None]
    version: Mapped[int]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class BudgetAmount(Base):
    """The budget's amount for the periods that start on `effective_on` or later, until the next row.

    Changing the amount must not rewrite what past periods allowed, nor what they rolled over.
    """

    __tablename__ = "budget_amounts"
    __table_args__ = (
        ForeignKeyConstraint(["user_id", "budget_id"], ["budgets.user_id", "budgets.id"], ondelete="CASCADE"),
        CheckConstraint("amount_minor >= 0", name="amount_not_negative"),
    )

    user_id: Mapped[UUID] = mapped_column(primary_key=True)
    budget_id: Mapped[UUID] = mapped_column(primary_key=True)
    effective_on: Mapped[date] = mapped_column(primary_key=True)
    amount_minor: Mapped[int] = mapped_column(BigInteger)


class BudgetCategory(Base):
    """A category that the budget counts, its sub-categories included."""

    __tablename__ = "budget_categories"
    __table_args__ = (
        ForeignKeyConstraint(["user_id", "budget_id"], ["budgets.user_id", "budgets.id"], ondelete="CASCADE"),
        ForeignKeyConstraint(["user_id", "category_id"], ["categories.user_id", "categories.id"]),
        Index("ix_budget_categories_category", "user_id", "category_id"),
    )

    user_id: Mapped[UUID] = mapped_column(primary_key=True)
    budget_id: Mapped[UUID] = mapped_column(primary_key=True)
    category_id: Mapped[UUID] = mapped_column(primary_key=True)
