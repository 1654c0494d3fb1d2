from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, String, UniqueConstraint, false, text
from sqlalchemy.orm import Mapped, mapped_column

from core.models.base import Base


class User(Base):
    """A person with an account.

    `username_key` and `email_key` are the case-folded forms that must be unique. `notification_seq` is the
    number of the newest notification; whoever gives out the next one holds this row's lock.
    `verification_asked_at` and `reset_asked_at` are when the newest mail was asked for that verifies the
    address, or lets a new password be set. `security.NO_PASSWORD` is the hash of who came by a provider.
    Notifications of the `muted_kinds` come in as read.
    """

    __tablename__ = "users"
    __table_args__ = (UniqueConstraint("username_key"), UniqueConstraint("email_key"))

    id: Mapped[UUID] = mapped_column(primary_key=True)
    username: Mapped[str] = mapped_column(String(40))
    username_key: Mapped[str] = mapped_column(String(40))
    email: Mapped[str] = mapped_column(String(254))
    email_key: Mapped[str] = mapped_column(String(254))
    email_verified_at: Mapped[datetime | None]
    verification_asked_at: Mapped[datetime | None]
    reset_asked_at: Mapped[datetime | None]
    display_name: Mapped[str] = mapped_column(String(100))
    password_hash: Mapped[str] = mapped_column(String(60))
    timezone: Mapped[str] = mapped_column(String(64))
    currency: Mapped[str] = mapped_column(String(3))
    is_active: Mapped[bool]
    is_admin: Mapped[bool] = mapped_column(default=False, server_default=false())
    notification_seq: Mapped[int] = mapped_column(BigInteger, default=0)
    muted_kinds: Mapped[list[str]] = mapped_column(default=list, server_default=text("'[]'"))
    version: Mapped[int] = mapped_column(default=1)
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
