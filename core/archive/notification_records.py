"""What an archive has about notifications: for reading, as an import passes it over."""

from datetime import date
from typing import Any
from uuid import UUID

from core.archive.fields import Instant
from core.archive.records import Record


class NotificationSettingsItem(Record):
    """What goes out on which channel, and when; minutes are those after local midnight."""

    choices: dict[str, Any]
    quiet_from: int | None
    quiet_to: int | None
    lets_exceeded_pass: bool
    digest_frequency: str
    digest_hour: int
    digest_weekday: int
    digest_day: int
    has_empty_digests: bool
    updated_at: Instant


class ChannelItem(Record):
    """A webhook, a push service or the account's own address, without what lets others write to it."""

    id: UUID
    kind: str
    name: str | None
    host: str
    kinds: list[str]
    state: str
    off_reason: str | None
    off_at: Instant | None
    created_at: Instant
    updated_at: Instant


class DigestItem(Record):
    """A digest that was due, with what it told."""

    id: UUID
    frequency: str
    period_start: date
    period_end: date
    state: str
    figures: dict[str, Any] | None
    created_at: Instant
    built_at: Instant | None
