"""A group as one of its members sees it: the one place where it is decided who may do what in a group."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import bindparam, func, select

from core.database import Reader
from core.errors import Forbidden, NotFound
from core.models import Group, GroupMember, table_of
from core.rules.roles import Role, is_at_least

MAX_MEMBERS = 100
"""Present members of a group: a club or a company's team. Each reading of a group loads them all."""

MAX_MEMBERS_EVER = 200
"""Present and former members of a group: a balance is a sum over all the others, and must not outgrow 64 bits
(see `MAX_PAIR_BALANCE_MINOR`)."""

GROUPS = table_of(Group)
MEMBERS = table_of(GroupMember)


class GroupRecord(msgspec.Struct, frozen=True):
    id: UUID
    name: str
    currency: str
    simplify_debts: bool
    default_split: dict[str, Any]
    default_category: str | None
    settlement_days: int
    debt_reminder_days: int | None
    version: int
    created_at: datetime
    updated_at: datetime


class MemberRecord(msgspec.Struct, frozen=True):
    """A person in a group. Without a `user_id` it is somebody who has no account, or has one no longer."""

    group_id: UUID
    id: UUID
    user_id: UUID | None
    display_name: str
    role: Role
    mirrors_expenses: bool
    version: int
    created_at: datetime
    updated_at: datetime
    left_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class GroupScope:
    """A group, the caller in it, and all who are or were members, by id."""

    group: GroupRecord
    me: MemberRecord
    members: Mapping[UUID, MemberRecord]

    def require(self, least: Role) -> None:
        """Raises: Forbidden."""
        if not is_at_least(self.me.role, least):
            raise Forbidden(f"this takes the role {least} in the group, and yours is {self.me.role}")

    def present(self, member_id: UUID) -> MemberRecord | None:
        """The member, unless there is none of this id or they have left."""
        member = self.members.get(member_id)
        return None if member is None or member.left_at is not None else member

    def present_members(self) -> list[MemberRecord]:
        return [member for member in self.members.values() if member.left_at is None]


class GroupLock(Enum):
    """What a write holds until its transaction ends, taken before any other lock.

    EXPENSES lets others write expenses and post, LEDGER lets them write expenses only, MEMBERS nothing: who
    looks whether a member may leave must not miss an expense that is just being written.
    """

    EXPENSES = "FOR KEY SHARE"
    LEDGER = "FOR NO KEY UPDATE"
    MEMBERS = "FOR UPDATE"


GROUP_COLUMNS = tuple(GROUPS.c[name] for name in GroupRecord.__struct_fields__)
MEMBER_COLUMNS = tuple(MEMBERS.c[name] for name in MemberRecord.__struct_fields__)

_EXISTING = select(GROUPS.c.id).where(
    GROUPS.c.id.in_(bindparam("group_ids", expanding=True)), GROUPS.c.deleted_at.is_(None)
)
# In key order, so that two transactions never wait for each other in a circle.
_LOCKS = {
    GroupLock.EXPENSES: _EXISTING.order_by(GROUPS.c.id).with_for_update(read=True, key_share=True),
    GroupLock.LEDGER: _EXISTING.order_by(GROUPS.c.id).with_for_update(key_share=True),
    GroupLock.MEMBERS: _EXISTING.order_by(GROUPS.c.id).with_for_update(),
}
_WITH_MEMBERS = (
    select(*GROUP_COLUMNS, *(column.label(f"member_{column.name}") for column in MEMBER_COLUMNS))
    .join(MEMBERS, MEMBERS.c.group_id == GROUPS.c.id)
    .where(GROUPS.c.id.in_(bindparam("group_ids", expanding=True)), GROUPS.c.deleted_at.is_(None))
    .order_by(MEMBERS.c.group_id, MEMBERS.c.id)
)
_OF_USER = (
    select(GROUPS.c.id)
    .join(MEMBERS, MEMBERS.c.group_id == GROUPS.c.id)
    .where(
        MEMBERS.c.user_id == bindparam("user_id"), MEMBERS.c.left_at.is_(None), GROUPS.c.deleted_at.is_(None)
    )
)


def open_group(
    session: Reader,
    *,
    user_id: UUID,
    group_id: UUID,
    least: Role = "viewer",
    lock: GroupLock | None = None,
) -> GroupScope:
    """The group, if the user is one of its members and has at least this role.

    Raises:
        NotFound: there is no such group, or the user is not in it, or no longer.
        Forbidden: the role is too low.
    """
    if lock is not None:
        lock_groups(session, [group_id], lock=lock)
    found = groups_with_members(session, [group_id]).get(group_id)
    scope = None if found is None else _scope(found, user_id)
    if scope is None:
        raise NotFound("no such group")
    scope.require(least)
    return scope


def _scope(found: tuple[GroupRecord, Mapping[UUID, MemberRecord]], user_id: UUID) -> GroupScope | None:
    group, members = found
    me = next((one for one in members.values() if one.user_id == user_id and one.left_at is None), None)
    return None if me is None else GroupScope(group, me, members)


def list_groups(session: Reader, *, user_id: UUID, after: UUID | None, limit: int) -> list[GroupScope]:
    """A page of the groups that the user is in, the oldest first, beginning behind the one of `after`.

    Two queries: without a snapshot a page may lack a group that is deleted between them.
    """
    page = _OF_USER if after is None else _OF_USER.where(GROUPS.c.id > after)
    group_ids = session.scalars(page.order_by(GROUPS.c.id).limit(limit), {"user_id": user_id}).all()
    found = groups_with_members(session, group_ids)
    scopes = (_scope(found[group_id], user_id) for group_id in group_ids if group_id in found)
    return [scope for scope in scopes if scope is not None]


def count_groups(session: Reader, *, user_id: UUID) -> int:
    """How many groups the user is in."""
    query = select(func.count()).select_from(_OF_USER.subquery())
    return session.scalar(query, {"user_id": user_id}) or 0


def lock_groups(session: Reader, group_ids: Collection[UUID], *, lock: GroupLock) -> None:
    """Lock those of the groups that are there."""
    session.execute(_LOCKS[lock], {"group_ids": list(group_ids)}).all()


def groups_with_members(
    session: Reader, group_ids: Collection[UUID]
) -> dict[UUID, tuple[GroupRecord, dict[UUID, MemberRecord]]]:
    """The groups with all who are or were members, whoever asks: for `open_group` and for jobs."""
    found: dict[UUID, tuple[GroupRecord, dict[UUID, MemberRecord]]] = {}
    split_at = len(GROUP_COLUMNS)
    for row in session.execute(_WITH_MEMBERS, {"group_ids": list(group_ids)}):
        group_id: UUID = row.id
        if group_id not in found:
            found[group_id] = (GroupRecord(*row[:split_at]), {})
        member = MemberRecord(*row[split_at:])
        found[group_id][1][member.id] = member
    return found
