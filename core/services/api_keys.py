"""Keys for a user's programs."""

import re
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.orm import Session

from core import clock
from core.errors import Conflict, FieldError, InvalidInput, NotFound
from core.ids import new_id
from core.models import ApiKey
from core.rules.scopes import SCOPES
from core.security import hash_token
from core.services.account_changes import tell_of_change
from core.services.locks import lock_account
from core.services.sessions import check_session

PREFIX = "outlay_"
"""By it scanners find keys that somebody has published by mistake."""

SECRET_BYTES = 32
KEY = re.compile(rf"{PREFIX}[A-Za-z0-9_-]{{86}}")
"""64 bytes as base64url without padding: user id, key id, random bytes."""

MAX_KEYS = 100
"""A user; more than anybody has programs."""

USE_KEPT_AFTER = timedelta(hours=1)
"""When a key was used last is written down no more often, so that reading stays reading."""


@dataclass(frozen=True, slots=True)
class KeyParts:
    """Whose key it claims to be, which one, and the hash of it all."""

    user_id: UUID
    id: UUID
    key_hash: bytes


@dataclass(frozen=True, slots=True)
class NewKey:
    row: ApiKey
    key: str = field(repr=False)

    @property
    def id(self) -> UUID:
        return self.row.id


def create_api_key(
    session: Session,
    *,
    user_id: UUID,
    session_id: UUID,
    name: str,
    scopes: Collection[str],
    expires_at: datetime | None,
) -> NewKey:
    """A new key, shown here and never again; it outlives the session that asks for it.

    Raises:
        InvalidInput, Conflict
        Unauthenticated: the session has ended.
    """
    now = clock.now()
    _check(scopes, expires_at, now)
    lock_account(session, user_id=user_id)
    # A reset of the password ends all keys, and with the lock it comes either before or after.
    check_session(session, user_id=user_id, session_id=session_id)
    if (session.scalar(select(func.count()).where(ApiKey.user_id == user_id)) or 0) >= MAX_KEYS:
        raise Conflict(f"there are {MAX_KEYS} keys already; delete one first")
    key_id = new_id()
    raw = user_id.bytes + key_id.bytes + secrets.token_bytes(SECRET_BYTES)
    row: ApiKey | None = session.scalar(
        insert(ApiKey)
        .values(
            user_id=user_id,
            id=key_id,
            name=name,
            scopes=sorted(set(scopes)),
            key_hash=hash_token(raw),
            created_at=now,
            expires_at=expires_at,
        )
        .returning(ApiKey)
    )
    if row is None:
        raise AssertionError("an insertion returns its row or raises")
    tell_of_change(session, user_id=user_id, change="api_key", name=name)
    return NewKey(row, PREFIX + urlsafe_b64encode(raw).rstrip(b"=").decode())


def delete_api_key(session: Session, *, user_id: UUID, key_id: UUID) -> None:
    """It is dead within a second.

    Raises:
        NotFound
    """
    is_it = (ApiKey.user_id == user_id, ApiKey.id == key_id)
    name = session.scalar(delete(ApiKey).where(*is_it).returning(ApiKey.name))
    if name is None:
        raise NotFound("no such key")
    tell_of_change(session, user_id=user_id, change="api_key_deleted", name=name)


def read_api_key(text: str) -> KeyParts | None:
    """What a key says of itself; None when it cannot be one of ours."""
    if not KEY.fullmatch(text):
        return None
    raw = urlsafe_b64decode(f"{text.removeprefix(PREFIX)}==")
    return KeyParts(UUID(bytes=raw[:16]), UUID(bytes=raw[16:32]), hash_token(raw))


def keep_use(session: Session, *, user_id: UUID, key_id: UUID) -> None:
    """Write down that the key is in use."""
    session.execute(
        update(ApiKey).where(ApiKey.user_id == user_id, ApiKey.id == key_id).values(last_used_at=clock.now())
    )


def _check(scopes: Collection[str], expires_at: datetime | None, now: datetime) -> None:
    errors = [
        FieldError(f"/scopes/{position}", f"none of {', '.join(sorted(SCOPES))}")
        for position, scope in enumerate(scopes)
        if scope not in SCOPES
    ]
    if not scopes:
        errors.append(FieldError("/scopes", "a key needs at least one"))
    if expires_at is not None and expires_at <= now:
        errors.append(FieldError("/expires_at", "it would have expired already"))
    if errors:
        raise InvalidInput(*errors)
