"""What somebody does with an invitation that they hold the token of: accept it, or decline it."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from core import clock
from core.errors import Conflict, NotFound, Unauthenticated
from core.queries.groups import (
    GroupLock,
    GroupRecord,
    GroupScope,
    MemberRecord,
    groups_with_members,
    lock_groups,
    open_group,
)
from core.queries.invitations import InvitationRecord, find_by_token
from core.queries.users import USERS
from core.rules.roles import ROLES, Role
from core.security import hash_token
from core.services.group_activity import note_activity
from core.services.group_departures import withdraw_invitations
from core.services.group_members import check_room, free_name, insert_member, update_member
from core.services.groups import check_group_count
from core.services.invitations import note_invitation, update_invitation
from core.services.locks import LockedUser, lock_users
from core.services.notifications import NewNotification, notify

REFUSAL = "no such invitation"
"""Whatever is the matter: whoever tries tokens shall not learn which of them there have been."""


@dataclass(frozen=True, slots=True)
class _Person:
    id: UUID
    email_key: str
    display_name: str
    is_verified: bool


@dataclass(frozen=True, slots=True)
class _Offer:
    """An invitation of a group that is there, which the person may answer, with all members by id."""

    invitation: InvitationRecord
    group: GroupRecord
    members: Mapping[UUID, MemberRecord]
    person: _Person

    @property
    def own_row(self) -> MemberRecord | None:
        """The person in the group, or as they were when they left it."""
        return next((one for one in self.members.values() if one.user_id == self.person.id), None)

    def capped(self, role: Role) -> Role:
        """The role, or what whoever invited has by now: nobody can give away more than they have."""
        return min(role, self.members[self.invitation.invited_by].role, key=ROLES.index)


def accept_invitation(session: Session, *, user_id: UUID, token: str) -> GroupScope:
    """Join the group; who does it twice, or is in it already, is merely answered.

    Raises:
        NotFound: there is no such token for this user, or no longer.
        Conflict: the group is full, the user is in too many, or is in this one and cannot be another member.
    """
    offer = _open_offer(session, user_id, token)
    own = offer.own_row
    is_present = own is not None and own.left_at is None
    if offer.invitation.state == "accepted" and is_present:
        return open_group(session, user_id=user_id, group_id=offer.group.id)
    if not offer.invitation.is_pending:
        raise NotFound(REFUSAL)
    if own is not None and offer.invitation.member_id is not None:
        raise Conflict("you are or were in the group as somebody else; ask for an invitation of your own")
    if is_present and offer.invitation.acceptable_by == "link":
        # It is meant for somebody else.
        return open_group(session, user_id=user_id, group_id=offer.group.id)
    if not is_present:
        _join(session, offer)
    _keep_proof(session, offer)
    update_invitation(session, offer.invitation, state="accepted", answered_at=clock.now())
    return open_group(session, user_id=user_id, group_id=offer.group.id)


def decline_invitation(session: Session, *, user_id: UUID, token: str) -> GroupRecord:
    """Turn the offer down; its token is dead then.

    Raises:
        NotFound: there is no such token for this user, or no longer.
    """
    offer = _open_offer(session, user_id, token)
    if not offer.invitation.is_pending:
        raise NotFound(REFUSAL)
    update_invitation(session, offer.invitation, state="declined", answered_at=clock.now())
    # Whoever declines is no member: it stands with the member who invited them.
    actor_id = offer.invitation.invited_by
    note_invitation(session, offer.invitation, "invitation.declined", actor_id=actor_id)
    return offer.group


def _open_offer(session: Session, user_id: UUID, token: str) -> _Offer:
    """The offer of the token, with its group locked, so that nobody else answers or revokes it meanwhile."""
    token_hash = hash_token(token.encode())
    seen = find_by_token(session, token_hash=token_hash)
    if seen is None:
        raise NotFound(REFUSAL)
    lock_groups(session, [seen.group_id], lock=GroupLock.MEMBERS)
    found = groups_with_members(session, [seen.group_id]).get(seen.group_id)
    invitation = find_by_token(session, token_hash=token_hash)
    if found is None or invitation is None:
        raise NotFound(REFUSAL)
    person = _person(session, user_id)
    if invitation.acceptable_by == "address" and invitation.email_key != person.email_key:
        raise NotFound(REFUSAL)
    return _Offer(invitation, *found, person)


def _person(session: Session, user_id: UUID) -> _Person:
    row = session.execute(
        select(USERS.c.id, USERS.c.email_key, USERS.c.display_name, USERS.c.email_verified_at).where(
            USERS.c.id == user_id
        )
    ).first()
    if row is None:
        raise Unauthenticated("the account is gone")
    return _Person(row.id, row.email_key, row.display_name, row.email_verified_at is not None)


def _join(session: Session, offer: _Offer) -> None:
    present = [member for member in offer.members.values() if member.left_at is None]
    others = [member.user_id for member in present if member.user_id is not None]
    users = lock_users(session, [*others, offer.person.id])
    if offer.person.id not in users:
        raise Unauthenticated("the account is gone")
    check_group_count(session, offer.person.id)
    member = _admit(session, offer)
    data = {"display_name": member.display_name}
    note_activity(
        session,
        group_id=offer.group.id,
        actor_id=member.id,
        kind="member.joined",
        subject_id=member.id,
        data={**data, "is_claimed": offer.invitation.member_id is not None},
    )
    _tell(session, offer, member, others, users)


def _admit(session: Session, offer: _Offer) -> MemberRecord:
    """The person's row: the one that is claimed, the one that they had before they left, or a new one."""
    invitation, person = offer.invitation, offer.person
    own, role = offer.own_row, offer.capped(invitation.role)
    if invitation.member_id is not None:
        claimed = offer.members.get(invitation.member_id)
        if claimed is None or claimed.left_at is not None or claimed.user_id is not None:
            raise NotFound(REFUSAL)
        withdraw_invitations(session, group_id=offer.group.id, to_claim=claimed.id, but=invitation.id)
        return update_member(
            session, claimed, user_id=person.id, role=max(role, offer.capped(claimed.role), key=ROLES.index)
        )
    check_room(offer.members, is_new=own is None)
    if own is not None:
        name = free_name(offer.members, own.display_name)
        return update_member(session, own, display_name=name, role=role, left_at=None)
    name = free_name(offer.members, person.display_name)
    return insert_member(session, group_id=offer.group.id, user_id=person.id, display_name=name, role=role)


def _keep_proof(session: Session, offer: _Offer) -> None:
    """Who holds a token that was mailed to the address of their account reads the mail to it.

    A link may have been passed on: it proves nothing.
    """
    if offer.invitation.acceptable_by == "address" and not offer.person.is_verified:
        now = clock.now()
        session.execute(
            update(USERS)
            .where(USERS.c.id == offer.person.id)
            .values(email_verified_at=now, version=USERS.c.version + 1, updated_at=now)
        )


def _tell(
    session: Session,
    offer: _Offer,
    member: MemberRecord,
    others: Collection[UUID],
    users: Mapping[UUID, LockedUser],
) -> None:
    data = {
        "group_id": str(offer.group.id),
        "group_name": offer.group.name,
        "member_id": str(member.id),
        "display_name": member.display_name,
    }
    messages = [NewNotification(user_id, "group.member_joined", data) for user_id in others]
    notify(session, messages, users=users)
