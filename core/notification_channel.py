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


def encode_published(notification: Notification | Row[Any], request_ids: str | None) -> bytes:
    """What is published: for the gateways' logs the ids of the requests behind it, then what clients get."""
    message = encode(notification)
    return message if request_ids is None else f"{request_ids}\n".encode() + message


def split_published(payload: bytes) -> tuple[list[str], bytes]:
    """The ids of the requests, none if they are not known, and the message."""
    if payload.startswith(b"{"):
        return [], payload
    ids, _, message = payload.partition(b"\n")
    return ids.decode(errors="replace").split(), message


def decode(payload: bytes) -> Message:
    return msgspec.json.decode(payload, type=Message)
