"""Inviting people to a group by e-mail, and their answers.

Every change to an invitation holds the group's MEMBERS lock, so of two answers at the same time, or an answer
and a revocation, the second finds what the first has done.

Whoever invites learns nothing about the address: the same is done, and answered, whether or not it has an
account, and also where that account is in the group already. Members see each other's names, not addresses,
so a refusal would tell who is behind one. Such an invitation is merely useless: accepting it changes nothing.
"""

from collections.abc import Callable, Set
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import insert, select, update
from sqlalchemy.orm import Session

from core import clock
from core.errors import Conflict, invalid
from core.ids import new_id
from core.queries.groups import GroupLock, GroupScope, open_group
from core.queries.invitations import (
    INVITATIONS,
    OPEN_STATES,
    AcceptableBy,
    InvitationRecord,
    count_pending,
    count_sent,
    load_invitation,
    pending_to_address,
)
from core.queries.mails import INVITATION
from core.queries.users import USERS, account_key
from core.rules.roles import Role
from core.security import hash_token
from core.services.accounts import check_email
from core.services.group_activity import note_activity
from core.services.group_members import check_role
from core.services.locks import lock_users
from core.services.mails import stage_mail
from core.services.notifications import NewNotification, notify
from core.services.versions import check_version

LIFETIME = timedelta(days=14)
"""Long enough for a holiday; a mailbox that is taken over later yields nothing."""

MAX_PENDING = 100
"""Of a group: as many as it may have members."""

MAX_SENT_A_DAY = 200
"""Of a group, and of a user: two rounds for the largest group. Nobody shall flood mailboxes in our name."""

MAX_SENT_TO_ADDRESS = 20
"""A day, by all groups together: more than anybody has friends who invite them on one day."""

MAX_ISSUES = 10
"""Mails of one invitation; who still has not got it has another address."""

PAUSE = timedelta(minutes=1)
"""Between two mails of an invitation: enough for one to arrive."""

