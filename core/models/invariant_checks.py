from datetime import datetime

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from core.models.base import Base


class InvariantCheck(Base):
    """What a check of an invariant has found the last time that it came to its end.

    `failures` are differences, `unproved` the users or groups that were too large to be checked in time.
    `details` tells of the first failures; all of them are in the log.
    """

    __tablename__ = "invariant_checks"

    name: Mapped[str] = mapped_column(String(40), primary_key=True)
    checked_at: Mapped[datetime]
    finished_at: Mapped[datetime]
    failures: Mapped[int]
    unproved: Mapped[int]
    details: Mapped[list[str]]
