from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import bindparam, or_, select
from sqlalchemy.orm import Session

from core.database import Reader
from core.errors import NotFound
from core.models import Channel, NotificationSettings, User, table_of
from core.rules.notification_kinds import ChannelKind, is_wanted

CHANNELS = table_of(Channel)
SETTINGS = table_of(NotificationSettings)
USERS = table_of(User)

# Built once: it runs with every notification.
OPEN_CHANNELS = (
    select(
        CHANNELS.c.user_id,
        CHANNELS.c.id,
        CHANNELS.c.kind,
        CHANNELS.c.host,
        CHANNELS.c.kinds,
        SETTINGS.c.choices,
    )
    .join(USERS, USERS.c.id == CHANNELS.c.user_id)
    .outerjoin(SETTINGS, SETTINGS.c.user_id == CHANNELS.c.user_id)
    .where(
        CHANNELS.c.user_id.in_(bindparam("user_ids", expanding=True)),
        CHANNELS.c.state == "active",
        or_(CHANNELS.c.kind != "email", USERS.c.email_verified_at.is_not(None)),
    )
)


@dataclass(frozen=True, slots=True)
class OpenChannel:
    """A channel that takes notifications now, with what its user has chosen for it."""

    user_id: UUID
    id: UUID
    kind: ChannelKind
    host: str
    kinds: list[str]
    choices: Mapping[str, Any] | None

    def takes(self, kind: str) -> bool:
        """Whether a notification of this kind goes out on it."""
        if self.kind == "webhook":
            return not self.kinds or kind in self.kinds
        return is_wanted(kind, self.kind, self.choices or {})


def open_channels(session: Session, *, user_ids: Collection[UUID]) -> list[OpenChannel]:
    """The channels of these users that take notifications; a mail's address must have been verified."""
    return [OpenChannel(*row) for row in session.execute(OPEN_CHANNELS, {"user_ids": list(user_ids)})]


class ChannelRecord(msgspec.Struct, frozen=True):
    """A channel as it is kept; a push service's URL is a secret."""

    user_id: UUID
    id: UUID
    kind: ChannelKind
    name: str | None
    url: str
    host: str
    kinds: list[str]
    state: str
    off_reason: str | None
    off_at: datetime | None
    secret_issue: int
    previous_secret_until: datetime | None
    oldest_issue: int | None
    version: int
    created_at: datetime
    updated_at: datetime

    @property
    def is_active(self) -> bool:
        return self.state == "active"


RECORD = select(*(CHANNELS.c[name] for name in ChannelRecord.__struct_fields__))


def list_channels(session: Reader, *, user_id: UUID, kinds: Collection[ChannelKind]) -> list[ChannelRecord]:
    """The user's channels of these kinds, the oldest first."""
    query = RECORD.where(CHANNELS.c.user_id == user_id, CHANNELS.c.kind.in_(kinds))
    found = session.execute(query.order_by(CHANNELS.c.created_at, CHANNELS.c.id))
    return [ChannelRecord(*row) for row in found]


def load_channel(
    session: Reader,
    *,
    user_id: UUID,
    channel_id: UUID,
    kinds: Collection[ChannelKind],
    is_locked: bool = False,
) -> ChannelRecord:
    """
    Raises:
        NotFound: also for a channel of another kind.
    """
    query = RECORD.where(
        CHANNELS.c.user_id == user_id, CHANNELS.c.id == channel_id, CHANNELS.c.kind.in_(kinds)
    )
    row = session.execute(query.with_for_update() if is_locked else query).first()
    if row is None:
        raise NotFound("no such channel")
    return ChannelRecord(*row)


def verified_address(session: Reader, *, user_id: UUID) -> str | None:
    """Where the user's mails go."""
    return session.execute(
        select(USERS.c.email).where(USERS.c.id == user_id, USERS.c.email_verified_at.is_not(None))
    ).scalar()
