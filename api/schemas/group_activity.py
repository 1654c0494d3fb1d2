"""Who did what in a group, as clients read it."""

from collections.abc import Mapping
from typing import Annotated, Any
from uuid import UUID

import msgspec
from msgspec import Meta

from api.schemas.common import TEXT, Cursor, Id, Instant, Limit, NextCursor
from core.queries.group_activity import ActivityRecord
from core.queries.groups import MemberRecord

Kind = Annotated[str, Meta(examples=["settlement.confirmed"])]


class ActorOut(msgspec.Struct):
    """A member, by the name of now."""

    member_id: Id
    display_name: Annotated[str, Meta(examples=["Grace"])]


class ActivityOut(msgspec.Struct):
    """Something that a member did."""

    id: Id
    kind: Kind
    actor: ActorOut
    subject_id: Annotated[
        Id | None, Meta(description="The expense, settlement, member or invitation it was done to.")
    ]
    data: Annotated[
        dict[str, Any],
        Meta(description="What it was about, as it was then.", examples=[{"amount": "5.00"}]),
    ]
    created_at: Instant

    @classmethod
    def of(cls, record: ActivityRecord, members: Mapping[UUID, MemberRecord]) -> "ActivityOut":
        actor = ActorOut(record.actor_id, members[record.actor_id].display_name)
        return cls(record.id, record.kind, actor, record.subject_id, record.data, record.created_at)


class ActivityPage(msgspec.Struct):
    items: list[ActivityOut]
    next_cursor: NextCursor


class ActivityQuery(msgspec.Struct, forbid_unknown_fields=True):
    kind: Annotated[Kind, Meta(max_length=40, pattern=TEXT)] | None = None
    limit: Limit = 50
    cursor: Cursor | None = None
