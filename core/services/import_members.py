"""Who in a group the people of a shared file are, and those who are made members for it."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from sqlalchemy.orm import Session

from core.errors import FieldError, InvalidInput
from core.queries.group_history import members_in_use
from core.queries.groups import GroupScope, MemberRecord
from core.queries.imports import ImportMembers, NamedPerson
from core.services.group_departures import depart, split_without
from core.services.group_history import waits_for
from core.services.group_members import add_people
from core.services.import_categories import CREATE

MAX_WAITING = 100
"""Repayments of a file that wait for one member's word: each is a question to them, asked again later."""


def settle_members(
    session: Session, scope: GroupScope, people: Sequence[NamedPerson], wanted: Mapping[str, str]
) -> ImportMembers:
    """Decide who each of the people is, and add as members who is new. The group is locked with MEMBERS.

    `wanted` says so otherwise than the preview: a member's id or `CREATE`, by name.

    Raises:
        Forbidden: the caller may not add members.
        InvalidInput: a name is not in the file, a member not in the group, or two people would be the same.
        Conflict: the group is full.
    """
    chosen = {one.name: wanted.get(one.name, _proposed(scope, one)) for one in people}
    if unknown := wanted.keys() - chosen.keys():
        raise InvalidInput(*(FieldError(_pointer(name), "is nobody in the file") for name in sorted(unknown)))
    known = {name: UUID(choice) for name, choice in chosen.items() if choice != CREATE}
    _check(scope, people, known)
    new = [name for name in chosen if name not in known]
    added = add_people(session, scope, new) if new else []
    ids = known | {name: member.id for name, member in zip(new, added, strict=True)}
    return ImportMembers(ids=ids, made=tuple(member.id for member in added))


def _proposed(scope: GroupScope, person: NamedPerson) -> str:
    """As in the preview, unless they have left since."""
    is_there = person.member_id is not None and scope.present(person.member_id) is not None
    return str(person.member_id) if is_there else CREATE


def _check(scope: GroupScope, people: Sequence[NamedPerson], known: Mapping[str, UUID]) -> None:
    errors: list[FieldError] = []
    taken: dict[UUID, str] = {}
    repayments = {one.name: one.repayments for one in people}
    for name, member_id in known.items():
        member = scope.present(member_id)
        if member is None:
            errors.append(FieldError(_pointer(name), "no such member"))
        elif member_id in taken:
            reason = f"'{taken[member_id]}' is this member already: two people cannot be the same one"
            errors.append(FieldError(_pointer(name), reason))
        elif waits_for(scope, member) and repayments[name] > MAX_WAITING:
            errors.append(FieldError(_pointer(name), _too_many(member, repayments[name])))
        taken.setdefault(member_id, name)
    if errors:
        raise InvalidInput(*errors)


def _too_many(member: MemberRecord, count: int) -> str:
    return (
        f"{member.display_name} has an account, and would have to confirm {count} repayments, of which "
        f"{MAX_WAITING} are the most: choose 'create', and have them claim that name"
    )


def _pointer(name: str) -> str:
    return "/members/" + name.replace("~", "~0").replace("/", "~1")


def remove_unused_members(session: Session, scope: GroupScope, member_ids: Sequence[UUID]) -> None:
    """Remove those of the members who have no account and nothing in the group. It is locked with MEMBERS."""
    candidates = [scope.present(one) for one in member_ids]
    names = [one for one in candidates if one is not None and one.user_id is None]
    if not names:
        return
    used = members_in_use(session, group_id=scope.group.id, member_ids=[one.id for one in names])
    split = scope.group.default_split
    for member in names:
        if member.id not in used and split_without(split, member.id) == split:
            depart(session, scope, member, kind="member.removed")
