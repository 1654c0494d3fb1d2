"""The hash chain of a user's audit trail: each event's digest covers the one before it."""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

BEGINNING = bytes(32)
"""What comes before the first event."""


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
    return hashlib.sha256(
        b"\n".join(
            (
                previous.hex().encode(),
                event.user_id.hex.encode(),
                str(event.seq).encode(),
                str(microseconds(event.at)).encode(),
                b"" if event.actor_id is None else event.actor_id.hex.encode(),
                event.action.encode(),
                b"" if event.object_id is None else event.object_id.hex.encode(),
                event.details.encode(),
            )
        )
    ).digest()


def microseconds(instant: datetime) -> int:
    """Since 1970: what both databases keep of an instant, without a spelling of it."""
    whole = int(instant.replace(microsecond=0).timestamp())
    return whole * 1_000_000 + instant.microsecond
