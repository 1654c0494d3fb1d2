"""Invitations: those of a group, those to an address, and the one of a token."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID

import msgspec
from sqlalchemy import Select, bindparam, func, select
from sqlalchemy.orm import Session

from core import clock
from core.database import Reader
from core.errors import NotFound
from core.models import Invitation, table_of
from core.queries.groups import GROUPS, MEMBERS
from core.queries.users import USERS
from core.rules.roles import Role

INVITATIONS = table_of(Invitation)

AcceptableBy = Literal["address", "link"]
InvitationState = Literal["pending", "accepted", "declined", "revoked", "expired"]

OPEN_STATES = ("pending", "expired")
"""In which one may be sent again. A group has one of an address at most: the next one revokes it."""

INVITER = MEMBERS.alias()
CLAIMED = MEMBERS.alias()


class InvitationRecord(msgspec.Struct, frozen=True):
    """An offer to join a group. `state` is as it is stored; one that has just expired is pending there."""

    group_id: UUID
    id: UUID
    email: str
    email_key: str
    member_id: UUID | None
    role: Role
    acceptable_by: AcceptableBy
    invited_by: UUID
    issue: int
    state: InvitationState
    version: int
    created_at: datetime
    sent_at: datetime
    expires_at: datetime
    answered_at: datetime | None

    @property
    def shown_state(self) -> InvitationState:
        """An expired one may be revoked yet, to make room for another: it has expired all the same."""
        ended_at = self.answered_at if self.state == "revoked" else clock.now()
        is_open = self.state in ("pending", "revoked")
        return "expired" if is_open and ended_at is not None and ended_at >= self.expires_at else self.state

    @property
    def is_pending(self) -> bool:
        return self.shown_state == "pending"


class ReceivedInvitation(msgspec.Struct, frozen=True):
    """An invitation as whoever is invited sees it; `claims` is the name that waits for them, if any."""

    invitation: InvitationRecord
    group_name: str
    invited_by: str
    claims: str | None


COLUMNS = tuple(INVITATIONS.c[name] for name in InvitationRecord.__struct_fields__)

_OF_GROUP = select(*COLUMNS).where(INVITATIONS.c.group_id == bindparam("group_id"))
_RECEIVED = (
    select(
        *COLUMNS,
        GROUPS.c.name.label("group_name"),
        INVITER.c.display_name.label("inviter"),
        CLAIMED.c.display_name.label("claims"),
    )
    .join(GROUPS, GROUPS.c.id == INVITATIONS.c.group_id)
    .join(
        INVITER,
        (INVITER.c.group_id == INVITATIONS.c.group_id) & (INVITER.c.id == INVITATIONS.c.invited_by),
    )
    .outerjoin(
        CLAIMED,
        (CLAIMED.c.group_id == INVITATIONS.c.group_id) & (CLAIMED.c.id == INVITATIONS.c.member_id),
    )
    .where(
        INVITATIONS.c.state == "pending",
        INVITATIONS.c.expires_at > bindparam("now"),
        GROUPS.c.deleted_at.is_(None),
    )
)


def list_invitations(
    session: Reader, *, group_id: UUID, before: UUID | None, limit: int
) -> Sequence[InvitationRecord]:
    """A page of a group's invitations in whatever state, the newest first. The caller may see them."""
    page = _OF_GROUP if before is None else _OF_GROUP.where(INVITATIONS.c.id < before)
    rows = session.execute(page.order_by(INVITATIONS.c.id.desc()).limit(limit), {"group_id": group_id})
    return [InvitationRecord(*row) for row in rows]


def load_invitation(session: Reader, *, group_id: UUID, invitation_id: UUID) -> InvitationRecord:
    """Raises: NotFound."""
    query = _OF_GROUP.where(INVITATIONS.c.id == invitation_id)
    row = session.execute(query, {"group_id": group_id}).first()
    if row is None:
        raise NotFound("no such invitation")
    return InvitationRecord(*row)


def find_by_token(session: Reader, *, token_hash: bytes) -> InvitationRecord | None:
    """The invitation whose newest token has this hash, in whatever state."""
    row = session.execute(select(*COLUMNS).where(INVITATIONS.c.token_hash == token_hash)).first()
    return None if row is None else InvitationRecord(*row)


def received_invitations(
    session: Reader, *, user_id: UUID, after: UUID | None, limit: int
) -> list[ReceivedInvitation]:
    """Pending invitations to the user's address, once it is verified, the oldest first."""
    query = _RECEIVED.join(USERS, USERS.c.email_key == INVITATIONS.c.email_key).where(
        USERS.c.id == user_id, USERS.c.email_verified_at.is_not(None)
    )
    if after is not None:
        query = query.where(INVITATIONS.c.id > after)
    return _received(session, query.order_by(INVITATIONS.c.id).limit(limit))


def sent_invitation(session: Reader, *, group_id: UUID, invitation_id: UUID) -> ReceivedInvitation | None:
    """What the mail of an invitation tells, as long as it is pending."""
    query = _RECEIVED.where(INVITATIONS.c.group_id == group_id, INVITATIONS.c.id == invitation_id)
    return next(iter(_received(session, query)), None)


def pending_to_address(session: Session, *, group_id: UUID, email_key: str) -> InvitationRecord | None:
    """The group's invitation to the address that is stored as pending, expired or not."""
    query = _OF_GROUP.where(INVITATIONS.c.email_key == email_key, INVITATIONS.c.state == "pending")
    row = session.execute(query, {"group_id": group_id}).first()
    return None if row is None else InvitationRecord(*row)


def count_pending(session: Session, *, group_id: UUID) -> int:
    """How many invitations of the group may still be accepted."""
    query = select(func.count()).where(
        INVITATIONS.c.group_id == group_id,
        INVITATIONS.c.state == "pending",
        INVITATIONS.c.expires_at > clock.now(),
    )
    return session.scalar(query) or 0


@dataclass(frozen=True, slots=True)
class SentMails:
    """How many mails may have gone out lately: of the group, of the user in all groups, to the address."""

    of_group: int
    of_user: int
    to_address: int


def count_sent(
    session: Session, *, group_id: UUID, user_id: UUID | None, email_key: str, within: timedelta
) -> SentMails:
    """The mails of invitations that were sent within that time, in whatever state and group they are.

    An invitation counts with all its mails if the newest one is as recent: too many rather than too few.
    """
    lately = INVITATIONS.c.sent_at > clock.now() - within
    mails = select(func.coalesce(func.sum(INVITATIONS.c.issue), 0)).where(lately)
    is_inviter = (MEMBERS.c.group_id == INVITATIONS.c.group_id) & (MEMBERS.c.id == INVITATIONS.c.invited_by)
    queries = (
        mails.where(INVITATIONS.c.group_id == group_id),
        mails.join(MEMBERS, is_inviter).where(MEMBERS.c.user_id == user_id),
        mails.where(INVITATIONS.c.email_key == email_key),
    )
    return SentMails(*(int(session.execute(query).scalar_one()) for query in queries))


def _received(session: Reader, query: Select[*tuple[Any, ...]]) -> list[ReceivedInvitation]:
    size = len(COLUMNS)
    return [
        ReceivedInvitation(InvitationRecord(*row[:size]), row.group_name, row.inviter, row.claims)
        for row in session.execute(query, {"now": clock.now()})
    ]
