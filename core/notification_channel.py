"""How a notification travels from the workers to the gateways: Redis pub/sub, at most once.

The database is what counts. Whoever listens compares `seq` and reads what it missed from there.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import Row

from core.models import Notification


class Message(msgspec.Struct, tag="notification", tag_field="type", frozen=True):
    """A notification as clients get it over the WebSocket."""

    seq: int
    kind: str
    created_at: datetime
    data: dict[str, Any]


def channel_of(prefix: str, user_id: UUID) -> str:
    return f"{prefix}:notifications:{user_id}"


def encode(notification: Notification | Row[Any]) -> bytes:
    return msgspec.json.encode(
        Message(notification.seq, notification.kind, notification.created_at, notification.data)
    )


def decode(payload: bytes) -> Message:
    return msgspec.json.decode(payload, type=Message)
