from datetime import date, datetime
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    String,
    Text,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from core.models.base import Base


class Settlement(Base):
    """A repayment between two members. Only a confirmed one counts, and has postings.

    `overpaid_minor` is by how much it went beyond what the payer owed in all when it was recorded.
    `entry_count` is how many sets of postings it has had. `nudged_at` is when its receiver was last asked.
    """

    __tablename__ = "settlements"
    __table_args__ = (
        ForeignKeyConstraint(
            ["group_id", "from_member_id"], ["group_members.group_id", "group_members.id"], ondelete="CASCADE"
        ),
        ForeignKeyConstraint(
            ["group_id", "to_member_id"], ["group_members.group_id", "group_members.id"], ondelete="CASCADE"
        ),
        ForeignKeyConstraint(
            ["group_id", "recorded_by"], ["group_members.group_id", "group_members.id"], ondelete="CASCADE"
        ),
        CheckConstraint("state IN ('pending', 'confirmed', 'disputed', 'reversed')", name="state"),
        CheckConstraint("amount_minor > 0 AND from_member_id <> to_member_id", name="is_payment"),
        Index(
            "ix_settlements_pending",
            "group_id",
            "created_at",
            postgresql_where=text("state = 'pending'"),
            sqlite_where=text("state = 'pending'"),
        ),
    )

    group_id: Mapped[UUID] = mapped_column(ForeignKey("groups.id", ondelete="CASCADE"), primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    from_member_id: Mapped[UUID]
    to_member_id: Mapped[UUID]
    amount_minor: Mapped[int] = mapped_column(BigInteger)
    currency: Mapped[str] = mapped_column(String(3))
    overpaid_minor: Mapped[int] = mapped_column(BigInteger)
    method: Mapped[str | None] = mapped_column(String(40))
    note: Mapped[str | None] = mapped_column(Text)
    paid_on: Mapped[date]
    state: Mapped[str] = mapped_column(String(10))
    recorded_by: Mapped[UUID]
    entry_count: Mapped[int]
    version: Mapped[int]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    nudged_at: Mapped[datetime | None]


class DebtReminder(Base):
    """When a member was last reminded of what they owe another one."""

    __tablename__ = "debt_reminders"
    __table_args__ = (
        ForeignKeyConstraint(
            ["group_id", "from_member_id"], ["group_members.group_id", "group_members.id"], ondelete="CASCADE"
        ),
        ForeignKeyConstraint(
            ["group_id", "to_member_id"], ["group_members.group_id", "group_members.id"], ondelete="CASCADE"
        ),
    )

    group_id: Mapped[UUID] = mapped_column(primary_key=True)
    from_member_id: Mapped[UUID] = mapped_column(primary_key=True)
    to_member_id: Mapped[UUID] = mapped_column(primary_key=True)
    reminded_at: Mapped[datetime]
