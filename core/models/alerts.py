from datetime import date, datetime
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKeyConstraint, Index, SmallInteger, String, text
from sqlalchemy.orm import Mapped, mapped_column

from core.models.base import Base


class Alert(Base):
    """The fact that a budget crossed a threshold in a period; open until `resolved_at`."""

    __tablename__ = "alerts"
    __table_args__ = (
        ForeignKeyConstraint(["user_id", "budget_id"], ["budgets.user_id", "budgets.id"], ondelete="CASCADE"),
        Index(
            "uq_alerts_open",
            "user_id",
            "budget_id",
            "period_start",
            "threshold",
            unique=True,
            postgresql_where=text("resolved_at IS NULL"),
            sqlite_where=text("resolved_at IS NULL"),
        ),
        Index("ix_alerts_budget_id", "user_id", "budget_id", "id"),
    )

    user_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    budget_id: Mapped[UUID]
    period_start: Mapped[date]
    period_end: Mapped[date]
    threshold: Mapped[int] = mapped_column(SmallInteger)
    spent_minor: Mapped[int] = mapped_column(BigInteger)
    limit_minor: Mapped[int] = mapped_column(BigInteger)
    currency: Mapped[str] = mapped_column(String(3))
    created_at: Mapped[datetime]
    resolved_at: Mapped[datetime | None]


class PaceAlert(Base):
    """That the user was told, once in this period, that the projection passes the limit."""

    __tablename__ = "pace_alerts"
    __table_args__ = (
        ForeignKeyConstraint(["user_id", "budget_id"], ["budgets.user_id", "budgets.id"], ondelete="CASCADE"),
    )

    user_id: Mapped[UUID] = mapped_column(primary_key=True)
    budget_id: Mapped[UUID] = mapped_column(primary_key=True)
    period_start: Mapped[date] = mapped_column(primary_key=True)
    created_at: Mapped[datetime]
