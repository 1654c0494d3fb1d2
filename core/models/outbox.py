from datetime import datetime
from typing import Any

from sqlalchemy import Index, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from core.models.base import Base, BigIdentity

MAX_REQUEST_IDS_CHARACTERS = 519
"""Of eight ids of 64 characters, with spaces between them."""


class OutboxRow(Base):
    """A follow-up job that a committed write asked for. It goes in the transaction that does the job.

    `request_ids` names the requests that have led to it (`core/log_context.py`), for the logs.
    `available_at` is pushed ahead after a failure; `dead_at` is set when the job has failed too often.
    """

    __tablename__ = "outbox"
    __table_args__ = (
        Index(
            "ix_outbox_waiting",
            "job",
            "id",
            postgresql_where=text("dead_at IS NULL"),
            sqlite_where=text("dead_at IS NULL"),
        ),
    )

    id: Mapped[int] = mapped_column(BigIdentity, primary_key=True, autoincrement=True)
    job: Mapped[str] = mapped_column(String(60))
    key: Mapped[str] = mapped_column(String(80))
    payload: Mapped[dict[str, Any]]
    attempts: Mapped[int] = mapped_column(default=0)
    request_ids: Mapped[str | None] = mapped_column(String(MAX_REQUEST_IDS_CHARACTERS))
    last_error: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime]
    available_at: Mapped[datetime]
    dead_at: Mapped[datetime | None]
