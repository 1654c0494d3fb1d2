"""Invitations as those who send and those who receive them write and read them."""

from typing import Annotated, ClassVar, Literal

import msgspec
from msgspec import Meta

from api.schemas.accounts import Email
from api.schemas.common import Cursor, Id, Instant, Limit, NextCursor
from api.schemas.groups import MemberName, MemberRole, Name
from core.queries.groups import GroupRecord
from core.queries.invitations import AcceptableBy, InvitationRecord, InvitationState, ReceivedInvitation
from core.services.invitations import NewInvitation

Address = Annotated[Email, Meta(description="Where the mail goes.", examples=["grace@example.org"])]
ClaimedId = Annotated[Id, Meta(description="A member without an account, to be theirs with its history.")]
Acceptable = Annotated[
    AcceptableBy,
    Meta(
        description="By the account of the invited `address`, or by whoever has the token (`link`).",
        examples=["address"],
    ),
]
State = Annotated[InvitationState, Meta(examples=["pending"])]
Expiry = Annotated[Instant, Meta(description="When its token stops working.")]
Token = Annotated[
    str,
    Meta(
        description="For one use; as in the mail.", examples=["q2Jx7Q0yq7b8oVb1X3m8b9lW8m2b3kq1z4Tt5cVw0aE"]
    ),
]


class InvitationIn(msgspec.Struct, forbid_unknown_fields=True):
    """An offer to join the group, sent by mail whether or not the address has an account."""

    email: Address
    member_id: ClaimedId | None = None
    role: MemberRole = "member"
    acceptable_by: Acceptable = "address"

    def to_new_invitation(self) -> NewInvitation:
        return NewInvitation(
            email=self.email, member_id=self.member_id, role=self.role, acceptable_by=self.acceptable_by
        )


class InvitationOut(msgspec.Struct):
    """An invitation as the group's admins see it."""

    HAS_ETAG: ClassVar = True

    id: Id
    email: Annotated[str, Meta(examples=["grace@example.org"])]
    member_id: ClaimedId | None
    role: MemberRole
    acceptable_by: Acceptable
    state: State
    invited_by: Annotated[Id, Meta(description="The member who sent it last.")]
    created_at: Instant
    sent_at: Annotated[Instant, Meta(description="When it was mailed last.")]
    expires_at: Expiry
    answered_at: Annotated[
        Instant | None, Meta(description="When it was accepted, declined or revoked.", examples=[None])
    ]

    @classmethod
    def of(cls, record: InvitationRecord) -> "InvitationOut":
        state = record.shown_state
        return cls(
            id=record.id,
            email=record.email,
            member_id=record.member_id,
            role=record.role,
            acceptable_by=record.acceptable_by,
            state=state,
            invited_by=record.invited_by,
            created_at=record.created_at,
            sent_at=record.sent_at,
            expires_at=record.expires_at,
            answered_at=None if state == "expired" else record.answered_at,
        )


class InvitationPage(msgspec.Struct):
    items: list[InvitationOut]
    next_cursor: NextCursor


class InvitationQuery(msgspec.Struct, forbid_unknown_fields=True):
    limit: Limit = 50
    cursor: Cursor | None = None


class ReceivedInvitationOut(msgspec.Struct):
    """An invitation as whoever is invited sees it."""

    id: Id
    group_id: Id
    group_name: Name
    invited_by: Annotated[str, Meta(description="Name in the group.", examples=["Ada Lovelace"])]
    claims: (
        Annotated[MemberName, Meta(description="The name under which the group knows one already.")] | None
    )
    role: MemberRole
    expires_at: Expiry
    token: Token

    @classmethod
    def of(cls, received: ReceivedInvitation, *, token: str) -> "ReceivedInvitationOut":
        return cls(
            id=received.invitation.id,
            group_id=received.invitation.group_id,
            group_name=received.group_name,
            invited_by=received.invited_by,
            claims=received.claims,
            role=received.invitation.role,
            expires_at=received.invitation.expires_at,
            token=token,
        )


class ReceivedInvitationPage(msgspec.Struct):
    items: list[ReceivedInvitationOut]
    next_cursor: NextCursor


class DeclinedOut(msgspec.Struct):
    """What was declined."""

    group_name: Name
    state: Annotated[Literal["declined"], Meta(examples=["declined"])] = "declined"

    @classmethod
    def of(cls, group: GroupRecord) -> "DeclinedOut":
        return cls(group.name)
