from datetime import date, datetime
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, ForeignKeyConstraint, Index, SmallInteger, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from core.models.base import Base
from core.models.changes import UNNUMBERED, Numbered

MIRROR = "group"
"""The source of expenses that mirror the owner's shares in group expenses: see `core/services/mirrors.py`."""


class Expense(Numbered, Base):
    """Money spent on a local date; negative is a refund; with `deleted_at` it lies in the trash.

    With lines, `category_id` is empty and the lines sum to `amount_minor`. `line_count` and `tag_count` spare
    a page of plain expenses two queries. `payee_key` and `search_text` are what is searched: case-folded, as
    SQLite folds ASCII only. `rate` is the user's own: units of `rate_currency` for one of the currency, in
    parts of `core.rules.conversion.RATE_SCALE`.
    """

    __tablename__ = "expenses"
    __table_args__ = (
        ForeignKeyConstraint(["user_id", "category_id"], ["categories.user_id", "categories.id"]),
        Index("ix_expenses_spent_on", "user_id", "spent_on", "id"),
        Index(
            "ix_expenses_trash",
            "deleted_at",
            postgresql_where=text("deleted_at IS NOT NULL"),
            sqlite_where=text("deleted_at IS NOT NULL"),
        ),
        Index("ix_expenses_category", "user_id", "category_id", "spent_on", "id"),
        Index(
            "ix_expenses_own_rate",
            "user_id",
            postgresql_where=text("rate IS NOT NULL"),
            sqlite_where=text("rate IS NOT NULL"),
        ),
        Index("ix_expenses_amount", "user_id", "currency", "amount_minor"),
        Index(
            "ix_expenses_with_lines",
            "user_id",
            "spent_on",
            postgresql_where=text("line_count > 0"),
            sqlite_where=text("line_count > 0"),
        ),
        Index(
            "ix_expenses_unnumbered",
            "user_id",
            "id",
            postgresql_where=text(UNNUMBERED),
            sqlite_where=text(UNNUMBERED),
        ),
        Index(
            "ix_expenses_change_seq",
            "user_id",
            "change_seq",
            postgresql_where=text("change_seq IS NOT NULL"),
            sqlite_where=text("change_seq IS NOT NULL"),
        ),
    )

    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    amount_minor: Mapped[int] = mapped_column(BigInteger)
    currency: Mapped[str] = mapped_column(String(3))
    category_id: Mapped[UUID | None]
    spent_on: Mapped[date]
    payee: Mapped[str | None] = mapped_column(String(200))
    payee_key: Mapped[str | None] = mapped_column(Text)
    note: Mapped[str | None] = mapped_column(Text)
    search_text: Mapped[str] = mapped_column(Text)
    source: Mapped[str] = mapped_column(String(20))
    line_count: Mapped[int] = mapped_column(SmallInteger)
    tag_count: Mapped[int] = mapped_column(SmallInteger)
    version: Mapped[int]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    deleted_at: Mapped[datetime | None]
    rate_currency: Mapped[str | None] = mapped_column(String(3))
    rate: Mapped[int | None] = mapped_column(BigInteger)


class ExpenseLine(Base):
    """A part of an expense under its own category."""

    __tablename__ = "expense_lines"
    __table_args__ = (
        ForeignKeyConstraint(
            ["user_id", "expense_id"], ["expenses.user_id", "expenses.id"], ondelete="CASCADE"
        ),
        ForeignKeyConstraint(["user_id", "category_id"], ["categories.user_id", "categories.id"]),
        Index("ix_expense_lines_category", "user_id", "category_id", "expense_id"),
    )

    user_id: Mapped[UUID] = mapped_column(primary_key=True)
    expense_id: Mapped[UUID] = mapped_column(primary_key=True)
    position: Mapped[int] = mapped_column(SmallInteger, primary_key=True)
    category_id: Mapped[UUID | None]
    amount_minor: Mapped[int] = mapped_column(BigInteger)
    note: Mapped[str | None] = mapped_column(Text)


class ExpenseTag(Base):
    """A tag on an expense, in the order in which the user gave it."""

    __tablename__ = "expense_tags"
    __table_args__ = (
        ForeignKeyConstraint(
            ["user_id", "expense_id"], ["expenses.user_id", "expenses.id"], ondelete="CASCADE"
        ),
        Index("ix_expense_tags_tag", "user_id", "tag", "expense_id"),
    )

    user_id: Mapped[UUID] = mapped_column(primary_key=True)
    expense_id: Mapped[UUID] = mapped_column(primary_key=True)
    tag: Mapped[str] = mapped_column(String(50), primary_key=True)
    position: Mapped[int] = mapped_column(SmallInteger)
