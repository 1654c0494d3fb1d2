from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, or_, select
from sqlalchemy.orm import Session

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
