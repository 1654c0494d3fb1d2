from datetime import date, datetime

from sqlalchemy import BigInteger, CheckConstraint, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from core.models.base import Base


class ExchangeRate(Base):
    """Units of a currency for one euro on a day, in parts of `core.rules.conversion.RATE_SCALE`.

    No user's data: one table for all. `source` is where it came from, such as a file or an address.
    """

    __tablename__ = "exchange_rates"
    __table_args__ = (
        CheckConstraint("rate > 0", name="rate_is_positive"),
        Index("ix_exchange_rates_day", "day"),
    )

    currency: Mapped[str] = mapped_column(String(3), primary_key=True)
    day: Mapped[date] = mapped_column(primary_key=True)
    rate: Mapped[int] = mapped_column(BigInteger)
    source: Mapped[str] = mapped_column(String(200))
    fetched_at: Mapped[datetime]
