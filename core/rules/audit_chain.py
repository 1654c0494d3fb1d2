"""The hash chain of a user's audit trail: each event's digest covers the one before it."""

import hashlib
from datetime import UTC, datetime

BEGINNING = bytes(32)
"""What comes before the first event."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


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
    """SHA-256 over the digest before and every column of an event; `details` is JSON text, as it stands.

    Ids are given as 32 hexadecimal digits, for there may be millions. An instant that could not be read is
    None; with it, or with an id that is empty, it is no event's digest.
    """
    by = "" if actor is None else actor or "?"
    of = "" if object_ is None else object_ or "?"
    text = f"{previous.hex()}\n{user}\n{seq}\n{at_us}\n{by}\n{action}\n{of}\n{details}"
    return hashlib.sha256(text.encode()).digest()


def microseconds(instant: datetime) -> int:
    """Since 1970: what both databases keep of an instant, without a spelling of it."""
    passed = instant - EPOCH
    return (passed.days * 86_400 + passed.seconds) * 1_000_000 + passed.microseconds
