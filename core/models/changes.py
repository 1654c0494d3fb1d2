from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from core.models.base import Base

UNNUMBERED = "numbered_version < version"
"""The condition under which a row waits for a number, in the words of its partial index."""


class Numbered:
    """What a client can keep a copy of: each version of a row gets a number of its user's when it is read.

    `change_seq` was given to the version `numbered_version`; while that is behind `version` the row has
    changed since. So a write that counts up the version, as every one must, has to do nothing else.
    """

    change_seq: Mapped[int | None] = mapped_column(BigInteger)
    numbered_version: Mapped[int] = mapped_column(server_default=text("0"))


class Deletion(Base):
    """That a numbered row is gone for good; itself gone when no client can be so far behind any more."""

    __tablename__ = "deletions"
    __table_args__ = (
        Index("ix_deletions_change_seq", "user_id", "change_seq"),
        Index("ix_deletions_deleted_at", "deleted_at"),
    )

    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(String(20))
    change_seq: Mapped[int | None] = mapped_column(BigInteger)
    deleted_at: Mapped[datetime]


class ChangeFeed(Base):
    """The numbers of a user's changes; whoever gives out the next one holds this row's lock.

    `seq` is the newest number. Deletions up to `forgotten_seq` may be gone: who has not seen them starts
    over. So does who has read under another `epoch`: the database was put back to an earlier state since.
    """

    __tablename__ = "change_feeds"

    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    epoch: Mapped[UUID]
    seq: Mapped[int] = mapped_column(BigInteger)
    forgotten_seq: Mapped[int] = mapped_column(BigInteger)
