from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from core.models.base import Base


class Report(Base):
    """A month or a year of a user's in one currency, as figures and as a workbook, which are built by a job.

    `figures` is a document of `core/queries/report_documents.py`, the workbook a file of `core/files.py`;
    both stay while the next ones are built. `is_awaited` says that the user wants to be told when that is
    done. Spending from the day `bears_until` on changes nothing in it. `stale_since` is when something that
    it tells of was first seen to have changed since its last building began; `ends_at` is when its period is
    over for the user, if it was not yet.
    """

    __tablename__ = "reports"
    __table_args__ = (
        CheckConstraint("kind IN ('monthly', 'yearly')", name="kind"),
        CheckConstraint("state IN ('queued', 'running', 'succeeded', 'failed')", name="state"),
        UniqueConstraint("user_id", "kind", "period_start", "currency"),
        Index(
            "ix_reports_fresh",
            "user_id",
            "bears_until",
            postgresql_where=text("stale_since IS NULL"),
            sqlite_where=text("stale_since IS NULL"),
        ),
        Index(
            "ix_reports_stale",
            "stale_since",
            postgresql_where=text("stale_since IS NOT NULL"),
            sqlite_where=text("stale_since IS NOT NULL"),
        ),
        Index(
            "ix_reports_running",
            "ends_at",
            postgresql_where=text("ends_at IS NOT NULL"),
            sqlite_where=text("ends_at IS NOT NULL"),
        ),
        Index("ix_reports_sha256", "sha256"),
    )

    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(String(10))
    period_start: Mapped[date]
    currency: Mapped[str] = mapped_column(String(3))
    state: Mapped[str] = mapped_column(String(10))
    is_awaited: Mapped[bool]
    figures: Mapped[dict[str, Any] | None]
    sha256: Mapped[str | None] = mapped_column(String(64))
    size: Mapped[int | None]
    version: Mapped[int]
    bears_until: Mapped[date]
    stale_since: Mapped[datetime | None]
    ends_at: Mapped[datetime | None]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    built_at: Mapped[datetime | None]
