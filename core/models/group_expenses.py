from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, ForeignKeyConstraint, Index, String, Text, false, text
from sqlalchemy.orm import Mapped, mapped_column

from core.models.base import Base


class GroupExpense(Base):
    """An expense of a group as it is wanted; `group_shares` and the postings are what the ledger has of it.

    `split` is how it is divided, as the client said it; `resolved` is what came out, in minor units by member
    id: `{"paid": {…}, "shares": {…}}`. Until `posted_version` has reached `version` the job has still to post
    it; `posted_category` is what it was posted under. `entry_count` is how many sets of postings it has had.
    With `is_quiet` nobody is told of what is to be posted: it is one of many that came, or went, with a file.
    """

    __tablename__ = "group_expenses"
    __table_args__ = (
        ForeignKeyConstraint(
            ["group_id", "created_by"], ["group_members.group_id", "group_members.id"], ondelete="CASCADE"
        ),
        ForeignKeyConstraint(
            ["group_id", "updated_by"], ["group_members.group_id", "group_members.id"], ondelete="CASCADE"
        ),
        Index(
            "ix_group_expenses_spent_on",
            "group_id",
            "spent_on",
            "id",
            postgresql_where=text("deleted_at IS NULL"),
            sqlite_where=text("deleted_at IS NULL"),
        ),
        Index(
            "ix_group_expenses_pending",
            "group_id",
            "id",
            postgresql_where=text("posted_version < version"),
            sqlite_where=text("posted_version < version"),
        ),
    )

    group_id: Mapped[UUID] = mapped_column(ForeignKey("groups.id", ondelete="CASCADE"), primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    amount_minor: Mapped[int] = mapped_column(BigInteger)
    currency: Mapped[str] = mapped_column(String(3))
    description: Mapped[str] = mapped_column(String(200))
    category: Mapped[str | None] = mapped_column(String(100))
    note: Mapped[str | None] = mapped_column(Text)
    spent_on: Mapped[date]
    split: Mapped[dict[str, Any]]
    resolved: Mapped[dict[str, Any]]
    created_by: Mapped[UUID]
    updated_by: Mapped[UUID]
    version: Mapped[int]
    posted_version: Mapped[int]
    posted_category: Mapped[str | None] = mapped_column(String(100))
    entry_count: Mapped[int]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    deleted_at: Mapped[datetime | None]
    is_quiet: Mapped[bool] = mapped_column(server_default=false())


class GroupShare(Base):
    """What a member paid of a posted expense, and what of it is theirs; with the expense that mirrors it.

    The mirror is one of `mirror_user_id`'s own expenses. No foreign key: it may go with its account.
    """

    __tablename__ = "group_shares"
    __table_args__ = (
        ForeignKeyConstraint(
            ["group_id", "expense_id"], ["group_expenses.group_id", "group_expenses.id"], ondelete="CASCADE"
        ),
        ForeignKeyConstraint(
            ["group_id", "member_id"], ["group_members.group_id", "group_members.id"], ondelete="CASCADE"
        ),
    )

    group_id: Mapped[UUID] = mapped_column(primary_key=True)
    expense_id: Mapped[UUID] = mapped_column(primary_key=True)
    member_id: Mapped[UUID] = mapped_column(primary_key=True)
    paid_minor: Mapped[int] = mapped_column(BigInteger)
    share_minor: Mapped[int] = mapped_column(BigInteger)
    mirror_user_id: Mapped[UUID | None]
    mirror_expense_id: Mapped[UUID | None]
