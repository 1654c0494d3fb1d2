"""What is half done and waits for an answer: a login for its code, a passkey's for its signature."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import delete, insert, update
from sqlalchemy.orm import Session

from core import clock
from core.models import Challenge, table_of
from core.security import hash_token
from core.services.purging import delete_some

CHALLENGES = table_of(Challenge)

TOKEN_BYTES = 32

LIFETIME = timedelta(minutes=5)
"""Time to find the phone, or to log in at a provider."""

MAX_ATTEMPTS = 5
"""At a code. Of a million three are right at a time; then the first factor has to come again."""

Purpose = Literal["second_factor", "passkey", "new_passkey", "oidc"]


@dataclass(frozen=True, slots=True)
class OpenChallenge:
    user_id: UUID | None
    data: Mapping[str, Any]


def issue_challenge(
    session: Session,
    *,
    purpose: Purpose,
    user_id: UUID | None = None,
    data: Mapping[str, Any] | None = None,
    token: str | None = None,
) -> str:
    """The token to answer it with, which is random unless given."""
    token = token or secrets.token_urlsafe(TOKEN_BYTES)
    session.execute(
        insert(Challenge).values(
            token_hash=hash_token(token.encode()),
            purpose=purpose,
            user_id=user_id,
            data=dict(data or {}),
            attempts=0,
            expires_at=clock.now() + LIFETIME,
        )
    )
    return token


def try_challenge(session: Session, *, purpose: Purpose, token: str) -> OpenChallenge | None:
    """Count an attempt at it, which must be committed however it ends. None when none is left."""
    row = session.execute(
        update(CHALLENGES)
        .where(*_is_open(purpose, token), CHALLENGES.c.attempts < MAX_ATTEMPTS)
        .values(attempts=CHALLENGES.c.attempts + 1)
        .returning(CHALLENGES.c.user_id, CHALLENGES.c.data)
    ).first()
    return None if row is None else OpenChallenge(*row)


def take_challenge(session: Session, *, purpose: Purpose, token: str) -> OpenChallenge | None:
    """Use it up; of several that try at once one succeeds."""
    row = session.execute(
        delete(CHALLENGES).where(*_is_open(purpose, token)).returning(CHALLENGES.c.user_id, CHALLENGES.c.data)
    ).first()
    return None if row is None else OpenChallenge(*row)


def purge_challenges(session: Session) -> int:
    """Delete some of those that nobody answered in time; answers how many."""
    return delete_some(session, CHALLENGES, CHALLENGES.c.expires_at <= clock.now())


def _is_open(purpose: Purpose, token: str) -> tuple[Any, ...]:
    return (
        CHALLENGES.c.token_hash == hash_token(token.encode()),
        CHALLENGES.c.purpose == purpose,
        CHALLENGES.c.expires_at > clock.now(),
    )
