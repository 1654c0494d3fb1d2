"""How members go: by themselves, by others, or with their account."""

from collections.abc import Iterable, Mapping
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import ColumnElement, or_, select, update
from sqlalchemy.orm import Session

from core import clock
from core.errors import Conflict, Overloaded
from core.models import GroupShare, table_of
from core.queries.group_departures import has_open_settlement, has_pending_expense, open_balances
from core.queries.groups import (
    GROUPS,
    MEMBERS,
    GroupLock,
    GroupScope,
    MemberRecord,
    groups_with_members,
    lock_groups,
)
from core.queries.imports import is_one_under_way
from core.queries.invitations import INVITATIONS, OPEN_STATES
from core.queries.ledger import last_entry, pair_balances
from core.rules.debts import pass_on
from core.rules.money import format_amount
from core.rules.roles import ROLES, Role
from core.services.group_activity import note_activity
from core.services.ledger import Entry, post_entries, refusing_large_balances

SHARES = table_of(GroupShare)

Departure = Literal["member.left", "member.removed"]


def check_may_leave(session: Session, scope: GroupScope, member: MemberRecord) -> None:
    """Refuse that somebody goes who still matters to the others. The group is locked with MEMBERS.

    Raises:
        Conflict: a balance, an expense that is yet to be posted, or an open settlement; or the last owner.
    """
    if is_last_owner(scope, member):
        raise Conflict("the last owner with an account cannot leave: make somebody else an owner first")
    if has_pending_expense(session, group_id=scope.group.id):
        raise Conflict("an expense of the group is still being split; try again in a moment")
    _check_no_import(session, scope, [member])
    balances = open_balances(session, group_id=scope.group.id)
    owed = [
        _balance_text(of_currency[member.id], currency)
        for currency, of_currency in balances.items()
        if member.id in of_currency
    ]
    if owed:
        raise Conflict(f"{member.display_name} {' and '.join(owed)}: settle that first")
    if has_open_settlement(session, group_id=scope.group.id, member_id=member.id):
        raise Conflict(f"a settlement with {member.display_name} is still pending or disputed")


def check_may_end(session: Session, scope: GroupScope) -> None:
    """Refuse to delete a group in which something is open. The group is locked with MEMBERS.

    Raises:
        Conflict
    """
    if has_pending_expense(session, group_id=scope.group.id):
        raise Conflict("an expense of the group is still being split; try again in a moment")
    _check_no_import(session, scope, scope.members.values())
    for currency, balances in open_balances(session, group_id=scope.group.id).items():
        member_id, amount = next(iter(balances.items()))
        name = scope.members[member_id].display_name
        raise Conflict(f"not all is settled: {name} {_balance_text(amount, currency)}")
    if has_open_settlement(session, group_id=scope.group.id):
        raise Conflict("a settlement is still pending or disputed")


def _check_no_import(session: Session, scope: GroupScope, members: Iterable[MemberRecord]) -> None:
    """Only who has begun to import into a group, or to undo it, can go on with it."""
    user_ids = [member.user_id for member in members if member.user_id is not None]
    if is_one_under_way(session, user_ids=user_ids, group_id=scope.group.id):
        raise Conflict("an import into the group is being recorded or undone; try again when that is done")


def is_last_owner(scope: GroupScope, member: MemberRecord) -> bool:
    """Whether nobody else who has an account owns the group."""
    owners = {one.id for one in scope.present_members() if one.role == "owner" and one.user_id is not None}
    return owners == {member.id}


def depart(session: Session, scope: GroupScope, member: MemberRecord, *, kind: Departure) -> None:
    """Let a member go, who may (`check_may_leave`); whatever in the group counts on them is mended.

    Raises:
        Conflict: the balance between two others would be larger than can be kept.
    """
    _pass_debts_on(session, scope.group.id, member.id)
    _update_member(session, member, left_at=clock.now())
    withdraw_invitations(session, group_id=scope.group.id, sent_by=member.id, to_claim=member.id)
    split = split_without(scope.group.default_split, member.id)
    if split != scope.group.default_split:
        _update_group(session, scope.group.id, default_split=split)
    note_activity(
        session,
        group_id=scope.group.id,
        actor_id=scope.me.id,
        kind=kind,
        subject_id=member.id,
        data={"display_name": member.display_name},
    )


def _pass_debts_on(session: Session, group_id: UUID, member_id: UUID) -> None:
    """Let who owes somebody who goes owe those whom that one owes: nobody could settle with them any more."""
    number = last_entry(session, group_id=group_id, source_id=member_id)
    entries: list[Entry] = []
    for (_group_id, currency), pairs in sorted(pair_balances(session, [group_id]).items()):
        theirs = {other_id: amount for (one_id, other_id), amount in pairs.items() if one_id == member_id}
        if theirs:
            entries.append(
                Entry(
                    group_id=group_id,
                    source_kind="departure",
                    source_id=member_id,
                    number=number + len(entries) + 1,
                    currency=currency,
                    debts=tuple(pass_on(member_id, theirs)),
                )
            )
    with refusing_large_balances():
        post_entries(session, entries)


