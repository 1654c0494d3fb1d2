from datetime import datetime
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

MAX_PAIR_BALANCE_MINOR = 4 * 10**16
"""Four hundred of the largest amounts. SQLite would turn a sum beyond 64 bits into a float without a word;
with this bound a query may add up a member's balances with two hundred others."""

SQLITE_ONLY_TABLES = frozenset({"unbalanced_postings", "unbalanced_postings_allowed"})
"""What SQLite needs in place of a deferred constraint trigger: see the migration that makes them."""


class Posting(Base):
    """One movement on a member's balance, against another member; positive: the member is owed more.

    Never changed, and never deleted unless the group is. The postings of a source (an expense, a settlement,
    or a member whose departure passes their debts on to the others) come in entries, numbered from 1; each
    entry sums to zero, which the database enforces, and an `is_reversal` entry takes back the one before it.
    """

    __tablename__ = "postings"
    __table_args__ = (
        ForeignKeyConstraint(
            ["group_id", "member_id"], ["group_members.group_id", "group_members.id"], ondelete="CASCADE"
        ),
        ForeignKeyConstraint(
            ["group_id", "counterparty_id"],
            ["group_members.group_id", "group_members.id"],
            ondelete="CASCADE",
        ),
        CheckConstraint("source_kind IN ('expense', 'settlement', 'departure')", name="source_kind"),
        CheckConstraint("amount_minor <> 0 AND member_id <> counterparty_id", name="is_movement"),
        Index("ix_postings_member", "group_id", "member_id", "currency", "created_at", "source_id", "entry"),
    )

    group_id: Mapped[UUID] = mapped_column(ForeignKey("groups.id", ondelete="CASCADE"), primary_key=True)
    source_id: Mapped[UUID] = mapped_column(primary_key=True)
    entry: Mapped[int] = mapped_column(primary_key=True)
    position: Mapped[int] = mapped_column(SmallInteger, primary_key=True)
    source_kind: Mapped[str] = mapped_column(String(10))
    is_reversal: Mapped[bool]
    member_id: Mapped[UUID]
    counterparty_id: Mapped[UUID]
    currency: Mapped[str] = mapped_column(String(3))
    amount_minor: Mapped[int] = mapped_column(BigInteger)
    created_at: Mapped[datetime]


class PairBalance(Base):
    """The sum of a member's postings against another member; kept in the transaction that posts.

    A member's balance is the sum over all others. Each pair has two rows, of opposite sign.
    """

    __tablename__ = "pair_balances"
    __table_args__ = (
        ForeignKeyConstraint(
            ["group_id", "member_id"], ["group_members.group_id", "group_members.id"], ondelete="CASCADE"
        ),
        ForeignKeyConstraint(
            ["group_id", "counterparty_id"],
            ["group_members.group_id", "group_members.id"],
            ondelete="CASCADE",
        ),
        CheckConstraint(
            f"amount_minor BETWEEN -{MAX_PAIR_BALANCE_MINOR} AND {MAX_PAIR_BALANCE_MINOR}",
            name="amount_in_range",
        ),
    )

    group_id: Mapped[UUID] = mapped_column(ForeignKey("groups.id", ondelete="CASCADE"), primary_key=True)
    member_id: Mapped[UUID] = mapped_column(primary_key=True)
    counterparty_id: Mapped[UUID] = mapped_column(primary_key=True)
    currency: Mapped[str] = mapped_column(String(3), primary_key=True)
    amount_minor: Mapped[int] = mapped_column(BigInteger)
