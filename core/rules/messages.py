"""What is sent at once: a webhook for one notification, or a mail or push for all that is due."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from core.rules.notification_kinds import ChannelKind


@dataclass(frozen=True, slots=True)
class Receiver:
    """The channel that a message goes out on, as it was when the message was claimed."""

    user_id: UUID
    id: UUID
    kind: ChannelKind
    url: str = field(repr=False)
    secret_issue: int = 0
    previous_secret_until: datetime | None = None
    oldest_issue: int | None = None


@dataclass(frozen=True, slots=True)
class Part:
    """A notification of a message, with its delivery; who holds the lease knows `attempts`.

    `first_tried_at` is when this round of attempts began, later by what nobody was there to try.
    """

    delivery_id: UUID
    attempts: int
    first_tried_at: datetime
    seq: int
    kind: str
    data: Mapping[str, Any]
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Message:
    """`parts` by number. The id is the same however often the message is sent; `host` is whom it goes to."""

    id: UUID
    host: str
    receiver: Receiver
    parts: tuple[Part, ...]
