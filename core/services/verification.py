"""Proof that a user reads mail to the address of the account."""

import math
from datetime import timedelta
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from core import clock
from core.errors import Conflict, Unauthenticated, invalid
from core.models import User
from core.queries.mails import VERIFY_EMAIL
from core.security import is_verification_token, read_verification_token
from core.services.mails import stage_mail

PAUSE = timedelta(minutes=1)
"""Between two mails of this kind: enough for one to arrive, and nobody's inbox is flooded."""

REFUSAL = "not a valid code, or an expired one"


def ask_for_verification(session: Session, *, user_id: UUID) -> None:
    """Send the code (again).

    Raises:
        Conflict: the address is verified already, or the last mail was asked for less than a minute ago.
    """
    user = session.scalar(select(User).where(User.id == user_id).with_for_update(key_share=True))
    if user is None:
        raise Unauthenticated("the account is gone")
    if user.email_verified_at is not None:
        raise Conflict("the address is verified already")
    now = clock.now()
    if user.verification_asked_at is not None and now < user.verification_asked_at + PAUSE:
        wait_s = math.ceil((user.verification_asked_at + PAUSE - now).total_seconds())
        raise Conflict(f"a mail is on its way; ask for another one in {wait_s} seconds")
    session.execute(update(User).where(User.id == user_id).values(verification_asked_at=now))
    stage_mail(session, key=str(user_id), template=VERIFY_EMAIL, user_id=user_id)


def verify_email(session: Session, *, secret: str, token: str) -> None:
    """Take the code of a mail; the same one does it again as long as it is valid.

    Raises:
        InvalidInput: it is malformed, not of ours, expired, or for an address that the user has no more.
    """
    claims = read_verification_token(token)
    now = clock.now()
    if claims is None or claims.expires_at <= now:
        raise invalid("/token", REFUSAL)
    user = session.scalar(
        select(User).where(User.id == claims.user_id, User.is_active).with_for_update(key_share=True)
    )
    if user is None or not is_verification_token(secret, token, claims, email_key=user.email_key):
        raise invalid("/token", REFUSAL)
    if user.email_verified_at is None:
        session.execute(
            update(User)
            .where(User.id == user.id)
            .values(email_verified_at=now, version=User.version + 1, updated_at=now)
        )
