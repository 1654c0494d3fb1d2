"""How a notification travels from the workers to the gateways: Redis pub/sub, at most once.

The database is what counts. Whoever listens compares `seq` and reads what it missed from there.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import Row

from core.models import Notification


class Message(msgspec.Struct, tag="notification", tag_field="type", frozen=True, omit_defaults=True):
    """A notification as clients get it over the WebSocket; one that is muted shall disturb nobody."""

    seq: int
    kind: str
    created_at: datetime
    data: dict[str, Any]
    is_muted: bool = False


def channel_of(prefix: str, user_id: UUID) -> str:
    return f"{prefix}:notifications:{user_id}"


def encode(notification: Notification | Row[Any]) -> bytes:
    return msgspec.json.encode(
        Message(
            notification.seq,
            notification.kind,
            notification.created_at,
            notification.data,
            # Read in the moment in which it was written.
            is_muted=notification.read_at == notification.created_at,
        )
    )


def decode(payload: bytes) -> Message:
    return msgspec.json.decode(payload, type=Message)
