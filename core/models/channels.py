from datetime import datetime
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


class Channel(Base):
    """A way on which a user's notifications go out besides the inbox.

    Everybody has one of the kind `email`, whose id is their own; its address is the account's. `kinds` are
    the kinds of notification that a webhook is sent (empty: all); mails and pushes go by the user's settings.
    `host` is whom it talks to, so that a slow one never holds up the others. A webhook's secrets are derived
    and never stored: `secret_issue` counts them, and until `previous_secret_until` those from `oldest_issue`
    on sign as well, or the one before if that is not known. Of a burst of mails or pushes, what follows
    within the pause after `sent_at`, when the last message was begun, becomes one message.
    """

    __tablename__ = "channels"
    __table_args__ = (
        CheckConstraint("kind IN ('email', 'webhook', 'push')", name="kind"),
        CheckConstraint("state IN ('active', 'off')", name="state"),
    )

    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(String(10))
    name: Mapped[str | None] = mapped_column(String(100))
    url: Mapped[str] = mapped_column(Text)
    host: Mapped[str] = mapped_column(String(255))
    kinds: Mapped[list[str]]
    state: Mapped[str] = mapped_column(String(10))
    off_reason: Mapped[str | None] = mapped_column(Text)
    off_at: Mapped[datetime | None]
    secret_issue: Mapped[int]
    previous_secret_until: Mapped[datetime | None]
    oldest_issue: Mapped[int | None]
    sent_at: Mapped[datetime | None]
    version: Mapped[int]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class Delivery(Base):
    """The sending of one notification on one channel.

    `pending` has not been tried, `failed` is tried again at `available_at`, `sent` and `dead` are over. While
    somebody sends it `available_at` is the end of their lease, which began at `attempted_at`. Those of one
    message share its `message_id`, which stays the same however often it is sent. `attempts` only counts up,
    so that two leases are never taken for one another; a round of attempts began at `first_tried_at`, which
    moves on by what nobody was there to try.
    """

    __tablename__ = "deliveries"
    __table_args__ = (
        ForeignKeyConstraint(
            ["user_id", "channel_id"], ["channels.user_id", "channels.id"], ondelete="CASCADE"
        ),
        ForeignKeyConstraint(
            ["user_id", "seq"], ["notifications.user_id", "notifications.seq"], ondelete="CASCADE"
        ),
        CheckConstraint("state IN ('pending', 'failed', 'sent', 'dead')", name="state"),
        Index("uq_deliveries_channel_seq", "user_id", "channel_id", "seq", unique=True),
        Index(
            "ix_deliveries_due",
            "host",
            "available_at",
            postgresql_where=text("state IN ('pending', 'failed')"),
            sqlite_where=text("state IN ('pending', 'failed')"),
        ),
        Index("ix_deliveries_created_at", "created_at"),
    )

    user_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    channel_id: Mapped[UUID]
    seq: Mapped[int] = mapped_column(BigInteger)
    state: Mapped[str] = mapped_column(String(10))
    host: Mapped[str] = mapped_column(String(255))
    message_id: Mapped[UUID | None]
    attempts: Mapped[int]
    available_at: Mapped[datetime]
    last_error: Mapped[str | None] = mapped_column(Text)
    last_status: Mapped[int | None]
    created_at: Mapped[datetime]
    attempted_at: Mapped[datetime | None]
    first_tried_at: Mapped[datetime | None]
    sent_at: Mapped[datetime | None]
