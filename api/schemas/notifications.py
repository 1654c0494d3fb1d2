"""The inbox as clients read it."""

from datetime import datetime
from typing import Annotated, Any, ClassVar

import msgspec
from msgspec import Meta

from api.schemas.common import MAX_PAGE, TEXT
from core.models import Notification

MAX_SEQ = 2**63 - 1
"""What the database's column holds."""

Seq = Annotated[int, Meta(ge=0, le=MAX_SEQ)]


class NotificationOut(msgspec.Struct):
    """A numbered message; what `data` holds depends on the kind."""

    seq: int
    kind: Annotated[str, Meta(examples=["budget.threshold"])]
    created_at: datetime
    read_at: datetime | None
    data: dict[str, Any]

    @classmethod
    def of(cls, notification: Notification) -> "NotificationOut":
        return cls(
            notification.seq,
            notification.kind,
            notification.created_at,
            notification.read_at,
            notification.data,
        )


class NotificationPage(msgspec.Struct):
    items: list[NotificationOut]
    next_cursor: str | None


class NotificationQuery(msgspec.Struct, forbid_unknown_fields=True):
    unread: (
        Annotated[bool, Meta(description="Only what is unread, or with false only what is read.")] | None
    ) = None
    kind: Annotated[str, Meta(max_length=40, pattern=TEXT)] | None = None
    after: Annotated[Seq, Meta(description="Only higher numbers, the oldest first.")] | None = None
    limit: Annotated[int, Meta(ge=1, le=MAX_PAGE)] = 50
    cursor: Annotated[str, Meta(max_length=300, pattern=TEXT)] | None = None


class NotificationPatch(msgspec.Struct, forbid_unknown_fields=True):
    is_read: bool


class ReadAllIn(msgspec.Struct, forbid_unknown_fields=True):
    """Up to where to read; the whole body may be left out."""

    IS_OPTIONAL: ClassVar = True

    up_to: Annotated[Seq, Meta(description="The last number to mark; default: all.")] | None = None


class ReadAllOut(msgspec.Struct):
    updated: int