def split_without(split: Mapping[str, Any], member_id: UUID) -> Mapping[str, Any]:
    """A group's default split without somebody who goes; what then divides nothing becomes equal for all."""
    gone = str(member_id)
    everybody = {"kind": "equal", "member_ids": []}
    if split["kind"] == "equal":
        return {**split, "member_ids": [one for one in split["member_ids"] if one != gone]}
    left = [share for share in split["shares"] if share["member_id"] != gone]
    if len(left) == len(split["shares"]):
        return split
    # Percentages of the others would no longer be a hundred together, and whose they become nobody has said.
    is_still_whole = split["kind"] == "shares" and any(share["value"].strip("0.") for share in left)
    return {**split, "shares": left} if is_still_whole else everybody


def withdraw_invitations(
    session: Session,
    *,
    group_id: UUID,
    sent_by: UUID | None = None,
    above: Role | None = None,
    to_claim: UUID | None = None,
    but: UUID | None = None,
) -> None:
    """Revoke the open invitations that a member has sent (those to roles `above` one), or that are to claim
    them; all `but` one.

    Whoever loses a role must not keep it in the form of an invitation to an address of their own.
    """
    conditions: list[ColumnElement[bool]] = []
    if sent_by is not None:
        roles = ROLES if above is None else ROLES[ROLES.index(above) + 1 :]
        conditions.append((INVITATIONS.c.invited_by == sent_by) & INVITATIONS.c.role.in_(roles))
    if to_claim is not None:
        conditions.append(INVITATIONS.c.member_id == to_claim)
    query = update(INVITATIONS).where(
        INVITATIONS.c.group_id == group_id, INVITATIONS.c.state.in_(OPEN_STATES), or_(*conditions)
    )
    if but is not None:
        query = query.where(INVITATIONS.c.id != but)
    session.execute(query.values(state="revoked", answered_at=clock.now(), version=INVITATIONS.c.version + 1))


def release_memberships(session: Session, *, user_id: UUID) -> None:
    """Take the account out of all its groups: it stays in each as a name, so that the ledger stays whole.

    Nothing leads from the name to the account, also in groups that it has left. Where it was the last owner,
    whoever has the highest role becomes one. A group without any account is as good as deleted. To be called
    before the user's row is locked, as groups are locked before users.
    """
    group_ids = _groups_of(session, user_id)
    lock_groups(session, group_ids, lock=GroupLock.MEMBERS)
    _forget_mirrors(session, group_ids, user_id)
    for group, members in groups_with_members(session, group_ids).values():
        own = [member for member in members.values() if member.user_id == user_id]
        for me in own:
            scope = GroupScope(group, me, members)
            if me.left_at is None:
                _release(session, scope)
    session.execute(update(MEMBERS).where(MEMBERS.c.user_id == user_id).values(user_id=None))


def _forget_mirrors(session: Session, group_ids: list[UUID], user_id: UUID) -> None:
    """Their own expenses go with the account, so no share of a group has to follow into them any more."""
    session.execute(
        update(SHARES)
        .where(SHARES.c.group_id.in_(group_ids), SHARES.c.mirror_user_id == user_id)
        .values(mirror_user_id=None, mirror_expense_id=None)
    )


def check_released(session: Session, *, user_id: UUID) -> None:
    """To be called once the user's row is locked for its deletion, so that nobody can let them in any more.

    Raises:
        Overloaded: the user has joined a group since `release_memberships`.
    """
    if _groups_of(session, user_id):
        raise Overloaded("the account has joined a group at this moment; try again")


def _groups_of(session: Session, user_id: UUID) -> list[UUID]:
    return list(session.scalars(select(MEMBERS.c.group_id).where(MEMBERS.c.user_id == user_id)))


def _release(session: Session, scope: GroupScope) -> None:
    me, group_id = scope.me, scope.group.id
    # What only the account could do, nobody who claims the name later shall inherit.
    role = "member" if me.role in ("admin", "owner") else me.role
    _update_member(session, me, user_id=None, role=role)
    withdraw_invitations(session, group_id=group_id, sent_by=me.id)
    note_activity(
        session,
        group_id=group_id,
        actor_id=me.id,
        kind="member.left",
        subject_id=me.id,
        data={"display_name": me.display_name, "account_deleted": True},
    )
    heir = _heir(one for one in scope.present_members() if one.user_id is not None and one.id != me.id)
    if heir is None:
        _update_group(session, group_id, deleted_at=clock.now())
        note_activity(session, group_id=group_id, actor_id=me.id, kind="group.deleted")
    elif is_last_owner(scope, me):
        _update_member(session, heir, role="owner")
        data = {"display_name": heir.display_name, "before": {"role": heir.role}, "after": {"role": "owner"}}
        note_activity(
            session, group_id=group_id, actor_id=me.id, kind="member.changed", subject_id=heir.id, data=data
        )


def _heir(members: Iterable[MemberRecord]) -> MemberRecord | None:
    """Of those with the highest role the one who has been there longest."""
    return min(members, key=lambda one: (-ROLES.index(one.role), one.created_at, one.id), default=None)


def _balance_text(amount: int, currency: str) -> str:
    verb = "is owed" if amount > 0 else "owes"
    return f"{verb} {format_amount(abs(amount), currency)} {currency}"


def _update_member(session: Session, member: MemberRecord, **values: Any) -> None:
    session.execute(
        update(MEMBERS)
        .where(MEMBERS.c.group_id == member.group_id, MEMBERS.c.id == member.id)
        .values(version=member.version + 1, updated_at=clock.now(), **values)
    )


def _update_group(session: Session, group_id: UUID, **values: Any) -> None:
    session.execute(
        update(GROUPS)
        .where(GROUPS.c.id == group_id)
        .values(version=GROUPS.c.version + 1, updated_at=clock.now(), **values)
    )
