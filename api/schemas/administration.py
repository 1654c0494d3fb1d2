"""What administrators read and write."""

from datetime import datetime
from typing import Annotated, Any, ClassVar, Literal
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, UnsetType

from api.schemas.common import PLAIN, Cursor, Id, Instant, Limit, NextCursor
from core.models import AuditEvent, OutboxRow
from core.queries.administration import Account, AccountFilter
from core.queries.audit import AuditFilter, ChainProof
from core.queries.outbox import JobBacklog

MAX_ERROR_CHARACTERS = 200
"""The first line of an error mostly says it all."""

IsActive = Annotated[bool, Meta(description="May log in.", examples=[True])]
IsAdmin = Annotated[bool, Meta(description="Administers this system.", examples=[False])]
ActionName = Annotated[str, Meta(max_length=40, pattern=PLAIN, examples=["session.opened"])]
Changes = Annotated[
    dict[str, Any],
    Meta(
        description="Fields that were changed; the new value only where it is neither secret nor private.",
        examples=[{"role": "admin"}],
    ),
]
Address = Annotated[str, Meta(examples=["192.0.2.7"])]


class AccountQuery(msgspec.Struct, forbid_unknown_fields=True):
    q: Annotated[str, Meta(max_length=254, pattern=PLAIN, description="Part of name or address.")] | None = (
        None
    )
    is_active: bool | None = None
    is_admin: bool | None = None
    limit: Limit = 50
    cursor: Cursor | None = None

    def to_filter(self) -> AccountFilter:
        return AccountFilter(self.q, self.is_active, self.is_admin)


class AccountOut(msgspec.Struct):
    """An account, without anything of what it spends."""

    HAS_ETAG: ClassVar = True

    id: Id
    username: Annotated[str, Meta(examples=["ada"])]
    email: Annotated[str, Meta(examples=["ada@example.org"])]
    email_verified: Annotated[bool, Meta(examples=[True])]
    display_name: Annotated[str, Meta(examples=["Ada Lovelace"])]
    is_active: IsActive
    is_admin: IsAdmin
    has_second_factor: Annotated[bool, Meta(examples=[True])]
    last_seen_at: Instant | None
    created_at: Instant

    @classmethod
    def of(cls, account: Account) -> "AccountOut":
        return cls(
            account.id,
            account.username,
            account.email,
            account.email_verified_at is not None,
            account.display_name,
            account.is_active,
            account.is_admin,
            account.has_second_factor,
            account.last_seen_at,
            account.created_at,
        )


class AccountPage(msgspec.Struct):
    items: list[AccountOut]
    next_cursor: NextCursor = None


class RightsPatch(msgspec.Struct, forbid_unknown_fields=True):
    """Fields to change."""

    is_active: IsActive | UnsetType = UNSET
    is_admin: IsAdmin | UnsetType = UNSET

    def to_changes(self) -> dict[str, bool]:
        fields = {name: getattr(self, name) for name in self.__struct_fields__}
        return {name: value for name, value in fields.items() if value is not UNSET}


class AuditQuery(msgspec.Struct, forbid_unknown_fields=True):
    user_id: UUID | None = None
    actor_id: UUID | None = None
    action: ActionName | None = None
    since: Instant | None = None
    until: Annotated[Instant, Meta(description="Exclusive.")] | None = None
    limit: Limit = 50
    cursor: Cursor | None = None

    def to_filter(self) -> AuditFilter:
        return AuditFilter(self.user_id, self.actor_id, self.action, self.since, self.until)


class AccountActivityQuery(msgspec.Struct, forbid_unknown_fields=True):
    limit: Limit = 50
    cursor: Cursor | None = None


class AccountActivityOut(msgspec.Struct):
    """Something that was done in the own account."""

    seq: Annotated[int, Meta(description="Without gaps.", examples=[42])]
    at: Instant
    action: ActionName
    by: Annotated[
        Literal["you", "administrator", "unknown"],
        Meta(description="`unknown`: nobody was logged in.", examples=["you"]),
    ]
    object_id: Id | None
    session_id: Annotated[Id, Meta(description="Or the API key's.")] | None
    ip_address: Address | None
    changes: Changes

    @classmethod
    def of(cls, event: AuditEvent) -> "AccountActivityOut":
        told = msgspec.json.decode(event.details)
        by: Literal["you", "administrator", "unknown"] = "administrator"
        if event.actor_id in (None, event.user_id):
            by = "unknown" if event.actor_id is None else "you"
        return cls(
            event.seq,
            event.at,
            event.action,
            by,
            event.object_id,
            told.get("session_id"),
            told.get("ip_address"),
            told.get("changes", {}),
        )


