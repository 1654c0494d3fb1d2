from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    SmallInteger,
    String,
    Text,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from core.models.base import Base, JsonDocument
from core.models.changes import Numbered

RECURRING = "recurring"
"""The source of expenses that recurring ones have posted."""


class RecurringExpense(Numbered, Base):
    """What is recorded as an expense again and again, and by which rule.

    `rule` is a text as in `core/rules/recurrence_texts.py`, without its end: that is `ends_on` or `count`,
    and `last_on` is what follows from them. `lines` are objects of `category_id`, `amount_minor` and `note`.

    Occurrences up to `handled_through` are done with, whatever became of them, and so are those that were
    handled ahead, of which `ahead_on` is the last; up to `reminded_through` nobody is reminded of any more.
    `next_on` is the next occurrence. At the instant `next_at` there is something to do: a reminder or a
    posting. Both are empty when paused or at an end. A `problem` keeps the next one from being posted.
    """

    __tablename__ = "recurring_expenses"
    __table_args__ = (
        ForeignKeyConstraint(["user_id", "category_id"], ["categories.user_id", "categories.id"]),
        CheckConstraint("remind_days_before > 0", name="reminder_is_before"),
        CheckConstraint("ends_on IS NULL OR count IS NULL", name="one_end"),
        Index("ix_recurring_expenses_next_at", "next_at"),
        Index("ix_recurring_expenses_category", "user_id", "category_id"),
    )

    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    amount_minor: Mapped[int] = mapped_column(BigInteger)
    currency: Mapped[str] = mapped_column(String(3))
    category_id: Mapped[UUID | None]
    payee: Mapped[str | None] = mapped_column(String(200))
    note: Mapped[str | None] = mapped_column(Text)
    tags: Mapped[list[str]]
    lines: Mapped[list[dict[str, Any]]] = mapped_column(JsonDocument)
    rule: Mapped[str] = mapped_column(String(500))
    starts_on: Mapped[date]
    ends_on: Mapped[date | None]
    count: Mapped[int | None]
    last_on: Mapped[date | None]
    remind_days_before: Mapped[int | None] = mapped_column(SmallInteger)
    is_variable: Mapped[bool]
    is_paused: Mapped[bool]
    handled_through: Mapped[date]
    reminded_through: Mapped[date]
    ahead_on: Mapped[date | None]
    next_on: Mapped[date | None]
    next_at: Mapped[datetime | None]
    problem: Mapped[str | None] = mapped_column(Text)
    version: Mapped[int]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class RecurringOccurrence(Base):
    """What became of an occurrence. The key is why nothing is posted twice, whoever is killed or doubled.

    `expense_id` is what it was posted as, which may be deleted since. One that is `awaiting` has no amount
    yet; one that was `missed` was due so long ago that it was not posted any more.
    """

    __tablename__ = "recurring_occurrences"
    __table_args__ = (
        ForeignKeyConstraint(
            ["user_id", "recurring_id"],
            ["recurring_expenses.user_id", "recurring_expenses.id"],
            ondelete="CASCADE",
        ),
        CheckConstraint("state IN ('posted', 'skipped', 'awaiting', 'missed')", name="state"),
        Index(
            "ix_recurring_occurrences_awaiting",
            "user_id",
            "recurring_id",
            "due_on",
            postgresql_where=text("state = 'awaiting'"),
            sqlite_where=text("state = 'awaiting'"),
        ),
    )

    user_id: Mapped[UUID] = mapped_column(primary_key=True)
    recurring_id: Mapped[UUID] = mapped_column(primary_key=True)
    due_on: Mapped[date] = mapped_column(primary_key=True)
    state: Mapped[str] = mapped_column(String(10))
    expense_id: Mapped[UUID | None]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
