from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, SmallInteger, String
from sqlalchemy.orm import Mapped, mapped_column

from core.models.base import Base


class NotificationSettings(Base):
    """What a user has set for the channels; without a row all is as `core/rules/notification_kinds.py` says.

    `choices` holds what differs from there: kind → channel → bool. Whether a kind is muted in the inbox is in
    the user's own row. Quiet hours are minutes after local midnight, over midnight if the first is the later
    one. The weekday is ISO's (1: Monday); the day of a month is clamped to its last. The next digest is that
    of the day `next_digest_on`, and due at `next_digest_at`.
    """

    __tablename__ = "notification_settings"
    __table_args__ = (
        CheckConstraint("digest_frequency IN ('off', 'daily', 'weekly', 'monthly')", name="digest_frequency"),
        CheckConstraint("(quiet_from IS NULL) = (quiet_to IS NULL)", name="quiet_hours"),
        Index("ix_notification_settings_next_digest_at", "next_digest_at"),
    )

    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    choices: Mapped[dict[str, Any]]
    quiet_from: Mapped[int | None] = mapped_column(SmallInteger)
    quiet_to: Mapped[int | None] = mapped_column(SmallInteger)
    lets_exceeded_pass: Mapped[bool]
    digest_frequency: Mapped[str] = mapped_column(String(10))
    digest_hour: Mapped[int] = mapped_column(SmallInteger)
    digest_weekday: Mapped[int] = mapped_column(SmallInteger)
    digest_day: Mapped[int] = mapped_column(SmallInteger)
    has_empty_digests: Mapped[bool]
    next_digest_on: Mapped[date | None]
    next_digest_at: Mapped[datetime | None]
    version: Mapped[int]
    updated_at: Mapped[datetime]
