"""Who did what in a group, when."""

from typing import Any
from uuid import UUID

from sqlalchemy import insert
from sqlalchemy.orm import Session

from core import clock
from core.ids import new_id
from core.models import GroupActivity, table_of

INSERT = insert(table_of(GroupActivity))


def note_activity(
    session: Session,
    *,
    group_id: UUID,
    actor_id: UUID,
    kind: str,
    subject_id: UUID | None = None,
    data: dict[str, Any] | None = None,
) -> None:
    """Write down that a member did something; `data` keeps what it was about, as it was then."""
    row = {"group_id": group_id, "id": new_id(), "kind": kind, "actor_id": actor_id}
    session.execute(INSERT, {**row, "subject_id": subject_id, "data": data or {}, "created_at": clock.now()})