class AccountActivityPage(msgspec.Struct):
    """The newest first."""

    items: list[AccountActivityOut]
    next_cursor: NextCursor = None


class AuditEventOut(msgspec.Struct):
    """Something that was done in somebody's account."""

    user_id: Id
    seq: Annotated[int, Meta(description="Without gaps for each user.", examples=[42])]
    at: Instant
    actor_id: Annotated[Id, Meta(description="Whoever did it; null when nobody was logged in.")] | None
    action: ActionName
    object_id: Id | None
    session_id: Annotated[Id, Meta(description="Or the API key's.")] | None
    ip_address: Address | None
    request_id: Annotated[str, Meta(examples=["0198f3a56c1e7d42"])] | None
    changes: Changes
    hash: Annotated[str, Meta(description="SHA-256 over it and the one before.", examples=["9f86d081" * 8])]

    @classmethod
    def of(cls, event: AuditEvent) -> "AuditEventOut":
        told = msgspec.json.decode(event.details)
        return cls(
            event.user_id,
            event.seq,
            event.at,
            event.actor_id,
            event.action,
            event.object_id,
            told.get("session_id"),
            told.get("ip_address"),
            told.get("request_id"),
            told.get("changes", {}),
            event.hash.hex(),
        )


class AuditPage(msgspec.Struct):
    """The newest first."""

    items: list[AuditEventOut]
    next_cursor: NextCursor = None


class VerificationQuery(msgspec.Struct, forbid_unknown_fields=True):
    user_id: Annotated[UUID, Meta(description="Only this user's trail.")] | None = None
    cursor: Cursor | None = None


class BrokenTrail(msgspec.Struct):
    user_id: Id
    intact_events: Annotated[int, Meta(description="From the beginning.", examples=[17])]
    problem: Annotated[str, Meta(examples=["event 18 is missing"])]

    @classmethod
    def of(cls, proof: ChainProof) -> "BrokenTrail":
        return cls(proof.user_id, proof.events, proof.problem or "")


class TrailVerification(msgspec.Struct):
    """What was proved of the trails that were looked at; with the cursor it goes on with the next ones."""

    is_intact: Annotated[bool, Meta(examples=[True])]
    users: Annotated[int, Meta(examples=[12])]
    events: Annotated[int, Meta(examples=[4711])]
    broken: list[BrokenTrail]
    next_cursor: NextCursor = None


class JobQuery(msgspec.Struct, forbid_unknown_fields=True):
    limit: Limit = 50


class BacklogOut(msgspec.Struct):
    """Of a job: how many rows wait, and since when the oldest."""

    job: Annotated[str, Meta(examples=["evaluate_budgets"])]
    waiting: Annotated[int, Meta(examples=[3])]
    oldest_at: Instant

    @classmethod
    def of(cls, backlog: JobBacklog) -> "BacklogOut":
        return cls(backlog.job, backlog.waiting, backlog.oldest_at)


class DeadJobOut(msgspec.Struct):
    """A job that is not tried any more."""

    id: Annotated[int, Meta(examples=[815])]
    job: Annotated[str, Meta(examples=["send_mail"])]
    attempts: Annotated[int, Meta(examples=[12])]
    created_at: Instant
    dead_at: Annotated[datetime | None, Meta(examples=["2026-05-10T09:30:00Z"])]
    error: Annotated[str, Meta(description="Its first line.", examples=["MailRefused('no such mailbox')"])]

    @classmethod
    def of(cls, row: OutboxRow) -> "DeadJobOut":
        first = (row.last_error or "").partition("\n")[0][:MAX_ERROR_CHARACTERS]
        return cls(row.id, row.job, row.attempts, row.created_at, row.dead_at, first)


class JobPage(msgspec.Struct):
    """What waits, and the newest of what has failed for good."""

    waiting: list[BacklogOut]
    dead_count: Annotated[int, Meta(examples=[1])]
    items: list[DeadJobOut]
