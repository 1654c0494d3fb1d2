from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from core import clock
from core.models import Challenge
from core.security import hash_token


def user_of_challenge(session: Session, *, purpose: str, token: str) -> UUID | None:
    """Whose login waits for an answer to it; None when there is no such challenge any more."""
    return session.scalar(
        select(Challenge.user_id).where(
            Challenge.token_hash == hash_token(token.encode()),
            Challenge.purpose == purpose,
            Challenge.expires_at > clock.now(),
        )
    )
