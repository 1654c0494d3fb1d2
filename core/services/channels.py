"""The channels on which a user's notifications go out."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import insert
from sqlalchemy.orm import Session

from core.models import Channel, table_of

CHANNELS = table_of(Channel)


def add_mail_channel(session: Session, *, user_id: UUID, now: datetime) -> None:
    """Everybody has one; nothing goes out on it before the address is verified."""
    session.execute(
        insert(CHANNELS).values(
            user_id=user_id,
            id=user_id,
            kind="email",
            url="",
            host="",
            kinds=[],
            state="active",
            secret_issue=0,
            version=1,
            created_at=now,
            updated_at=now,
        )
    )
