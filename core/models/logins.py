from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index, LargeBinary, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from core.models.base import Base


class KnownDevice(Base):
    """Where a user has logged in from before: the digest of a kind of client and the network it came from."""

    __tablename__ = "known_devices"
    __table_args__ = (Index("ix_known_devices_seen_at", "seen_at"),)

    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    device_hash: Mapped[bytes] = mapped_column(LargeBinary(32), primary_key=True)
    seen_at: Mapped[datetime]


class Identity(Base):
    """An account with an OpenID provider that logs the user in; `subject` is the provider's name for it."""

    __tablename__ = "identities"
    __table_args__ = (UniqueConstraint("provider", "subject"),)

    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    provider: Mapped[str] = mapped_column(String(40), primary_key=True)
    subject: Mapped[str] = mapped_column(String(255))
    created_at: Mapped[datetime]


class Challenge(Base):
    """A login, or the like, that is half done: what was asked, until it is answered.

    Kept by the SHA-256 of its token. Its key begins with no user: it is asked before somebody is known.
    """

    __tablename__ = "challenges"
    __table_args__ = (
        Index("ix_challenges_expires_at", "expires_at"),
        Index("ix_challenges_user_id", "user_id"),
    )

    token_hash: Mapped[bytes] = mapped_column(LargeBinary(32), primary_key=True)
    purpose: Mapped[str] = mapped_column(String(20))
    user_id: Mapped[UUID | None] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    data: Mapped[dict[str, Any]]
    attempts: Mapped[int]
    expires_at: Mapped[datetime]


class EmailChange(Base):
    """A change of a user's address: asked for, and in force once `confirmed_at` is set."""

    __tablename__ = "email_changes"
    __table_args__ = (Index("ix_email_changes_asked_at", "asked_at"),)

    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    email: Mapped[str] = mapped_column(String(254))
    email_key: Mapped[str] = mapped_column(String(254))
    previous_email: Mapped[str] = mapped_column(String(254))
    asked_at: Mapped[datetime]
    confirmed_at: Mapped[datetime | None]
