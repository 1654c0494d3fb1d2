"""Members of a group: adding, changing and removing them.

Every change to the members holds the group's MEMBERS lock. So what is checked here (names, the number of
members, that somebody with an account owns the group) still holds when it is written.
"""

from collections.abc import Iterable, Iterator, Mapping, Set
from itertools import count
from typing import Any
from uuid import UUID

from sqlalchemy import insert, update
from sqlalchemy.orm import Session

from core import clock
from core.errors import Conflict, Forbidden, NotFound, invalid
from core.ids import new_id
from core.queries.groups import (
    MAX_MEMBERS,
    MAX_MEMBERS_EVER,
    MEMBERS,
    GroupLock,
    GroupScope,
    MemberRecord,
    open_group,
)
from core.rules.roles import Role, is_at_least
from core.rules.texts import search_key
from core.services.group_activity import note_activity
from core.services.group_departures import check_may_leave, depart, is_last_owner, withdraw_invitations
from core.services.versions import check_version

NAMELESS = "Member"
"""Who joins from an account whose name is blank."""

MAX_NAME_CHARACTERS = 100


def add_member(
    session: Session, *, user_id: UUID, group_id: UUID, display_name: str, role: Role
) -> MemberRecord:
    """Add somebody without an account.

    Raises:
        NotFound, Forbidden, InvalidInput
        Conflict: the name is taken, or the group is full.
    """
    scope = open_group(session, user_id=user_id, group_id=group_id, least="admin", lock=GroupLock.MEMBERS)
    check_role(scope, role)
    name = _checked_name(scope, display_name)
    check_room(scope.members)
    member = insert_member(session, group_id=group_id, user_id=None, display_name=name, role=role)
    _note(session, scope, "member.added", member, {"role": role})
    return member


def add_people(session: Session, scope: GroupScope, names: Iterable[str]) -> list[MemberRecord]:
    """Add people without an account as members, each by the name or by one like it that is free.

    The group is locked with MEMBERS.

    Raises:
        Forbidden
        Conflict: the group is full.
    """
    scope.require("admin")
    members, added = dict(scope.members), list[MemberRecord]()
    for given in names:
        check_room(members)
        name = free_name(members, given[:MAX_NAME_CHARACTERS])
        member = insert_member(
            session, group_id=scope.group.id, user_id=None, display_name=name, role="member"
        )
        _note(session, scope, "member.added", member, {"role": member.role})
        members[member.id] = member
        added.append(member)
    return added


def change_member(
    session: Session,
    *,
    user_id: UUID,
    group_id: UUID,
    member_id: UUID,
    changes: Mapping[str, Any],
    expected_versions: Set[int] | None = None,
) -> MemberRecord:
    """Change any of `display_name`, `role` and `mirrors_expenses`; nothing new leaves the version as it is.

    Raises:
        NotFound, Forbidden, StaleVersion, InvalidInput
        Conflict: the name is taken, or nobody with an account would own the group.
    """
    scope = open_group(session, user_id=user_id, group_id=group_id, lock=GroupLock.MEMBERS)
    member = _present(scope, member_id)
    _check_may_change(scope, member, changes)
    check_version(member.version, expected_versions)
    wanted = dict(changes)
    if "display_name" in wanted:
        wanted["display_name"] = _checked_name(scope, wanted["display_name"], but=member_id)
    news = {name: value for name, value in wanted.items() if value != getattr(member, name)}
    if not news:
        return member
    if "role" in news:
        _change_role(session, scope, member, news["role"])
    changed = update_member(session, member, **news)
    # Whether somebody's shares are mirrored is nobody else's business.
    shown = {name: value for name, value in news.items() if name != "mirrors_expenses"}
    if shown:
        before = {name: getattr(member, name) for name in shown}
        _note(session, scope, "member.changed", member, {"before": before, "after": shown})
    return changed


def remove_member(
    session: Session,
    *,
    user_id: UUID,
    group_id: UUID,
    member_id: UUID,
    expected_versions: Set[int] | None = None,
) -> None:
    """Leave the group, or have somebody else leave it.

    Raises:
        NotFound, Forbidden, StaleVersion
        Conflict: they still matter to the others, or what is passed on would be larger than can be kept.
    """
    scope = open_group(session, user_id=user_id, group_id=group_id, lock=GroupLock.MEMBERS)
    member = _present(scope, member_id)
    if member.id != scope.me.id:
        scope.require("admin")
        check_role(scope, member.role)
    check_version(member.version, expected_versions)
    check_may_leave(session, scope, member)
    depart(session, scope, member, kind="member.left" if member.id == scope.me.id else "member.removed")


