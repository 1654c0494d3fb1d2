"""The hash chain of a user's audit trail: each event's digest covers the one before it."""

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

BEGINNING = bytes(32)
"""What comes before the first event."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class ChainedEvent:
    """An event as it is stored. `details` is JSON text, hashed as it stands."""

    user_id: UUID
    seq: int
    at: datetime
    actor_id: UUID | None
    action: str
    object_id: UUID | None
    details: str


def chain_hash(previous: bytes, event: ChainedEvent) -> bytes:
    """SHA-256 over the digest before and every column of the event."""
    return link_hash(
        previous,
        user=event.user_id.hex,
        seq=event.seq,
        at_us=microseconds(event.at),
        actor=None if event.actor_id is None else event.actor_id.hex,
        action=event.action,
        object_=None if event.object_id is None else event.object_id.hex,
        details=event.details,
    )


def link_hash(
    previous: bytes,
    *,
    user: str,
    seq: int,
    at_us: int | None,
    actor: str | None,
    action: str,
    object_: str | None,
    details: str,
) -> bytes:
    """As `chain_hash`, of an event whose ids are 32 hexadecimal digits already: there may be millions.

    An instant that could not be read is None; with it, or with an id that is empty, it is no event's digest.
    """
    by, of = ("" if digits is None else digits or "?" for digits in (actor, object_))
    text = f"{previous.hex()}\n{user}\n{seq}\n{at_us}\n{by}\n{action}\n{of}\n{details}"
    return hashlib.sha256(text.encode()).digest()


def microseconds(instant: datetime) -> int:
    """Since 1970: what both databases keep of an instant, without a spelling of it."""
    passed = instant - EPOCH
    return (passed.days * 86_400 + passed.seconds) * 1_000_000 + passed.microseconds
