from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, Index, LargeBinary, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from core.models.base import Base


class AuditEvent(Base):
    """What was done in an account, by whom: one link of the user's hash chain, see `rules/audit_chain.py`.

    `actor_id` is whoever did it: the user, an administrator, or nobody known. `details` is JSON text:
    session, address, changed fields. Triggers refuse every update, and a deletion as long as there is the
    user, so the trail goes with the account and with nothing else. That is why it has no foreign key.
    """

    __tablename__ = "audit_events"
    __table_args__ = (Index("ix_audit_events_at", "at"),)

    user_id: Mapped[UUID] = mapped_column(primary_key=True)
    seq: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    at: Mapped[datetime]
    actor_id: Mapped[UUID | None]
    action: Mapped[str] = mapped_column(String(40))
    object_id: Mapped[UUID | None]
    details: Mapped[str] = mapped_column(Text)
    hash: Mapped[bytes] = mapped_column(LargeBinary(32))


class AuditHead(Base):
    """The newest link of a user's chain. Whoever adds the next one holds this row's lock."""

    __tablename__ = "audit_heads"

    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    seq: Mapped[int] = mapped_column(BigInteger)
    at: Mapped[datetime]
    hash: Mapped[bytes] = mapped_column(LargeBinary(32))