def check_role(scope: GroupScope, role: Role) -> None:
    """Nobody gives or takes a role above their own. Raises: Forbidden."""
    if not is_at_least(scope.me.role, role):
        raise Forbidden(f"this takes the role {role} in the group, and yours is {scope.me.role}")


def check_room(members: Mapping[UUID, MemberRecord], *, is_new: bool = True) -> None:
    """Raises: Conflict: one more present member (or, who is new, one more row) would be too many."""
    if sum(member.left_at is None for member in members.values()) >= MAX_MEMBERS:
        raise Conflict(f"the group has {MAX_MEMBERS} members already, which is the most")
    if is_new and len(members) >= MAX_MEMBERS_EVER:
        raise Conflict(f"the group has had {MAX_MEMBERS_EVER} members, which is the most; begin a new one")


def free_name(members: Mapping[UUID, MemberRecord], wanted: str, *, but: UUID | None = None) -> str:
    """The name, or with a number behind it where a present member has it: who joins cannot choose another."""
    taken = {
        search_key(one.display_name) for one in members.values() if one.left_at is None and one.id != but
    }
    cleaned = " ".join(wanted.split()) or NAMELESS
    return next(name for name in _numbered(cleaned) if search_key(name) not in taken)


def insert_member(
    session: Session, *, group_id: UUID, user_id: UUID | None, display_name: str, role: Role
) -> MemberRecord:
    now = clock.now()
    member = MemberRecord(
        group_id=group_id,
        id=new_id(),
        user_id=user_id,
        display_name=display_name,
        role=role,
        mirrors_expenses=True,
        version=1,
        created_at=now,
        updated_at=now,
    )
    session.execute(insert(MEMBERS), {name: getattr(member, name) for name in member.__struct_fields__})
    return member


def update_member(session: Session, member: MemberRecord, **values: Any) -> MemberRecord:
    updated = session.execute(
        update(MEMBERS)
        .where(MEMBERS.c.group_id == member.group_id, MEMBERS.c.id == member.id)
        .values(version=member.version + 1, updated_at=clock.now(), **values)
        .returning(*(MEMBERS.c[name] for name in MemberRecord.__struct_fields__))
    )
    return MemberRecord(*updated.one())


def _present(scope: GroupScope, member_id: UUID) -> MemberRecord:
    member = scope.present(member_id)
    if member is None:
        raise NotFound("no such member")
    return member


def _check_may_change(scope: GroupScope, member: MemberRecord, changes: Mapping[str, Any]) -> None:
    is_me = member.id == scope.me.id
    if not is_me or "role" in changes:
        scope.require("admin")
    if not is_me and "mirrors_expenses" in changes:
        raise Forbidden("whether their shares are mirrored, everybody decides for themselves")
    if not is_me and "display_name" in changes and member.user_id is not None:
        raise Forbidden("who has an account chooses the name")
    if "role" in changes:
        check_role(scope, member.role)
        check_role(scope, changes["role"])


def _change_role(session: Session, scope: GroupScope, member: MemberRecord, role: Role) -> None:
    if is_last_owner(scope, member):
        raise Conflict("somebody with an account must own the group: make somebody else an owner first")
    above = role if is_at_least(role, "admin") else None
    withdraw_invitations(session, group_id=scope.group.id, sent_by=member.id, above=above)


def _checked_name(scope: GroupScope, given: str, *, but: UUID | None = None) -> str:
    name = given.strip()
    if not name:
        raise invalid("/display_name", "needs a character that is not blank")
    if free_name(scope.members, name, but=but) != name:
        raise Conflict(f"there is a member '{name}' already: the two could not be told apart")
    return name


def _numbered(name: str) -> Iterator[str]:
    yield name
    for number in count(2):
        suffix = f" ({number})"
        yield name[: MAX_NAME_CHARACTERS - len(suffix)] + suffix


def _note(
    session: Session, scope: GroupScope, kind: str, member: MemberRecord, data: Mapping[str, Any]
) -> None:
    note_activity(
        session,
        group_id=scope.group.id,
        actor_id=scope.me.id,
        kind=kind,
        subject_id=member.id,
        data={"display_name": member.display_name, **data},
    )
