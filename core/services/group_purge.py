"""Removing deleted groups for good."""

from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, Table, delete, select
from sqlalchemy.orm import Session

from core import clock
from core.models import (
    DebtReminder,
    Group,
    GroupActivity,
    GroupExpense,
    GroupShare,
    Invitation,
    PairBalance,
    Posting,
    Settlement,
    table_of,
)

PURGE_AFTER = timedelta(days=30)
"""Time enough to notice that the wrong group was deleted, and to have its operator bring it back."""

PURGE_ROWS = 5_000
"""Rows of each table in a transaction, or a few more: nobody waits for long, however much the group has."""

GROUPS = table_of(Group)

CONTENT: tuple[tuple[Table, ColumnElement[Any]], ...] = tuple(
    (table, table.c[key])
    for table, key in (
        (table_of(GroupShare), "expense_id"),
        (table_of(Posting), "source_id"),
        (table_of(PairBalance), "member_id"),
        (table_of(DebtReminder), "from_member_id"),
        (table_of(Settlement), "id"),
        (table_of(GroupExpense), "id"),
        (table_of(GroupActivity), "id"),
        (table_of(Invitation), "id"),
    )
)
"""What may be much, each with the column of its key that follows upon the group: rows go in its order. The
members, of whom there are few, go with the group itself."""


def purge_groups(session: Session, *, batch: int = PURGE_ROWS) -> bool:
    """Delete some of what is left of a group that was deleted long ago; answers whether there may be more."""
    group_id = session.scalar(
        select(GROUPS.c.id)
        .where(GROUPS.c.deleted_at < clock.now() - PURGE_AFTER)
        .order_by(GROUPS.c.deleted_at)
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    if group_id is None:
        return False
    for table, key in CONTENT:
        is_its = table.c.group_id == group_id
        last = session.scalar(select(key).where(is_its).order_by(key).offset(batch - 1).limit(1))
        if last is not None:
            session.execute(delete(table).where(is_its, key <= last))
            return True
        session.execute(delete(table).where(is_its))
    session.execute(delete(GROUPS).where(GROUPS.c.id == group_id))
    return True
