"""Asking the receivers of settlements that wait for too long to confirm them."""

from collections.abc import Collection, Sequence
from datetime import timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, bindparam, case, func, literal, literal_column, select, tuple_, update
from sqlalchemy.orm import Session

from core import clock
from core.models import Group, GroupMember, Settlement, table_of
from core.queries.groups import groups_with_members
from core.queries.settlements import COLUMNS, SettlementRecord
from core.services.settlement_notices import Notice, send_notices

SETTLEMENTS = table_of(Settlement)
GROUPS = table_of(Group)
MEMBERS = table_of(GroupMember)

Key = tuple[UUID, UUID]
"""Group id and settlement id."""

# Literally, so that a prepared statement finds the index of the pending ones.
IS_PENDING = SETTLEMENTS.c.state == literal_column("'pending'")
KEY = tuple_(SETTLEMENTS.c.group_id, SETTLEMENTS.c.id)
LAST_TOLD = func.coalesce(SETTLEMENTS.c.nudged_at, SETTLEMENTS.c.created_at)
WITH_GROUP = SETTLEMENTS.c.group_id == GROUPS.c.id
WITH_RECEIVER = (MEMBERS.c.group_id == SETTLEMENTS.c.group_id) & (MEMBERS.c.id == SETTLEMENTS.c.to_member_id)

PATIENCE = select(GROUPS.c.settlement_days).join(SETTLEMENTS, WITH_GROUP).where(IS_PENDING).distinct()
KEEP_TIME = (
    update(SETTLEMENTS)
    .where(SETTLEMENTS.c.group_id == bindparam("its_group_id"), SETTLEMENTS.c.id == bindparam("its_id"))
    .values(nudged_at=bindparam("at"))
)


def due_settlements(session: Session, *, after: Key | None = None, limit: int) -> Sequence[Key]:
    """Pending settlements whose receivers were told, or last asked, too long ago.

    In key order, behind `after`. Those whose receiver has no account, and those of deleted groups, are not
    among them.
    """
    patience = session.scalars(PATIENCE).all()
    if not patience:
        return []
    query = (
        select(SETTLEMENTS.c.group_id, SETTLEMENTS.c.id)
        .join(GROUPS, WITH_GROUP)
        .join(MEMBERS, WITH_RECEIVER)
        .where(
            IS_PENDING,
            _latest(patience) >= LAST_TOLD,
            GROUPS.c.deleted_at.is_(None),
            MEMBERS.c.user_id.is_not(None),
            MEMBERS.c.left_at.is_(None),
        )
    )
    if after is not None:
        query = query.where(tuple_(*(literal(one) for one in after)) < KEY)
    rows = session.execute(query.order_by(SETTLEMENTS.c.group_id, SETTLEMENTS.c.id).limit(limit))
    return [(row.group_id, row.id) for row in rows]


def _latest(patience: Collection[int]) -> ColumnElement[object]:
    """When somebody must have been told at the latest to be asked now, by their group's patience in days."""
    now = clock.now()
    times = {days: literal(now - timedelta(days=days), SETTLEMENTS.c.created_at.type) for days in patience}
    return case(times, value=GROUPS.c.settlement_days)


def nudge_receivers(session: Session, keys: Collection[Key]) -> int:
    """Ask the receivers of those that are due still and that nobody is at; answers how many there were."""
    claimed = session.execute(
        select(*COLUMNS)
        .where(IS_PENDING, KEY.in_(keys))
        .order_by(SETTLEMENTS.c.group_id, SETTLEMENTS.c.id)
        .with_for_update(skip_locked=True)
    )
    now = clock.now()
    records = [SettlementRecord(*row) for row in claimed]
    groups = groups_with_members(session, {record.group_id for record in records})
    notices = []
    for record in records:
        if record.group_id not in groups:
            continue
        group, members = groups[record.group_id]
        if (record.nudged_at or record.created_at) <= now - timedelta(days=group.settlement_days):
            notices.append(
                Notice(
                    kind="settlement.recorded",
                    group=group,
                    members=members,
                    settlement=record,
                    by=record.recorded_by,
                    recipients=(record.to_member_id,),
                    is_reminder=True,
                )
            )
    if notices:
        times = [{"its_group_id": one.group.id, "its_id": one.settlement.id, "at": now} for one in notices]
        session.execute(KEEP_TIME, times)
        send_notices(session, notices)
    return len(notices)
