from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from core.models.base import Base


class DigestRun(Base):
    """A user's digest of one period, the half-open range of local dates from `period_start` to `period_end`.

    That there is one row a period is what makes each digest go out once. `figures` is a document of
    `core/queries/digest_documents.py`, absent while it is `queued` and when it was `skipped` as there was
    nothing to say; `failed` is one that could not be computed.
    """

    __tablename__ = "digest_runs"
    __table_args__ = (
        CheckConstraint("frequency IN ('daily', 'weekly', 'monthly')", name="frequency"),
        CheckConstraint("state IN ('queued', 'sent', 'skipped', 'failed')", name="state"),
        UniqueConstraint("user_id", "frequency", "period_start"),
        Index("ix_digest_runs_created_at", "created_at"),
    )

    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    frequency: Mapped[str] = mapped_column(String(10))
    period_start: Mapped[date]
    period_end: Mapped[date]
    state: Mapped[str] = mapped_column(String(10))
    figures: Mapped[dict[str, Any] | None]
    created_at: Mapped[datetime]
    built_at: Mapped[datetime | None]
