from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, SmallInteger, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from core.models.base import Base


class Export(Base):
    """A file of a user's data that a job builds; its content is a file of `core/files.py`.

    `filters` are those of `core.queries.expenses.ExpenseFilter` that were given. `progress` is in percent.
    `size` is in bytes; it and `sha256` are there while the export has succeeded, `error` if it has failed.
    """

    __tablename__ = "exports"
    __table_args__ = (
        CheckConstraint("format IN ('csv', 'xlsx', 'json')", name="format"),
        CheckConstraint("state IN ('queued', 'running', 'succeeded', 'failed', 'expired')", name="state"),
        CheckConstraint("(state = 'succeeded') = (sha256 IS NOT NULL)", name="file"),
        Index("ix_exports_sha256", "sha256"),
        Index(
            "ix_exports_expires_at",
            "expires_at",
            postgresql_where=text("state = 'succeeded'"),
            sqlite_where=text("state = 'succeeded'"),
        ),
        Index("ix_exports_finished_at", "finished_at"),
    )

    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    format: Mapped[str] = mapped_column(String(10))
    dialect: Mapped[str | None] = mapped_column(String(20))
    filters: Mapped[dict[str, Any]]
    sort: Mapped[str] = mapped_column(String(20))
    name: Mapped[str] = mapped_column(String(200))
    state: Mapped[str] = mapped_column(String(10))
    progress: Mapped[int] = mapped_column(SmallInteger)
    row_count: Mapped[int | None] = mapped_column(BigInteger)
    size: Mapped[int | None] = mapped_column(BigInteger)
    sha256: Mapped[str | None] = mapped_column(String(64))
    error: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]
    expires_at: Mapped[datetime | None]
