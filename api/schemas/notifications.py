"""The inbox as clients read it."""

from typing import Annotated, Any, ClassVar

import msgspec
from msgspec import Meta

from api.schemas.common import ID_EXAMPLE, TEXT, Cursor, Instant, Limit, NextCursor
from core.models import Notification

MAX_SEQ = 2**63 - 1
"""What the database's column holds."""

Seq = Annotated[
    int, Meta(ge=0, le=MAX_SEQ, description="Counts up within each user, without gaps.", examples=[42])
]
Kind = Annotated[
    str,
    Meta(
        description="`budget.threshold`, `budget.recovered` or `budget.projected`; more may come.",
        examples=["budget.threshold"],
    ),
]
EXAMPLE_DATA = {
    "budget_id": ID_EXAMPLE,
    "budget_name": "Groceries",
    "threshold": 80,
    "percent": 81.0,
    "spent": "324.10",
    "limit": "400.00",
    "currency": "EUR",
    "period_start": "2026-05-01",
    "period_end": "2026-06-01",
}


class NotificationOut(msgspec.Struct):
    """A numbered message."""

    seq: Seq
    kind: Kind
    created_at: Instant
    read_at: Annotated[Instant | None, Meta(description="null: unread.", examples=[None])]
    data: Annotated[dict[str, Any], Meta(description="Depends on the kind.", examples=[EXAMPLE_DATA])]

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
    next_cursor: NextCursor


class NotificationQuery(msgspec.Struct, forbid_unknown_fields=True):
    unread: (
        Annotated[bool, Meta(description="Only what is unread, or with false only what is read.")] | None
    ) = None
    kind: Annotated[Kind, Meta(max_length=40, pattern=TEXT)] | None = None
    after: Annotated[Seq, Meta(description="Only higher numbers, the oldest first.")] | None = None
    limit: Limit = 50
    cursor: Cursor | None = None


class NotificationPatch(msgspec.Struct, forbid_unknown_fields=True):
    is_read: Annotated[bool, Meta(description="false: unread again.", examples=[True])]


class ReadAllIn(msgspec.Struct, forbid_unknown_fields=True):
    """Up to where to read; the whole body may be left out."""

    IS_OPTIONAL: ClassVar = True

    up_to: Annotated[Seq, Meta(description="The last number to mark; default: all.")] | None = None


class ReadAllOut(msgspec.Struct):
    updated: Annotated[int, Meta(description="How many were unread.", examples=[3])]
