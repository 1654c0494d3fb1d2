from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import select

from core.database import Reader
from core.models import GroupActivity, table_of

ACTIVITY = table_of(GroupActivity)


class ActivityRecord(msgspec.Struct, frozen=True):
    """Something that a member did; `data` is as it was then."""

    id: UUID
    kind: str
    actor_id: UUID
    subject_id: UUID | None
    data: dict[str, Any]
    created_at: datetime


COLUMNS = tuple(ACTIVITY.c[name] for name in ActivityRecord.__struct_fields__)


def list_activity(
    session: Reader, *, group_id: UUID, kind: str | None = None, before: UUID | None = None, limit: int
) -> Sequence[ActivityRecord]:
    """What was done in the group, the newest first, behind what has the id `before`."""
    query = select(*COLUMNS).where(ACTIVITY.c.group_id == group_id)
    if kind is not None:
        query = query.where(ACTIVITY.c.kind == kind)
    if before is not None:
        query = query.where(ACTIVITY.c.id < before)
    rows = session.execute(query.order_by(ACTIVITY.c.id.desc()).limit(limit))
    return [ActivityRecord(*row) for row in rows]
