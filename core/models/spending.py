from datetime import date
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from core.models.base import Base

UNCATEGORISED = UUID(int=0)
"""Stands for "no category" in a primary key, which cannot hold NULL."""

MAX_DAILY_TOTAL_MINOR = 10**16
"""A hundred of the largest amounts. SQLite would turn a sum beyond 64 bits into a float without a word; with
this bound a query may add up a day of all the categories that a user can have."""


IN_KEY_ORDER = {"sqlite_with_rowid": False}
"""A range of days lies side by side: twice as fast to add up as rows that an index points to."""


class DailySpending(Base):
    """What a user spent on a day, by category and currency; kept in the transaction of each write."""

    __tablename__ = "daily_spending"
    __table_args__ = (
        CheckConstraint(
            f"amount_minor BETWEEN -{MAX_DAILY_TOTAL_MINOR} AND {MAX_DAILY_TOTAL_MINOR}",
            name="amount_in_range",
        ),
        IN_KEY_ORDER,
    )

    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    day: Mapped[date] = mapped_column(primary_key=True)
    category_id: Mapped[UUID] = mapped_column(primary_key=True)
    currency: Mapped[str] = mapped_column(String(3), primary_key=True)
    amount_minor: Mapped[int] = mapped_column(BigInteger)
    count: Mapped[int]


class DailyConversion(Base):
    """What of a daily total the user has given rates of their own; kept in the transaction of each write.

    `amount_minor` and `count` are within those of `daily_spending`; `converted_minor` is in `into_currency`.
    """

    __tablename__ = "daily_conversions"
    __table_args__ = (
        CheckConstraint(
            f"converted_minor BETWEEN -{MAX_DAILY_TOTAL_MINOR} AND {MAX_DAILY_TOTAL_MINOR}",
            name="converted_amount_in_range",
        ),
        IN_KEY_ORDER,
    )

    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    day: Mapped[date] = mapped_column(primary_key=True)
    category_id: Mapped[UUID] = mapped_column(primary_key=True)
    currency: Mapped[str] = mapped_column(String(3), primary_key=True)
    into_currency: Mapped[str] = mapped_column(String(3), primary_key=True)
    amount_minor: Mapped[int] = mapped_column(BigInteger)
    converted_minor: Mapped[int] = mapped_column(BigInteger)
    count: Mapped[int]
