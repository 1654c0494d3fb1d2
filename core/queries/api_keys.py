from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from core import clock
from core.database import Reader
from core.models import ApiKey, User, table_of

KEYS, USERS = table_of(ApiKey), table_of(User)


@dataclass(frozen=True, slots=True)
class LiveKey:
    """A key that counts, of an active user."""

    user_id: UUID
    id: UUID
    scopes: frozenset[str]
    expires_at: datetime | None
    last_used_at: datetime | None


def find_live_key(reader: Reader, *, user_id: UUID, key_id: UUID, key_hash: bytes) -> LiveKey | None:
    row = reader.execute(
        select(KEYS.c.user_id, KEYS.c.id, KEYS.c.scopes, KEYS.c.expires_at, KEYS.c.last_used_at)
        .join(USERS, USERS.c.id == KEYS.c.user_id)
        .where(
            KEYS.c.user_id == user_id,
            KEYS.c.id == key_id,
            KEYS.c.key_hash == key_hash,
            or_(KEYS.c.expires_at.is_(None), KEYS.c.expires_at > clock.now()),
            USERS.c.is_active,
        )
    ).first()
    if row is None:
        return None
    return LiveKey(row.user_id, row.id, frozenset(row.scopes), row.expires_at, row.last_used_at)


def api_keys_of(session: Session, *, user_id: UUID) -> Sequence[ApiKey]:
    """The newest first, those that have expired included. There are never many: `MAX_KEYS`."""
    return session.scalars(select(ApiKey).where(ApiKey.user_id == user_id).order_by(ApiKey.id.desc())).all()