TokenOf = Callable[[UUID, UUID, int], str]
"""The token of an invitation: `(group_id, invitation_id, issue)`. It takes the secret, which callers have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewInvitation:
    """An invitation as a client gives it; `member_id` is somebody without an account who is to be claimed."""

    email: str
    member_id: UUID | None
    role: Role
    acceptable_by: AcceptableBy


def invite_member(
    session: Session, *, user_id: UUID, group_id: UUID, invitation: NewInvitation, token_of: TokenOf
) -> InvitationRecord:
    """Offer somebody by mail to join the group.

    Raises:
        NotFound, Forbidden, InvalidInput
        Conflict: the address has a pending one, or there are too many.
    """
    scope = open_group(session, user_id=user_id, group_id=group_id, least="admin", lock=GroupLock.MEMBERS)
    check_email(invitation.email)
    check_role(scope, invitation.role)
    _check_claim(scope, invitation.member_id)
    email_key = account_key(invitation.email)
    _make_room(session, scope, email_key)
    now, invitation_id = clock.now(), new_id()
    row = {
        "group_id": group_id,
        "id": invitation_id,
        "email": invitation.email,
        "email_key": email_key,
        "member_id": invitation.member_id,
        "role": invitation.role,
        "acceptable_by": invitation.acceptable_by,
        "invited_by": scope.me.id,
        "token_hash": _hash(token_of, group_id, invitation_id, 1),
        "issue": 1,
        "state": "pending",
        "version": 1,
        "created_at": now,
        "sent_at": now,
        "expires_at": now + LIFETIME,
    }
    session.execute(insert(INVITATIONS), row)
    record = load_invitation(session, group_id=group_id, invitation_id=invitation_id)
    _send(session, scope, record)
    return record


def resend_invitation(
    session: Session, *, user_id: UUID, group_id: UUID, invitation_id: UUID, token_of: TokenOf
) -> InvitationRecord:
    """Mail an invitation anew, for another `LIFETIME`; the token of the mail before is dead.

    Raises:
        NotFound, Forbidden
        Conflict: it is answered or revoked, was mailed just now or too often, or there are too many.
    """
    scope = open_group(session, user_id=user_id, group_id=group_id, least="admin", lock=GroupLock.MEMBERS)
    record = load_invitation(session, group_id=group_id, invitation_id=invitation_id)
    if record.state not in OPEN_STATES:
        raise Conflict(f"the invitation is {record.shown_state}")
    now = clock.now()
    if now < record.sent_at + PAUSE:
        raise Conflict("a mail is on its way; try again in a minute")
    if record.issue >= MAX_ISSUES:
        raise Conflict(f"it has been sent {MAX_ISSUES} times, which is the most")
    # Whoever sends it vouches for it: nobody does for a role above their own.
    check_role(scope, record.role)
    _check_claim(scope, record.member_id)
    _check_counts(session, scope, record.email_key, is_new=not record.is_pending)
    issue = record.issue + 1
    record = update_invitation(
        session,
        record,
        state="pending",
        issue=issue,
        token_hash=_hash(token_of, group_id, invitation_id, issue),
        invited_by=scope.me.id,
        sent_at=now,
        expires_at=now + LIFETIME,
    )
    _send(session, scope, record)
    return record


def revoke_invitation(
    session: Session,
    *,
    user_id: UUID,
    group_id: UUID,
    invitation_id: UUID,
    expected_versions: Set[int] | None = None,
) -> None:
    """Take an invitation back; one that has been taken back, or has expired, stays as it is.

    Raises:
        NotFound, Forbidden, StaleVersion
        Conflict: it is accepted or declined.
    """
    scope = open_group(session, user_id=user_id, group_id=group_id, least="admin", lock=GroupLock.MEMBERS)
    record = load_invitation(session, group_id=group_id, invitation_id=invitation_id)
    check_version(record.version, expected_versions)
    if record.state in ("accepted", "declined"):
        raise Conflict(f"the invitation is {record.state}")
    if record.is_pending:
        update_invitation(session, record, state="revoked", answered_at=clock.now())
        note_invitation(session, record, "invitation.revoked", actor_id=scope.me.id)


def update_invitation(session: Session, record: InvitationRecord, **values: Any) -> InvitationRecord:
    session.execute(
        update(INVITATIONS)
        .where(INVITATIONS.c.group_id == record.group_id, INVITATIONS.c.id == record.id)
        .values(version=record.version + 1, **values)
    )
    return load_invitation(session, group_id=record.group_id, invitation_id=record.id)


def note_invitation(session: Session, record: InvitationRecord, kind: str, *, actor_id: UUID) -> None:
    """Without the address, as all members see what was done but only admins see addresses."""
    data = {"role": record.role, "member_id": None if record.member_id is None else str(record.member_id)}
    note_activity(
        session, group_id=record.group_id, actor_id=actor_id, kind=kind, subject_id=record.id, data=data
    )


def _hash(token_of: TokenOf, group_id: UUID, invitation_id: UUID, issue: int) -> bytes:
    return hash_token(token_of(group_id, invitation_id, issue).encode())


def _check_claim(scope: GroupScope, member_id: UUID | None) -> None:
    if member_id is None:
        return
    member = scope.present(member_id)
    if member is None or member.user_id is not None:
        raise invalid("/member_id", "no such member without an account")
    # Whoever claims them has their role.
    check_role(scope, member.role)


def _make_room(session: Session, scope: GroupScope, email_key: str) -> None:
    """Let one more invitation be sent to the address; one that has expired is no longer in its way."""
    earlier = pending_to_address(session, group_id=scope.group.id, email_key=email_key)
    if earlier is not None and earlier.is_pending:
        raise Conflict("the address has a pending invitation to the group: send that one again")
    _check_counts(session, scope, email_key, is_new=True)
    session.execute(
        update(INVITATIONS)
        .where(
            INVITATIONS.c.group_id == scope.group.id,
            INVITATIONS.c.email_key == email_key,
            INVITATIONS.c.state.in_(OPEN_STATES),
        )
        .values(state="revoked", answered_at=clock.now(), version=INVITATIONS.c.version + 1)
    )


def _check_counts(session: Session, scope: GroupScope, email_key: str, *, is_new: bool) -> None:
    group_id, me = scope.group.id, scope.me
    if is_new and count_pending(session, group_id=group_id) >= MAX_PENDING:
        raise Conflict(f"the group has {MAX_PENDING} pending invitations, which is the most")
    sent = count_sent(
        session, group_id=group_id, user_id=me.user_id, email_key=email_key, within=timedelta(days=1)
    )
    for whose, count in (("the group has", sent.of_group), ("you have", sent.of_user)):
        if count >= MAX_SENT_A_DAY:
            raise Conflict(f"{whose} sent {MAX_SENT_A_DAY} invitations within a day, which is the most")
    if sent.to_address >= MAX_SENT_TO_ADDRESS:
        raise Conflict(
            f"the address was sent {MAX_SENT_TO_ADDRESS} invitations within a day, which is the most"
        )


def _send(session: Session, scope: GroupScope, record: InvitationRecord) -> None:
    """Have the mail sent, and notify the account of the address if it is known to be theirs."""
    note_invitation(session, record, "invitation.sent", actor_id=scope.me.id)
    stage_mail(
        session,
        key=str(record.group_id),
        template=INVITATION,
        group_id=record.group_id,
        invitation_id=record.id,
        issue=str(record.issue),
    )
    invited = session.scalar(
        select(USERS.c.id).where(
            USERS.c.email_key == record.email_key, USERS.c.email_verified_at.is_not(None), USERS.c.is_active
        )
    )
    if invited is None or invited in (one.user_id for one in scope.present_members()):
        return
    data = {
        "group_id": str(record.group_id),
        "group_name": scope.group.name,
        "invitation_id": str(record.id),
        "invited_by": scope.me.display_name,
        "expires_at": record.expires_at.isoformat(),
    }
    users = lock_users(session, [invited])
    # Should the account have gone at this moment, that is nothing to the one who invites.
    if invited in users:
        notify(session, [NewNotification(invited, "group.invited", data)], users=users)
