from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    CheckConstraint,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    LargeBinary,
    SmallInteger,
    String,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from core.models.base import Base
from core.rules.debt_reminders import MAX_REMINDER_DAYS, MIN_REMINDER_DAYS


class Group(Base):
    """A shared ledger; with `deleted_at` nobody sees it, until it is purged.

    `default_category` is the name of a category under which shares are mirrored when a member has none of the
    expense's own. `settlement_days` is how long a settlement may be pending before its receiver is asked;
    `debt_reminder_days` is how long somebody may owe before they are reminded, and again: None is never.
    """

    __tablename__ = "groups"
    __table_args__ = (
        CheckConstraint("settlement_days BETWEEN 1 AND 365", name="settlement_days"),
        CheckConstraint(
            f"debt_reminder_days BETWEEN {MIN_REMINDER_DAYS} AND {MAX_REMINDER_DAYS}",
            name="debt_reminder_days",
        ),
        Index(
            "ix_groups_reminding",
            "id",
            postgresql_where=text("debt_reminder_days IS NOT NULL"),
            sqlite_where=text("debt_reminder_days IS NOT NULL"),
        ),
        Index(
            "ix_groups_trash",
            "deleted_at",
            postgresql_where=text("deleted_at IS NOT NULL"),
            sqlite_where=text("deleted_at IS NOT NULL"),
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(100))
    currency: Mapped[str] = mapped_column(String(3))
    simplify_debts: Mapped[bool]
    default_split: Mapped[dict[str, Any]]
    default_category: Mapped[str | None] = mapped_column(String(100))
    settlement_days: Mapped[int] = mapped_column(SmallInteger)
    debt_reminder_days: Mapped[int | None] = mapped_column(SmallInteger)
    version: Mapped[int]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    deleted_at: Mapped[datetime | None]


class GroupMember(Base):
    """A person in a group, with or without an account.

    With `left_at` a former one, whose postings stay. A deleted account leaves its members as mere names.
    """

    __tablename__ = "group_members"
    __table_args__ = (
        CheckConstraint("role IN ('viewer', 'member', 'admin', 'owner')", name="role"),
        UniqueConstraint("group_id", "user_id"),
        Index("ix_group_members_user_id", "user_id"),
    )

    group_id: Mapped[UUID] = mapped_column(ForeignKey("groups.id", ondelete="CASCADE"), primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    user_id: Mapped[UUID | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"))
    display_name: Mapped[str] = mapped_column(String(100))
    role: Mapped[str] = mapped_column(String(10))
    mirrors_expenses: Mapped[bool]
    version: Mapped[int]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    left_at: Mapped[datetime | None]


class Invitation(Base):
    """An offer by e-mail to join a group, as somebody new or as a member without an account.

    The token is in the mail only; here is its SHA-256. `issue` counts the mails: each has a token of its own,
    and the newest one holds. `acceptable_by` says who may accept: the account of the invited address, or
    whoever has the link. Past `expires_at` it has expired, whether or not a tick has written that down yet.
    """

    __tablename__ = "group_invitations"
    __table_args__ = (
        ForeignKeyConstraint(
            ["group_id", "member_id"], ["group_members.group_id", "group_members.id"], ondelete="CASCADE"
        ),
        ForeignKeyConstraint(
            ["group_id", "invited_by"], ["group_members.group_id", "group_members.id"], ondelete="CASCADE"
        ),
        CheckConstraint("role IN ('viewer', 'member', 'admin', 'owner')", name="role"),
        CheckConstraint("acceptable_by IN ('address', 'link')", name="acceptable_by"),
        CheckConstraint("state IN ('pending', 'accepted', 'declined', 'revoked', 'expired')", name="state"),
        UniqueConstraint("token_hash"),
        Index("ix_group_invitations_expires_at", "expires_at"),
        Index("ix_group_invitations_email_key", "email_key"),
        Index(
            "uq_group_invitations_pending",
            "group_id",
            "email_key",
            unique=True,
            postgresql_where=text("state = 'pending'"),
            sqlite_where=text("state = 'pending'"),
        ),
    )

    group_id: Mapped[UUID] = mapped_column(ForeignKey("groups.id", ondelete="CASCADE"), primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    email: Mapped[str] = mapped_column(String(254))
    email_key: Mapped[str] = mapped_column(String(254))
    member_id: Mapped[UUID | None]
    role: Mapped[str] = mapped_column(String(10))
    acceptable_by: Mapped[str] = mapped_column(String(10))
    invited_by: Mapped[UUID]
    token_hash: Mapped[bytes] = mapped_column(LargeBinary(32))
    issue: Mapped[int] = mapped_column(SmallInteger)
    state: Mapped[str] = mapped_column(String(10))
    version: Mapped[int]
    created_at: Mapped[datetime]
    sent_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    answered_at: Mapped[datetime | None]


class GroupActivity(Base):
    """Who did what, when. `subject_id` is the expense, settlement, member or invitation it was done to."""

    __tablename__ = "group_activity"
    __table_args__ = (
        ForeignKeyConstraint(
            ["group_id", "actor_id"], ["group_members.group_id", "group_members.id"], ondelete="CASCADE"
        ),
    )

    group_id: Mapped[UUID] = mapped_column(ForeignKey("groups.id", ondelete="CASCADE"), primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(String(40))
    actor_id: Mapped[UUID]
    subject_id: Mapped[UUID | None]
    data: Mapped[dict[str, Any]]
    created_at: Mapped[datetime]
