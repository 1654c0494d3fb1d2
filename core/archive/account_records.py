"""What an archive has about logins besides the sessions, without anything that one could log in with."""

from uuid import UUID

from core.archive.fields import Instant
from core.archive.records import Record


class AccountActivityItem(Record):
    """Something that was done in the account; `details` has the session, the address and what was changed."""

    seq: int
    at: Instant
    action: str
    object_id: UUID | None
    details: str


class ApiKeyItem(Record):
    id: UUID
    name: str
    scopes: list[str]
    created_at: Instant
    expires_at: Instant | None
    last_used_at: Instant | None


class SecondFactorItem(Record):
    """Whether, and since when, logins ask for a code."""

    created_at: Instant
    confirmed_at: Instant | None


class PasskeyItem(Record):
    id: UUID
    name: str
    created_at: Instant
    last_used_at: Instant | None


class IdentityItem(Record):
    """An account with a provider that logs the user in."""

    provider: str
    subject: str
    created_at: Instant


class EmailChangeItem(Record):
    """A change of the address, asked for or in force."""

    id: UUID
    email: str
    previous_email: str
    asked_at: Instant
    confirmed_at: Instant | None


class KnownDeviceItem(Record):
    """When a login came from a kind of device for the last time; which one the sessions tell."""

    seen_at: Instant
