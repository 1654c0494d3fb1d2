"""Mails about the recipient's own account."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from core import clock
from core.models import User
from core.queries.letters import Letter, Links, until
from core.security import VERIFICATION_LIFETIME, verification_token


def verification_letter(session: Session, payload: Mapping[str, Any], *, links: Links) -> Letter | None:
    """`user_id`: the code that proves that somebody reads mail to the user's address.

    None when there is nobody to prove it any more, it is proven already, or it was asked for too long ago.
    """
    user = session.execute(
        select(User.email, User.email_key, User.username, User.verification_asked_at).where(
            User.id == UUID(payload["user_id"]), User.is_active, User.email_verified_at.is_(None)
        )
    ).first()
    if user is None or user.verification_asked_at is None:
        return None
    expires_at = user.verification_asked_at + VERIFICATION_LIFETIME
    if expires_at <= clock.now():
        return None
    token = verification_token(
        links.secret, user_id=UUID(payload["user_id"]), email_key=user.email_key, expires_at=expires_at
    )
    # The display name is left out: whoever registers may write anything into it, to anybody's address.
    return Letter(
        user.email,
        "Confirm your e-mail address",
        f"""Hello,

somebody registered the account "{user.username}" of Outlay at
{links.public_url} with this address. If it was you, this code confirms
that the address is yours:

    {token}

Enter it where your app asks for it, or send it yourself:

    {links.call("/v1/auth/verify-email", {"token": token})}

It works until {until(expires_at)}.
If it was not you, leave it: without the code nothing happens.
""",
    )
